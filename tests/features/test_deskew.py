"""Deskewing against SciPy, image by image, and by the moments of what comes out."""

from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray
from scipy import ndimage
from sklearn.utils.estimator_checks import parametrize_with_checks

from digits.data.loaders import digits_8x8
from digits.data.transforms import affine, shear, shift
from digits.features import deskew
from digits.features.deskew import Deskew

# 28 x 28, as MNIST's: 20 x 20 of ink in the middle.
DIGITS = np.stack(
    [np.pad(ndimage.zoom(image / 255, 2.5, order=1), 4) for image in digits_8x8().images[:60]]
)


def deskewed(pictures: NDArray, resize: bool = False) -> NDArray[np.float32]:
    n, height, width = pictures.shape
    return (
        Deskew((height, width), resize)
        .fit_transform(pictures.reshape(n, -1))
        .reshape(n, height, width)
    )


def moments(picture: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ink's mean (y, x) from the middle, and its covariance matrix in that order."""
    mean = np.array(ndimage.center_of_mass(picture.astype(np.float64)))
    where = np.indices(picture.shape).reshape(2, -1)
    return mean - (np.array(picture.shape) - 1) / 2, np.cov(
        where, aweights=picture.ravel().astype(np.float64), ddof=0
    )


def by_scipy(picture: NDArray, resize: bool) -> NDArray[np.float64]:
    """One picture, back from the new to the old: resized, then sheared by the slant, then moved."""
    offset, covariance = moments(picture)
    slant = covariance[0, 1] / covariance[0, 0]
    backwards = np.array([[1, 0], [slant, 1]])
    middle = (np.array(picture.shape) - 1) / 2
    if resize:
        upright = covariance[1, 1] - slant * covariance[0, 1]
        high, wide = np.sqrt([covariance[0, 0], upright]) / (
            np.array([0.19, 0.155]) * picture.shape
        )
        backwards = backwards @ np.diag(np.clip([high, wide], 0.7, 1.4))
    return ndimage.affine_transform(
        picture.astype(np.float64),
        backwards,
        middle + offset - backwards @ middle,
        order=1,
        mode="grid-constant",
        cval=0,
    )


@pytest.mark.parametrize("shape", [(28, 28), (28, 21), (19, 28)], ids=str)
@pytest.mark.parametrize("resize", [False, True])
def test_pictures_are_those_of_scipy(resize: bool, shape: tuple[int, int]) -> None:
    pictures = DIGITS[:, : shape[0], 28 - shape[1] :]
    expected = [by_scipy(picture, resize) for picture in pictures]
    np.testing.assert_allclose(deskewed(pictures, resize), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        deskewed(255 * pictures, resize), 255 * np.array(expected), rtol=0, atol=255e-5
    )


@pytest.mark.parametrize("resize", [False, True])
def test_digits_come_out_upright_and_in_the_middle(resize: bool) -> None:
    measured = [
        [moments(picture) for picture in pictures]
        for pictures in (DIGITS, deskewed(DIGITS, resize))
    ]
    before, after = (np.abs([offset for offset, _ in pictures]).max() for pictures in measured)
    assert before > 1 and after < 0.15  # pixels
    before, after = (
        np.abs([covariance[0, 1] / covariance[0, 0] for _, covariance in pictures]).max()
        for pictures in measured
    )
    assert before > 0.3 and after < 0.01


def test_with_resize_digits_come_out_of_one_size() -> None:
    pictures = [affine(DIGITS, np.diag(factors)) for factors in ([1, 0.8], [0.85, 0.9], [1.1, 1])]
    before, after = (
        np.array([np.sqrt(np.diag(moments(picture)[1])) for picture in np.concatenate(some)]) / 28
        for some in (pictures, [deskewed(some, resize=True) for some in pictures])
    )
    high, wide = after.T
    assert np.abs(high - 0.19).max() < 0.005 < 0.03 < np.abs(before[:, 0] - 0.19).max()
    # What is narrow is not widened to a block.
    within = (before[:, 1] > 0.72 * 0.155) & (before[:, 1] < 1.38 * 0.155)
    assert np.abs(wide[within] - 0.155).max() < 0.02 and within.sum() > 90


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_a_blank_picture_stays_blank_among_others(resize: bool, dtype: DTypeLike) -> None:
    pictures = (255 * DIGITS[:3]).astype(dtype)
    pictures[1] = 0
    together = deskewed(pictures, resize)
    assert together.dtype == np.float32 and not together[1].any()
    np.testing.assert_array_equal(together[[0, 2]], deskewed(pictures[[0, 2]], resize))


def upright() -> NDArray[np.float64]:
    """A cross, the same from left and right and from above and below."""
    picture = np.zeros((1, 28, 28))
    picture[0, 6:22, 11:17] = 1
    picture[0, 12:16, 8:20] = 0.5
    return picture


def test_what_is_upright_and_in_the_middle_stays_as_it_is() -> None:
    np.testing.assert_allclose(deskewed(upright()), upright(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("right", "down"), [(3, -2), (-4, 0), (0, 5)])
def test_a_moved_picture_comes_back_as_it_was(right: int, down: int) -> None:
    np.testing.assert_allclose(
        deskewed(shift(upright(), right, down)), upright(), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("slant", [-0.3, 0.2, 0.4])
def test_a_slanted_and_moved_digit_becomes_what_the_digit_becomes(slant: float) -> None:
    """Nearly: two interpolations blur."""
    expected, slanted = deskewed(DIGITS), shift(affine(DIGITS, shear(slant)), 2, 1)
    for picture, moved, back, goal in zip(
        DIGITS, slanted, deskewed(slanted), expected, strict=True
    ):
        apart = np.linalg.norm(back - goal)
        assert apart < 0.06 * np.linalg.norm(goal) and apart < 0.1 * np.linalg.norm(moved - picture)


def test_a_level_stroke_is_only_moved() -> None:
    """It has no slant to measure."""
    picture = np.zeros((1, 28, 28))
    picture[0, 3, 4:14] = 1
    moved = deskewed(picture)
    assert moved.sum() == pytest.approx(10)
    np.testing.assert_allclose(moments(moved[0])[0], 0, atol=1e-6)


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("batch", [1, 7, len(DIGITS), 1000])
def test_pictures_do_not_depend_on_batches_and_threads(
    monkeypatch: pytest.MonkeyPatch, resize: bool, batch: int
) -> None:
    expected = deskewed(DIGITS, resize)
    monkeypatch.setattr(deskew, "BATCH", batch)
    for threads in (1, 2):
        with joblib.parallel_config(backend="threading", n_jobs=threads):
            np.testing.assert_array_equal(deskewed(DIGITS, resize), expected)


@parametrize_with_checks([Deskew(), Deskew(resize=True)])  # type: ignore[untyped-decorator]
def test_scikit_learns_rules_for_estimators_are_kept(estimator: Deskew, check: Any) -> None:
    check(estimator)
