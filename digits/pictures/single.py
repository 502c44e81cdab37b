"""Whether the ink on a picture is that of one digit."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Chosen on pictures made from MNIST's training images: `python -m bench.no_digit`.
_STRONG = 0.4  # of the ink's contrast: what differs so much from the paper counts, in any colour
_OTHER_SIZE = 0.5  # of the digit's longer side: other ink of that size is no dirt
_OTHER_MASS = 0.7  # of the digit's ink: as much other ink is no dirt
_WIDEST = 2.1  # times as wide as high
_THICKEST = 0.29  # of the longer side: the radius of the largest circle within the ink
_FULLEST = 0.75  # of its box, where that is not narrow
_HOLES = 3  # at most: an 8 has two
_LONGEST = 3.9  # of the longer side: how long a pen's way is
_SHORTEST = 1.2  # the same, where the ink is thick
_THICK = 0.24  # as _THICKEST
_BROKEN = 0.06  # of the longer side: the gaps in a stroke are no wider
_BESIDE = 0.1  # of the longer side: pieces of a digit are no farther apart
_BELOW = 0.12  # the same, one below the other
_SMALL = 40  # pixels: smaller pictures are not smoothed, as in `ink`

_Box = tuple[slice, slice]


def why_not_single(away: NDArray[np.float32], ink: NDArray[np.float32]) -> str | None:
    """What speaks against one digit, as the end of "it holds no single digit, as ...".

    Parameters
    ----------
    away : ndarray of shape (height, width, 3), float32
        How the picture differs from its paper, as of `from_paper`.
    ink : ndarray of shape (height, width), float32
        What was found of it, as of `ink_of`.

    Returns
    -------
    str or None
        None for one digit.
    """
    drawn = ink > 0.5
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    shape = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = shape.shape
    side = max(height, width)

    other, n_other = ndimage.label(_other_ink(away, ink), np.ones((3, 3)))
    sizes = [max(_lengths(box)) for box in ndimage.find_objects(other)]
    if n_other and max(sizes) >= max(_OTHER_SIZE * side, 3):
        return "there is other ink of its size"
    if np.count_nonzero(other) >= _OTHER_MASS * np.count_nonzero(drawn):
        return "there is much other ink"
    if width > _WIDEST * height:
        return "the ink is too wide for one"
    if _along_an_edge(drawn, shape.shape):
        return "the ink goes along an edge of the picture"

    inside = ndimage.distance_transform_edt(np.pad(shape, 1))
    stroke = max(4 * float(inside[inside > 0].mean()) - 2, 1.0)
    way = np.count_nonzero(shape) / stroke / side
    narrow = width <= 0.6 * height
    if inside.max() > _THICKEST * side + 1:
        return "the ink is an area, not strokes"
    if inside.max() > _THICK * side + 1 and way < _SHORTEST:
        return "the ink is an area, not strokes"
    if not narrow and shape.mean() > _FULLEST:
        return "the ink is an area, not strokes"
    if _count_holes(shape) > _HOLES or way > _LONGEST:
        return "the strokes are those of more than one"
    if _are_several(ink, side, width / height):
        return "the ink is two pieces of one size"
    return None


def _other_ink(away: NDArray[np.float32], ink: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where there is ink of whatever colour that is not the digit's."""
    if min(away.shape[:2]) >= _SMALL:
        away = ndimage.gaussian_filter(away, (1, 1, 0))
    different = np.sqrt((away**2).sum(axis=2))
    contrast = float(np.percentile(different[ink > 0.5], 75))
    near = ndimage.binary_dilation(ink > 0.05, iterations=2)
    found: NDArray[np.bool_] = (different > _STRONG * contrast) & ~near
    return found


def _along_an_edge(drawn: NDArray[np.bool_], box: tuple[int, ...]) -> bool:
    """Whether ink fills most of an edge; not where the picture was cut close around it."""
    if all(a >= 0.9 * b for a, b in zip(box, drawn.shape, strict=True)):
        return False
    edges = drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]
    return any(edge.mean() > 0.6 for edge in edges)


def _count_holes(shape: NDArray[np.bool_]) -> int:
    """How many parts of the paper the ink encloses, without the smallest."""
    labels, _ = ndimage.label(~np.pad(shape, 1))
    areas = np.bincount(labels.ravel())[2:]  # after the ink and the paper around it
    return int(np.count_nonzero(areas >= max(0.003 * shape.size, 2)))


def _are_several(ink: NDArray[np.float32], side: int, wide: float) -> bool:
    """Whether two pieces lie side by side or above each other as two digits do."""
    is_wide = wide > 1.3
    # Two digits that hardly touch are wide; what else is so near is a stroke that broke.
    pieces = _pieces(ink > 0.15, 0 if is_wide else _BROKEN * side)
    boxes = [box for box in pieces if max(_lengths(box)) >= 0.35 * side]
    for number, first in enumerate(boxes):
        for second in boxes[:number]:
            below, right = (
                max(a.start - b.stop, b.start - a.stop) / side
                for a, b in zip(first, second, strict=True)
            )
            low, high = sorted(_lengths(box)[0] for box in (first, second))
            if low >= 0.5 * high and right > (-0.03 if is_wide else _BESIDE):
                return True
            if low >= 0.38 * side and below > _BELOW:
                return True
    return False


def _pieces(drawn: NDArray[np.bool_], gap: float) -> list[_Box]:
    """The boxes of the pieces of ink, of which those belong together that lie within a gap."""
    labels, n = ndimage.label(drawn, np.ones((3, 3)))
    boxes: list[_Box] = ndimage.find_objects(labels)
    if n == 1 or gap == 0:
        return boxes
    rows, columns = zip(*boxes, strict=True)
    around = tuple(slice(min(p.start for p in x), max(p.stop for p in x)) for x in (rows, columns))
    part = drawn[around]
    joined, _ = ndimage.label(ndimage.distance_transform_edt(~part) <= gap / 2, np.ones((3, 3)))
    return ndimage.find_objects(joined * part)


def _lengths(box: _Box) -> tuple[int, int]:
    return box[0].stop - box[0].start, box[1].stop - box[1].start
