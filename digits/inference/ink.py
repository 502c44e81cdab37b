"""Pictures from anywhere, brought to the form in which the models know digits: light ink on 0, of one size, in the middle.

Four steps, each a function: `read_picture`, `clean`, `find_ink`, `fit_to`; `read_digit` is all of them.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

_SMALL = 40  # pixels of the shorter side below which there is nothing to smooth: a stroke is a pixel or two

_IMPULSE = 48  # of 255: how far a pixel must be from its neighbours to be salt or pepper

_FRAME_SHARE = 0.9  # of the pixels of a line must have the frame's colour

_FAINTEST = (
    20.0  # of 441, the way from black to white: ink that differs less from the paper is none
)

_FLOOR = 0.05  # of the ink's darkness: what is fainter is paper

_SPECK = 0.03  # of the largest piece's ink: smaller pieces are dirt


class NoInk(ValueError):
    """Nothing on the picture differs from its paper."""


def clean(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture without salt and pepper and without frames: see `without_impulses` and `without_frames`."""
    return without_frames(without_impulses(picture))


def without_impulses(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture without salt and pepper: where one in a hundred pixels stands alone, a median filter replaces such pixels.

    Parameters and returns: uint8 (height, width, 3).
    """
    for _ in range(2):  # where there is much of it, grains touch
        if min(picture.shape[:2]) < _SMALL:
            return picture
        median = np.asarray(Image.fromarray(picture).filter(ImageFilter.MedianFilter(3)))
        far = (np.abs(picture.astype(np.int16) - median) > _IMPULSE).any(axis=2)
        if _lonely(picture, far) < 0.01 * far.size:
            return picture
        picture = np.where(far[..., None], median, picture)
    return picture


def _lonely(picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> int:
    """How many of some pixels are like no more than one of their eight neighbours: not so on the thinnest of lines."""
    y, x = np.nonzero(where[1:-1, 1:-1])
    here = picture[y + 1, x + 1].astype(np.int16)
    alike = np.zeros(len(y), np.int64)
    for down, right in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        alike += (np.abs(picture[y + down, x + right] - here) <= _IMPULSE).all(axis=1)
    return int(np.count_nonzero(alike <= 1))


def without_frames(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture without the frames around it: margins of one colour on all four sides, within which everything is another colour.

    Of several frames within each other all are taken away. Parameters: uint8 (height, width, 3). Returns: a part of it.
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
    tolerance = max(40.0, 4 * _noise(picture))
    like = (np.abs(picture - colour) <= tolerance).all(axis=2)
    rows, columns = (np.flatnonzero(like.mean(axis=axis) < _FRAME_SHARE) for axis in (1, 0))
    if len(rows) == 0 or len(columns) == 0:
        return None
    if min(rows[0], columns[0], height - 1 - rows[-1], width - 1 - columns[-1]) < 1:
        return None
    for soft in (
        1 + max(height, width) // 100,
        0,
    ):  # where frame and paper blend; and if what follows is a thinner frame
        part = (
            slice(rows[0] + soft, rows[-1] + 1 - soft),
            slice(columns[0] + soft, columns[-1] + 1 - soft),
        )
        inside, still = picture[part], like[part]
        if (
            min(inside.shape[0] / height, inside.shape[1] / width) >= 0.4
            and min(inside.shape[:2]) >= 6
        ):
            within, edge = _ring(inside, 1), _ring(still, 1)
            # The margins around a thick 0 end at ink too, but not everywhere, not in the corners, and not at one colour.
            even = (np.abs(within - np.median(within, axis=0)) <= tolerance).all(axis=1)
            if (
                not still[[0, 0, -1, -1], [0, -1, 0, -1]].any()
                and edge.mean() < 0.15
                and even.mean() > 0.7
            ):
                return inside
    return None


def _ring(picture: NDArray, t: int) -> NDArray:
    """The outermost t pixels of a picture (height, width, ...), in a row (n, ...)."""
    sides = picture[:t], picture[-t:], picture[t:-t, :t], picture[t:-t, -t:]
    return np.concatenate([side.reshape(-1, *picture.shape[2:]) for side in sides])


def _spread(picture: NDArray[np.uint8]) -> float:
    """How much the colours differ, without the rarest."""
    low, high = np.percentile(picture.reshape(-1, 3), [0.2, 99.8], axis=0)
    return float((high - low).max())


def _noise(picture: NDArray) -> float:
    """The standard deviation of a picture's grain, from the differences of neighbours of which most lie on paper."""
    difference = np.abs(np.diff(picture.astype(np.float32), axis=1))
    return float(np.median(difference)) * 1.4826 / np.sqrt(2) if difference.size else 0.0


def find_ink(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much ink there is at each pixel.

    Colours are measured from the paper's, along the direction in which they differ most (the first principal component): ink may be
    darker or lighter than the paper, or of the same brightness in another colour. The paper may be unevenly lit. What is within its
    noise becomes 0, and so do specks.

    Parameters: `picture` uint8 (height, width, 3). Returns: float32 (height, width), 0 to 1. Raises NoInk.
    """
    away = picture - _paper(picture)
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
    kept = without_specks(np.where(levels > floor, levels, 0))
    darkness = float(np.percentile(kept[kept > kept.max() / 2], 75))
    kept[kept < _FLOOR * darkness] = 0
    return np.minimum(kept / darkness, 1)


def _deviation(levels: NDArray[np.floating]) -> float:
    """The standard deviation of the paper, 0 being its level: what is on the other side of it than the ink, or its grain.

    White paper has nothing on its other side.
    """
    beyond = levels[levels <= 0]
    grain = _noise(levels) if min(levels.shape) >= _SMALL else 0.0
    return max(-1.4826 * float(np.median(beyond)) if len(beyond) else 0.0, grain)


def _paper(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The colour of the paper, (3,); or where light and shadow fall on it, at each pixel (height, width, 3).

    At the edges of a picture there is more paper than ink.
    """
    height, width = picture.shape[:2]
    colour = _commonest(_ring(picture, 1 + min(height, width) // 50), 12 + 3 * _noise(picture))
    step = 1 + max(height, width) // 60
    some = picture[step // 2 :: step, step // 2 :: step].astype(np.float32)
    if (
        min(height, width) < _SMALL
        or min(some.shape[:2]) < 8
        or _within(edge := _ring(some - colour, 2), 30) < 6
    ):
        return colour  # three pixels in ten are of one colour: the others are ink
    y, x = np.mgrid[: some.shape[0], : some.shape[1]]
    unit_y, unit_x = some.shape[0] - 1, some.shape[1] - 1
    terms = _quadratic(y / unit_y, x / unit_x)
    edges = _least_absolute(_ring(terms, 3), _ring(some, 3))
    away = np.abs(some - terms @ edges).max(axis=2)
    light = away <= 0.35 * np.percentile(away, 98)
    found = _least_absolute(terms[light], some[light])
    # Even paper stays even: a surface must explain most of what differs.
    if _within(_ring(some - terms @ found, 2), 60) > 0.5 * _within(edge, 60):
        return colour
    y, x = np.mgrid[:height, :width] - step // 2
    return _quadratic(y / (step * unit_y), x / (step * unit_x)) @ found


def _commonest(colours: NDArray[np.uint8], tolerance: float) -> NDArray[np.float32]:
    """The colour (3,) around which most of the colours (n, 3) are: the median may be half paper, half ink."""
    some = colours[:: 1 + len(colours) // 200].astype(np.float32)
    near = np.abs(some[:, None] - some).max(axis=2) <= tolerance
    return np.median(some[near[near.sum(axis=1).argmax()]], axis=0)


def _within(differences: NDArray[np.float32], percent: float) -> float:
    """How far from 0 that share of colours (n, 3) is at most."""
    return float(np.percentile(np.abs(differences).max(axis=1), percent))


def _quadratic(y: NDArray, x: NDArray) -> NDArray[np.float32]:
    return np.stack([np.ones_like(x), y, x, y * y, x * y, x * x], axis=-1).astype(np.float32)


def _least_absolute(terms: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients (terms, 3) of the least absolute deviations, by reweighted least squares: ink hardly bends the paper."""
    terms, values = terms.astype(np.float64), values.astype(np.float64)
    weighted = terms
    for _ in range(15):
        found = np.linalg.solve(weighted.T @ terms, weighted.T @ values)
        weighted = terms / np.maximum(np.abs(values - terms @ found).max(axis=1, keepdims=True), 1)
    return found.astype(np.float32)


def without_specks(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink without dirt: the piece with most ink, and those that belong to it.

    A piece belongs if it holds 3 % of that ink and is no farther from it than half its size: the bar of a 5 does.
    Parameters and returns: float32 (height, width), 0 being paper.
    """
    labels, n = ndimage.label(levels > 0, np.ones((3, 3)))
    if n <= 1:
        return levels
    mass = ndimage.sum_labels(levels, labels, np.arange(n + 1))
    main = int(mass.argmax())
    boxes = ndimage.find_objects(labels)
    reach = max(part.stop - part.start for part in boxes[main - 1]) / 2
    keep = np.zeros(n + 1, bool)
    for piece in np.flatnonzero(mass >= _SPECK * mass[main]):
        keep[piece] = all(
            max(b.start - a.stop, a.start - b.stop) <= reach
            for a, b in zip(boxes[main - 1], boxes[piece - 1], strict=True)
        )
    return np.where(keep[labels], levels, 0)
