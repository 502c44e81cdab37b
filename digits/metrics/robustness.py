"""Digits that are not where, or not as upright, as those that a model learned from."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digits.data.transforms import affine, rotation, shift
from digits.metrics.intervals import proportion


class Point(NamedTuple):
    """Accuracy on images disturbed by so many pixels or degrees, with its interval."""

    amount: float
    accuracy: float
    low: float
    high: float


def shifted(images: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """The images (n, h, w), a quarter of them moved right, left, down and up each; what leaves the picture is lost."""
    return _in_turn(
        images,
        [
            partial(shift, right=x * pixels, down=y * pixels)
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))
        ],
    )


def rotated(images: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """The images (n, h, w), every other one turned counterclockwise, the rest clockwise."""
    return _in_turn(images, [partial(affine, matrix=rotation(by)) for by in (degrees, -degrees)])


def _in_turn(images: NDArray, ways: list[Callable[[NDArray], NDArray]]) -> NDArray:
    # Each image once: several disturbed copies of one would not be independent, and the interval too narrow.
    changed = images.copy()
    for start, way in enumerate(ways):
        changed[start :: len(ways)] = way(images[start :: len(ways)])
    return changed


def point(amount: float, right: NDArray[np.bool_], confidence: float) -> Point:
    """A point of the curve, given which of the images were read right."""
    hits, n = int(np.count_nonzero(right)), len(right)
    low, high = proportion(hits, n, confidence)
    return Point(amount, *(round(value, 10) for value in (hits / n, low, high)))
