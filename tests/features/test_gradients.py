"""Gradients against SciPy's operators, image by image and vector by vector."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, stats
from sklearn.utils.estimator_checks import parametrize_with_checks

from digits.data.loaders import digits_8x8
from digits.features.gradients import Gradients

DIGITS = np.kron(digits_8x8().images[:30], np.ones((1, 3, 3), np.uint8))  # 24 x 24


def planes_of(pictures: NDArray, grid: int = 8, directions: int = 12) -> NDArray[np.float32]:
    """(n, directions, grid, grid)"""
    n, height, width = pictures.shape
    features = Gradients((height, width), grid, directions).fit_transform(pictures.reshape(n, -1))
    return features.reshape(n, directions, grid, grid)


def weights(side: int, grid: int) -> NDArray[np.float64]:
    """Gaussians around the middles of equal parts of a line of pixels."""
    step = side / grid
    bells = [
        stats.norm.pdf(np.arange(side) + 0.5, (i + 0.5) * step, np.sqrt(2) * step / np.pi)
        for i in range(grid)
    ]
    return np.array([bell / bell.sum() for bell in bells])


def by_definition(picture: NDArray, grid: int, directions: int) -> NDArray[np.float64]:
    """Each vector is written in the basis of the two directions next to it."""
    right, down = (
        ndimage.sobel(picture.astype(np.float64), axis, mode="constant") for axis in (1, 0)
    )
    angles = np.arange(directions + 1) * 2 * np.pi / directions
    basis = np.stack([np.cos(angles), np.sin(angles)])
    planes = np.zeros((directions, *picture.shape))
    for place in np.ndindex(picture.shape):
        vector = np.array([right[place], down[place]])
        before = int(np.arctan2(*vector[::-1]) % (2 * np.pi) // angles[1]) % directions
        parts = np.linalg.solve(basis[:, before : before + 2], vector)
        planes[before, *place], planes[(before + 1) % directions, *place] = parts
    rows, columns = (weights(side, grid) for side in picture.shape)
    return np.einsum("iy,dyx,jx->dij", rows, planes, columns)


@pytest.mark.parametrize(
    ("shape", "grid", "directions"),
    [((24, 24), 8, 12), ((24, 17), 7, 8), ((13, 24), 5, 16), ((8, 8), 8, 4), ((5, 9), 12, 6)],
    ids=str,
)
def test_planes_are_the_formulas(shape: tuple[int, int], grid: int, directions: int) -> None:
    pictures = DIGITS[[0, 3, 7], : shape[0], 24 - shape[1] :]
    for picture, fast in zip(pictures, planes_of(pictures, grid, directions), strict=True):
        expected = by_definition(picture, grid, directions)
        assert expected.max() > 1
        np.testing.assert_allclose(fast, expected, rtol=0, atol=1e-6 * expected.max())


def test_all_planes_of_a_slope_but_its_own_are_empty() -> None:
    """One that rises by 1 a pixel has a Sobel gradient of 8."""
    y, x = np.mgrid[:60, :60]
    slopes = np.stack([x, y, 100 - x, 100 - y, x + y])
    inside = planes_of(slopes, grid=6, directions=8)[:, :, 2:4, 2:4]
    expected = np.zeros((5, 8))
    for slope, direction in enumerate([0, 2, 4, 6, 1]):
        expected[slope, direction] = 8
    expected[4] *= np.sqrt(2)
    np.testing.assert_allclose(
        inside, np.broadcast_to(expected[..., None, None], inside.shape), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("directions", [4, 12])
def test_a_quarter_turn_permutes_the_directions(directions: int) -> None:
    turned = np.rot90(planes_of(DIGITS, directions=directions), -1, axes=(2, 3))
    expected = np.roll(turned, directions // 4, axis=1)
    planes = planes_of(np.rot90(DIGITS, -1, axes=(1, 2)), directions=directions)
    np.testing.assert_allclose(planes, expected, rtol=0, atol=1e-6 * planes.max())


def test_the_negative_has_the_opposite_directions() -> None:
    padded = np.pad(DIGITS, ((0, 0), (20, 20), (20, 20)))
    middle = np.s_[:, :, 2:-2, 2:-2]
    np.testing.assert_allclose(
        planes_of(255 - padded)[middle], np.roll(planes_of(padded), 6, axis=1)[middle], atol=1e-3
    )


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Gradients(grid=0), "grid is 0, allowed is a whole number from 1"),
        (Gradients(directions=2), "directions is 2, allowed are even numbers from 4"),
        (Gradients(directions=9), "directions is 9, allowed are even numbers from 4"),
    ],
)
def test_what_is_not_allowed_is_refused(estimator: Gradients, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimator.fit(DIGITS.reshape(len(DIGITS), -1))


ESTIMATORS = [Gradients(), Gradients(grid=3, directions=4)]


@parametrize_with_checks(ESTIMATORS)  # type: ignore[untyped-decorator]
def test_scikit_learns_rules_for_estimators_are_kept(estimator: Gradients, check: Any) -> None:
    check(estimator)
