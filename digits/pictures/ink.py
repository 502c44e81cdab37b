"""The ink of a digit on a picture, told from paper, noise, frames, shadows and dirt."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from digits.pictures.grain import grain_of
from digits.pictures.ruling import remove_ruling

# Pixels of the shorter side: smaller pictures have strokes of a pixel or two, and are not smoothed.
_SMALL = 40

_IMPULSE = 48  # of 255: how far a pixel must be from its neighbours to be salt or pepper

_FRAME_SHARE = 0.9  # of the pixels of a line must have the frame's colour

_FAINTEST = 20.0  # of 441, the way from black to white: what differs less from the paper is no ink

_FLOOR = 0.05  # of the ink's darkness: what is fainter is paper

_SPECK = 0.03  # of the ink of the largest piece: smaller pieces are dirt


class NoInk(ValueError):
    """Nothing on the picture differs from its paper."""


def clean(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove salt and pepper, ruling and frames from a picture (height, width, 3), uint8."""
    return remove_frames(remove_ruling(remove_impulses(picture)))


def remove_impulses(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove salt and pepper from a picture.

    Where one in a hundred pixels stands alone, a median filter replaces such pixels.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
    """
    for _ in range(2):  # where there is much of it, grains touch
        if min(picture.shape[:2]) < _SMALL:
            return picture
        median = np.asarray(Image.fromarray(picture).filter(ImageFilter.MedianFilter(3)))
        far = (np.abs(picture.astype(np.int16) - median) > _IMPULSE).any(axis=2)
        if _count_lonely(picture, far) < 0.01 * far.size:
            return picture
        picture = np.where(far[..., None], median, picture)
    return picture


def _count_lonely(picture: NDArray[np.uint8], candidates: NDArray[np.bool_]) -> int:
    """How many candidates (height, width) are like at most one of their eight neighbours.

    Pixels of a line are like two, however thin it is.
    """
    y, x = np.nonzero(candidates[1:-1, 1:-1])
    colours = picture[y + 1, x + 1].astype(np.int16)
    alike = np.zeros(len(y), np.int64)
    for down, right in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        alike += (np.abs(picture[y + down, x + right] - colours) <= _IMPULSE).all(axis=1)
    return int(np.count_nonzero(alike <= 1))


def remove_frames(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Remove the frames around a picture, also several within each other.

    A frame is a margin of one colour on all four sides, within which all is of another colour.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8

    Returns
    -------
    ndarray of shape (h, w, 3), uint8
        A part of the picture.
    """
    whole = picture
    for _ in range(4):
        inside = _within_margins(picture)
        if inside is None:
            break
        picture = inside
    # A thick bar is a 1, not a frame around nothing.
    return picture if picture is whole or _spread(picture) > 0.25 * _spread(whole) else whole


def _within_margins(picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """What lies within the outermost margins, if those are a frame."""
    height, width = picture.shape[:2]
    if min(height, width) < 8:
        return None
    ring = _ring(picture, 1)
    colour = np.median(ring, axis=0)
    tolerance = max(40.0, 4 * grain_of(picture))
    like = (np.abs(picture - colour) <= tolerance).all(axis=2)
    rows, columns = (np.flatnonzero(like.mean(axis=axis) < _FRAME_SHARE) for axis in (1, 0))
    if len(rows) == 0 or len(columns) == 0:
        return None
    if min(rows[0], columns[0], height - 1 - rows[-1], width - 1 - columns[-1]) < 1:
        return None
    # First without what blends frame and paper; then with it, as what follows may be a thin frame.
    for blend in (1 + max(height, width) // 100, 0):
        part = (
            slice(rows[0] + blend, rows[-1] + 1 - blend),
            slice(columns[0] + blend, columns[-1] + 1 - blend),
        )
        inside, still = picture[part], like[part]
        share = min(inside.shape[0] / height, inside.shape[1] / width)
        if share < 0.4 or min(inside.shape[:2]) < 6:
            continue
        within, edge = _ring(inside, 1), _ring(still, 1)
        # The margins around a thick 0 end at ink too, but not everywhere, not in the corners, and
        # not at one colour.
        even = (np.abs(within - np.median(within, axis=0)) <= tolerance).all(axis=1)
        corners = still[[0, 0, -1, -1], [0, -1, 0, -1]]
        if not corners.any() and edge.mean() < 0.15 and even.mean() > 0.7:
            return inside
    return None


def _ring(picture: NDArray, width: int) -> NDArray:
    """The outermost pixels (n, ...) of a picture (height, width, ...)."""
    inner = slice(width, -width)
    sides = picture[:width], picture[-width:], picture[inner, :width], picture[inner, -width:]
    return np.concatenate([side.reshape(-1, *picture.shape[2:]) for side in sides])


def _spread(picture: NDArray[np.uint8]) -> float:
    """The range of the colours, without the rarest."""
    low, high = np.percentile(picture.reshape(-1, 3), [0.2, 99.8], axis=0)
    return float((high - low).max())


def find_ink(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure how much ink there is at each pixel.

    Colours are measured from that of the paper, along the direction in which they differ most (the
    first principal component): ink may be darker or lighter than the paper, or as bright and of
    another colour. The paper may be unevenly lit. What is within its noise becomes 0, and so do
    specks.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3), uint8

    Returns
    -------
    ndarray of shape (height, width), float32
        From 0 to 1.

    Raises
    ------
    NoInk
        When nothing differs from the paper.
    """
    return ink_of(from_paper(picture))


def from_paper(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How each pixel of a picture (height, width, 3) differs from the paper, in each colour."""
    return picture - _paper(picture)


def ink_of(away: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ink (height, width), as of `find_ink`, of what `from_paper` returns."""
    flat = away.reshape(-1, 3)
    direction = np.linalg.eigh(flat.T @ flat)[1][:, -1].astype(np.float32)
    levels = away @ direction
    if (levels**3).sum() < 0:  # the paper is what most is like, so the long tail is ink
        levels = -levels
    noise = _deviation(levels)
    if noise > 0.04 * levels.max() and min(levels.shape) >= _SMALL:
        levels = ndimage.gaussian_filter(levels, 1.0)
        noise = _deviation(levels)
    if levels.max() < max(_FAINTEST, 6 * noise):
        raise NoInk
    floor = max(3.5 * noise, _FLOOR * float(levels.max()))
    kept = remove_specks(np.where(levels > floor, levels, 0))
    darkness = float(np.percentile(kept[kept > kept.max() / 2], 75))
    kept[kept < _FLOOR * darkness] = 0
    return np.minimum(kept / darkness, 1)


def _deviation(levels: NDArray[np.floating]) -> float:
    """The standard deviation of the paper, whose level is 0.

    It is that of what lies on the other side of 0 than the ink, or of the grain, as white paper has
    nothing on its other side.
    """
    beyond = levels[levels <= 0]
    grain = grain_of(levels) if min(levels.shape) >= _SMALL else 0.0
    return max(-1.4826 * float(np.median(beyond)) if len(beyond) else 0.0, grain)


def _paper(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The colour (3,) of the paper; if it is unevenly lit, that at each pixel (height, width, 3).

    It is taken from the edges of the picture, where there is more paper than ink.
    """
    height, width = picture.shape[:2]
    colour = _commonest(_ring(picture, 1 + min(height, width) // 50), 12 + 3 * grain_of(picture))
    step = 1 + max(height, width) // 60
    sample = picture[step // 2 :: step, step // 2 :: step].astype(np.float32)
    if min(height, width) < _SMALL or min(sample.shape[:2]) < 8:
        return colour
    edge = _ring(sample - colour, 2)
    if _distance(edge, 30) < 6:  # three pixels in ten are of one colour: the others are ink
        return colour
    y, x = np.mgrid[: sample.shape[0], : sample.shape[1]]
    unit_y, unit_x = sample.shape[0] - 1, sample.shape[1] - 1
    terms = _quadratic(y / unit_y, x / unit_x)
    of_edges = _fit_least_absolute(_ring(terms, 3), _ring(sample, 3))
    away = np.abs(sample - terms @ of_edges).max(axis=2)
    light = away <= 0.35 * np.percentile(away, 98)
    try:
        surface = _fit_least_absolute(terms[light], sample[light])
    except np.linalg.LinAlgError:  # too little is paper to say how its light goes
        return colour
    # Even paper stays even: a surface must explain most of what differs.
    if _distance(_ring(sample - terms @ surface, 2), 60) > 0.5 * _distance(edge, 60):
        return colour
    y, x = np.mgrid[:height, :width] - step // 2
    return _quadratic(y / (step * unit_y), x / (step * unit_x)) @ surface


def _commonest(colours: NDArray[np.uint8], tolerance: float) -> NDArray[np.float32]:
    """The colour (3,) around which most of the colours (n, 3) are."""
    # Not their median, which may be half paper and half ink.
    sample = colours[:: 1 + len(colours) // 200].astype(np.float32)
    near = np.abs(sample[:, None] - sample).max(axis=2) <= tolerance
    return np.median(sample[near[near.sum(axis=1).argmax()]], axis=0)


def _distance(differences: NDArray[np.float32], percent: float) -> float:
    """The percentile of how far colours (n, 3) are from 0."""
    return float(np.percentile(np.abs(differences).max(axis=1), percent))


def _quadratic(y: NDArray, x: NDArray) -> NDArray[np.float32]:
    """The six terms of a quadratic surface, on the last axis."""
    return np.stack([np.ones_like(x), y, x, y * y, x * y, x * x], axis=-1).astype(np.float32)


def _fit_least_absolute(
    terms: NDArray[np.float32], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Coefficients (terms, 3) of least absolute deviations, which ink among the paper hardly moves.

    By iteratively reweighted least squares.
    """
    terms, values = terms.astype(np.float64), values.astype(np.float64)
    weighted = terms
    for _ in range(15):
        fitted = np.linalg.solve(weighted.T @ terms, weighted.T @ values)
        weighted = terms / np.maximum(np.abs(values - terms @ fitted).max(axis=1, keepdims=True), 1)
    return fitted.astype(np.float32)


def remove_specks(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove dirt: keep the piece with most ink, and those that belong to it.

    A piece belongs to it if it holds 3 % of that ink and is no farther away than a quarter of its
    size, as the bar of a 5; then also what is as near to that, as the parts of a broken stroke.

    Parameters
    ----------
    levels : ndarray of shape (height, width), float32
        0 being paper.

    Returns
    -------
    ndarray of shape (height, width), float32
    """
    labels, n = ndimage.label(levels > 0, np.ones((3, 3)))
    if n <= 1:
        return levels
    mass = ndimage.sum_labels(levels, labels, np.arange(n + 1))
    main = int(mass.argmax())
    boxes = [(slice(0, 0), slice(0, 0)), *ndimage.find_objects(labels)]
    starts, stops = (
        np.array([[getattr(p, end) for p in box] for box in boxes]) for end in ("start", "stop")
    )
    start, stop = starts[main], stops[main]
    reach = (stop - start).max() / 4
    large = mass >= _SPECK * mass[main]
    keep = np.zeros(n + 1, bool)
    while True:
        near = large & (np.maximum(start - stops, starts - stop) <= reach).all(axis=1)
        if np.array_equal(near, keep):
            return np.where(keep[labels], levels, 0)
        keep, start, stop = near, starts[near].min(axis=0), stops[near].max(axis=0)
