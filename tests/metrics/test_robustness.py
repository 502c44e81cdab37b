"""Disturbed images against SciPy's own, and the points of the curve against Wilson's formula."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from digits.metrics.robustness import Point, point, rotated, shifted


def pictures(n: int, side: int = 12) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, (n, side, side), dtype=np.uint8)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 22])
@pytest.mark.parametrize("pixels", [1, 3, 12])
def test_each_image_is_moved_in_one_direction_and_all_are_used(n: int, pixels: int) -> None:
    images = pictures(n)
    before = images.copy()
    changed = shifted(images, pixels)
    np.testing.assert_array_equal(images, before)
    assert changed.dtype == np.uint8 and changed.shape == images.shape
    used = []
    for image, result in zip(images, changed, strict=True):
        ways = [(0, pixels), (0, -pixels), (pixels, 0), (-pixels, 0)]
        same = [
            way
            for way in ways
            if np.array_equal(result, ndimage.shift(image, way, order=0, cval=0))
        ]
        assert len(same) == (1 if pixels < 12 else 4)
        used.append(same[0])
    if pixels < 12:
        counts = [used.count(way) for way in set(used)]
        assert len(counts) == min(n, 4) and max(counts) - min(counts) <= 1


@pytest.mark.parametrize("degrees", [5, 12.5, 30])
def test_every_other_image_is_turned_either_way(degrees: float) -> None:
    images = pictures(7)
    before = images.copy()
    changed = rotated(images, degrees)
    np.testing.assert_array_equal(images, before)
    assert changed.dtype == np.uint8
    for number, (image, result) in enumerate(zip(images, changed, strict=True)):
        by = degrees if number % 2 == 0 else -degrees
        expected = ndimage.rotate(
            image.astype(float), by, reshape=False, order=1, mode="grid-constant"
        )
        assert np.abs(result - expected).max() <= 0.5 + 1e-6


def test_nothing_is_changed_by_nothing() -> None:
    np.testing.assert_array_equal(shifted(pictures(5), 0), pictures(5))
    np.testing.assert_array_equal(rotated(pictures(5), 0), pictures(5))


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1900, 2000), (1, 3)])
@pytest.mark.parametrize(
    ("confidence", "z"), [(0.95, 1.959963984540054), (0.5, 0.6744897501960817)]
)
def test_point_has_the_interval_of_wilson(hits: int, n: int, confidence: float, z: float) -> None:
    p, whole = hits / n, 1 + z * z / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    found = point(4, np.arange(n) < hits, confidence)
    assert isinstance(found, Point) and found.amount == 4
    assert found[1:] == pytest.approx(
        (p, (middle - half) / whole, (middle + half) / whole), abs=1e-9
    )
    assert all(type(value) is float for value in found[1:])
