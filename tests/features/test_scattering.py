"""Scattering against its formulas, convolved pixel by pixel in space."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.utils.estimator_checks import parametrize_with_checks

from digits.data.loaders import digits_8x8
from digits.features.scattering import Scattering, filters

RADIUS = 24  # pixels; no wavelet here reaches farther
DIGITS = np.kron(digits_8x8().images[:30], np.ones((1, 3, 3), np.uint8))  # 24 x 24


def maps_of(pictures: NDArray, J: int = 2, L: int = 6) -> NDArray[np.float32]:
    """(n, maps, height', width')"""
    n, height, width = pictures.shape
    features = Scattering((height, width), J, L).fit_transform(pictures.reshape(n, -1))
    sides = [-(-(side + 2**J) // 2**J) for side in (height, width)]
    return features.reshape(n, -1, *sides)


def average_kernel(J: int) -> NDArray[np.float64]:
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    sigma = 0.8 * 2 ** (J - 1)
    return np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def morlet_kernel(j: int, angle: float, L: int) -> NDArray[np.complex128]:
    """Bruna & Mallat's: a plane wave, less what gives it the mean 0, under a bell.

    The bell is longer along the wave's crests.
    """
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    sigma, frequency, slant = 0.8 * 2**j, 3 * np.pi / 4 / 2**j, 4 / L
    turned = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    bell = (
        slant
        / (2 * np.pi * sigma**2)
        * np.exp(-(turned[0] ** 2 + slant**2 * turned[1] ** 2) / (2 * sigma**2))
    )
    wave = np.exp(1j * frequency * turned[0])
    return bell * (wave - (bell * wave).sum() / bell.sum())


def sampled(values: NDArray, step: int) -> NDArray:
    """Every so many samples around the middle one, which a kernel counts from."""
    return values[RADIUS % step :: step, RADIUS % step :: step] * step**2


def by_definition(picture: NDArray, J: int, L: int, thinned: bool) -> NDArray[np.float64]:
    """The maps (maps, map_height, map_width) of an image, convolved in space.

    `thinned` drops samples after each modulus too, as the transformer does.
    """
    height, width = (-(-(side + 2**J) // 2**J) * 2**J for side in picture.shape)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    padded = np.zeros((height, width))
    padded[top : top + picture.shape[0], left : left + picture.shape[1]] = picture

    def convolved(image: NDArray, kernel: NDArray, octaves: int) -> NDArray:
        return ndimage.convolve(image, sampled(kernel, 2**octaves), mode="wrap")

    def average(image: NDArray, octaves: int) -> NDArray:
        step = 2 ** (J - octaves)
        return convolved(image, average_kernel(J), octaves)[::step, ::step]

    def modulus(image: NDArray, octaves: int, j: int, angle: float) -> tuple[NDArray, int]:
        step = 2 ** (j - octaves) if thinned else 1
        return np.abs(convolved(image, morlet_kernel(j, angle, L), octaves))[
            ::step, ::step
        ], j if thinned else 0

    angles = np.pi * np.arange(L) / L
    maps = [average(padded, 0)]
    for first in range(J):
        order_1 = [modulus(padded, 0, first, angle) for angle in angles]
        maps += [average(*one) for one in order_1]
        for second in range(first + 1, J):
            maps += [average(*modulus(*one, second, angle)) for one in order_1 for angle in angles]
    return np.stack(maps)


def distance(one: NDArray, other: NDArray) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@pytest.mark.parametrize(
    ("shape", "J", "L"),
    [((24, 24), 2, 6), ((24, 24), 1, 4), ((24, 17), 2, 3), ((8, 8), 2, 4), ((13, 8), 3, 2)],
    ids=str,
)
def test_maps_are_the_formulas(shape: tuple[int, int], J: int, L: int) -> None:
    pictures = DIGITS[[0, 3, 7], : shape[0], : shape[1]]
    for picture, fast in zip(pictures, maps_of(pictures, J, L), strict=True):
        expected = by_definition(picture, J, L, thinned=True)
        assert fast.shape == expected.shape
        np.testing.assert_allclose(fast, expected, rtol=0, atol=2e-5 * expected.max())


def test_dropping_samples_after_a_modulus_changes_little() -> None:
    """Some of what a modulus holds is lost with every second sample: a hundredth."""
    for picture, fast in zip(DIGITS[:2], maps_of(DIGITS[:2]), strict=True):
        expected = by_definition(picture, 2, 6, thinned=False)
        for order in (slice(0, 1), slice(1, 7), slice(7, 43), slice(43, 49)):
            assert distance(fast[order], expected[order]) < 0.02


@pytest.mark.parametrize(
    ("shape", "J", "L", "maps"),
    [
        ((28, 28), 2, 6, (49, 8, 8)),
        ((8, 8), 2, 6, (49, 3, 3)),
        ((20, 30), 3, 4, (61, 4, 5)),
        ((5, 64), 1, 3, (4, 4, 33)),
    ],
    ids=str,
)
def test_number_and_sides_of_the_maps(
    shape: tuple[int, int], J: int, L: int, maps: tuple[int, int, int]
) -> None:
    pixels = shape[0] * shape[1]
    pictures = np.arange(2 * pixels, dtype=np.uint8).reshape(2, pixels)
    features = Scattering(shape, J, L).fit_transform(pictures)
    assert features.shape == (2, np.prod(maps)) and features.dtype == np.float32
    np.testing.assert_array_equal(
        features.reshape(2, *maps), maps_of(pictures.reshape(2, *shape), J, L)
    )


def test_square_pictures_need_no_shape() -> None:
    X = DIGITS.reshape(len(DIGITS), -1)
    np.testing.assert_array_equal(
        Scattering().fit_transform(X), Scattering((24, 24)).fit_transform(X)
    )
    assert (
        Scattering((16, 36)).fit_transform(X)[:, :50] != Scattering().fit_transform(X)[:, :50]
    ).any()


@pytest.mark.parametrize("shape", [(24, 23), (8, 8), (1, 575)])
def test_a_shape_with_another_number_of_pixels_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"shape is \(\d+, \d+\), but X has 576 pixels"):
        Scattering(shape).fit(DIGITS.reshape(len(DIGITS), -1))


def test_wavelets_have_the_mean_0_and_averages_1() -> None:
    wavelets, averages = filters(32, 24, 3, 6)
    assert sorted(wavelets) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    for j in range(3):
        np.testing.assert_allclose(wavelets[0, j][:, 0, 0], 0, atol=1e-7)
    sums = [matrix.sum(axis=1) for matrices in averages for matrix in matrices]
    np.testing.assert_allclose(np.concatenate(sums), 1, atol=1e-4)


def test_wavelets_see_nothing_in_an_even_grey() -> None:
    inside = maps_of(np.full((1, 64, 64), 7))[0, :, 7:-7, 7:-7]
    np.testing.assert_allclose(inside[0], 7, rtol=1e-5)
    np.testing.assert_allclose(inside[1:], 0, atol=1e-4)


def test_a_small_shift_moves_the_maps_less_than_the_pixels() -> None:
    shifted = np.roll(DIGITS, 1, axis=2)
    for picture, moved, maps, moved_maps in zip(
        DIGITS, shifted, maps_of(DIGITS), maps_of(shifted), strict=True
    ):
        assert (
            0
            < distance(moved_maps, maps)
            < 0.6 * distance(moved.astype(float), picture.astype(float))
        )


def turned(pictures: NDArray) -> NDArray:
    """By 90 degrees around the pixel (height / 2, width / 2)."""
    return np.roll(np.rot90(pictures, axes=(2, 3)), 1, axis=2)


@pytest.mark.parametrize("L", [2, 4, 6])
def test_a_quarter_turn_permutes_the_orientations(L: int) -> None:
    """It takes sampled pixels to sampled ones.

    The first row and column have no counterpart and are blank.
    """
    pictures = DIGITS.copy()
    pictures[:, 0] = pictures[:, :, 0] = 0
    order_0, first_0, order_2, first_1 = np.split(
        turned(maps_of(pictures, 2, L)), [1, 1 + L, 1 + L + L**2], axis=1
    )
    both = order_2.reshape(len(pictures), L, L, *order_2.shape[2:])
    expected = [
        order_0,
        np.roll(first_0, L // 2, axis=1),
        np.roll(both, (L // 2, L // 2), axis=(1, 2)).reshape(order_2.shape),
        np.roll(first_1, L // 2, axis=1),
    ]
    maps = maps_of(turned(pictures[:, None])[:, 0], 2, L)
    np.testing.assert_allclose(
        maps, np.concatenate(expected, axis=1), rtol=0, atol=1e-6 * maps.max()
    )


@parametrize_with_checks([Scattering(), Scattering(J=1, L=2)])  # type: ignore[untyped-decorator]
def test_scikit_learns_rules_for_estimators_are_kept(estimator: Scattering, check: Any) -> None:
    check(estimator)
