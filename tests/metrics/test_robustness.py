"""Disturbed images against SciPy's own, and the points of the curve against Wilson's formula."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from digits.metrics.predictions import predict
from digits.metrics.robustness import Point, point, robustness, rotated, shifted
from tests.small import IMAGES, LABELS, learned


def random_images(n: int, side: int = 12) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, (n, side, side), dtype=np.uint8)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 22])
@pytest.mark.parametrize("pixels", [1, 3, 12])
def test_each_image_is_moved_in_one_direction_and_all_are_used(n: int, pixels: int) -> None:
    images = random_images(n)
    before = images.copy()
    changed = shifted(images, pixels)
    np.testing.assert_array_equal(images, before)
    assert changed.dtype == np.uint8 and changed.shape == images.shape
    used = []
    for image, result in zip(images, changed, strict=True):
        directions = [(0, pixels), (0, -pixels), (pixels, 0), (-pixels, 0)]
        same = [
            direction
            for direction in directions
            if np.array_equal(result, ndimage.shift(image, direction, order=0, cval=0))
        ]
        assert len(same) == (1 if pixels < 12 else 4)
        used.append(same[0])
    if pixels < 12:
        counts = [used.count(direction) for direction in set(used)]
        assert len(counts) == min(n, 4) and max(counts) - min(counts) <= 1


@pytest.mark.parametrize("degrees", [5, 12.5, 30])
def test_every_other_image_is_turned_either_way(degrees: float) -> None:
    images = random_images(7)
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
    np.testing.assert_array_equal(shifted(random_images(5), 0), random_images(5))
    np.testing.assert_array_equal(rotated(random_images(5), 0), random_images(5))


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1900, 2000), (1, 3)])
@pytest.mark.parametrize(
    ("confidence", "z"), [(0.95, 1.959963984540054), (0.5, 0.6744897501960817)]
)
def test_point_has_the_interval_of_wilson(hits: int, n: int, confidence: float, z: float) -> None:
    p, whole = hits / n, 1 + z * z / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    measured = point(4, np.arange(n) < hits, confidence)
    assert isinstance(measured, Point) and measured.amount == 4
    assert measured[1:] == pytest.approx(
        (p, (middle - half) / whole, (middle + half) / whole), abs=1e-9
    )
    assert all(type(value) is float for value in measured[1:])


class Settings(NamedTuple):
    images: int
    shifts: Sequence[int] = (1, 3)
    rotations: Sequence[float] = (10, 30)


@pytest.mark.parametrize("n_images", [5, 30, 100])
def test_robustness_is_the_accuracy_on_evenly_spaced_images(n_images: int) -> None:
    model = learned("knn", IMAGES[:500], LABELS[:500])
    X, y = IMAGES[500:590], LABELS[500:590]
    images, predictions = X.reshape(-1, 8, 8), predict(model, X, np.arange(90), y, "test")
    curves = robustness(model, images, predictions, Settings(n_images), 0.8)
    n = min(n_images, 90)
    taken = [k * 90 // n for k in range(n)]
    originals = images[taken]
    disturbed = {
        "shift": [(0, originals), *((by, shifted(originals, by)) for by in (1, 3))],
        "rotation": [(0, originals), *((by, rotated(originals, by)) for by in (10, 30))],
    }
    assert curves == {
        kind: [point(by, model.predict(some.reshape(n, -1)) == y[taken], 0.8) for by, some in pairs]
        for kind, pairs in disturbed.items()
    }
    assert robustness(model, images, predictions, Settings(0), 0.8) == {"shift": [], "rotation": []}
