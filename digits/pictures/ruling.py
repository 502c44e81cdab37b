"""The lines of ruled and squared paper, taken off a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from digits.pictures.grain import grain_of

# Pixels of the shorter side: smaller pictures have strokes as thin as lines.
_SMALL = 40

_THICKEST = 0.02  # of the picture's height: thicker bands are no lines

_FAINTEST = 6.0  # of 255: how much a line differs from the paper beside it

_SHARE = 0.9  # of the pixels along a line look like it; the others are ink upon it

_REGULAR = 3  # such lines make ruled paper, on which more ink may lie on a line

_SHARE_OF_REGULAR = 0.25

_MARGIN = 0.05  # of the width: a lone line goes on so far, left and right of what is written

_INK = 40.0  # of 255: how much what is written differs from the paper

_SAMPLE = 100  # pixels along a line suffice to find it


def remove_ruling(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove straight lines that go across a whole picture, level or upright.

    What is written over a line stays.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        ``picture`` itself, if it has no such lines.
    """
    if min(picture.shape[:2]) < _SMALL:
        return picture
    level = _remove_level_lines(picture)
    return _remove_level_lines(level.swapaxes(0, 1)).swapaxes(0, 1)


def _remove_level_lines(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    # At the edges, where little is written.
    edges = np.concatenate([np.arange(width // 8), np.arange(width - width // 8, width)])
    edges = edges[:: 1 + len(edges) // _SAMPLE]
    profile = np.median(picture[:, edges], axis=1)
    thickest = max(round(_THICKEST * height), 3)
    paper = ndimage.median_filter(profile, (4 * thickest + 1, 1), mode="nearest")
    faintest = max(_FAINTEST, 6 * grain_of(picture) / len(edges) ** 0.5)
    lined = np.abs(profile - paper).max(axis=1) > faintest
    # Neighbouring lines are one band, as what lies between them tells nothing of the paper.
    bands, _ = ndimage.label(lined | ndimage.binary_closing(lined, np.ones(5)))
    lines = [
        _Line.at(picture, rows, edges)
        for (rows,) in ndimage.find_objects(bands)
        if rows.stop - rows.start <= 2 * thickest
    ]
    full = [line for line in lines if line.inside and line.share >= _SHARE]
    if len(full) >= _REGULAR:
        full = [line for line in lines if line.share >= _SHARE_OF_REGULAR]
    elif not full or not _has_margins(picture - paper[:, None], full):
        return picture
    cleaned = picture.copy()
    for line in full:
        cleaned[line.rows] = np.where(line.on_line[..., None], line.beside, picture[line.rows])
    return cleaned


def _has_margins(away: NDArray[np.float64], lines: list["_Line"]) -> bool:
    """Whether nothing but the lines lies along the left and the right edge."""
    without = np.ones(len(away), bool)
    for line in lines:
        without[line.rows] = False
    margin = max(round(_MARGIN * away.shape[1]), 2)
    for edge in (away[without, :margin], away[without, -margin:]):
        ink = np.abs(edge - np.median(edge, axis=(0, 1))).max(axis=2) > _INK
        if ink.mean() > 0.002:
            return False
    return True


@dataclass(frozen=True)
class _Line:
    """Rows of a picture: where they are a line, and what the paper is there.

    ``inside`` is False at the top and the bottom of a picture.
    """

    rows: slice
    inside: bool
    beside: NDArray[np.uint8]
    on_line: NDArray[np.bool_]
    share: float

    @classmethod
    def at(cls, picture: NDArray[np.uint8], rows: slice, edges: NDArray[np.intp]) -> "_Line":
        # Beyond what blends line and paper.
        top, bottom = rows.start - 2, rows.stop + 1
        inside = top >= 0 and bottom < len(picture)
        above = picture[[top if top >= 0 else bottom]].astype(np.float32)
        below = picture[[bottom if bottom < len(picture) else top]].astype(np.float32)
        rows = slice(max(top + 1, 0), min(bottom, len(picture)))
        share = np.arange(rows.start - top, rows.stop - top)[:, None, None] / (bottom - top)
        beside = above + share.astype(np.float32) * (below - above)
        away = picture[rows] - beside
        line = np.median(away[:, edges], axis=1, keepdims=True)
        tolerance = max(12.0, 0.5 * float(np.abs(line).max()), 3 * grain_of(picture))
        on_line = (np.abs(away - line) <= tolerance).all(axis=2)
        return cls(rows, inside, np.rint(beside).astype(np.uint8), on_line, float(on_line.mean()))
