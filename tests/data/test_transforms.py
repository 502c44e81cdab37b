"""Each transform against SciPy's own, an image at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import DTypeLike, NDArray
from scipy import ndimage

from digits.data import transforms
from digits.data.loaders import digits_8x8
from digits.data.transforms import affine, elastic, rotation, scaling, shear, shift

# The same examples every time, however slow the machine.

MATRICES = {
    **{f"rotation {degrees}": rotation(degrees) for degrees in (-170, -15, 0.5, 10, 45, 90, 360)},
    **{f"scaling {factor}": scaling(factor) for factor in (0.3, 0.9, 1.1, 2, 7)},
    **{f"shear {factor}": shear(factor) for factor in (-0.9, -0.15, 0.2, 1)},
    "all three": rotation(20) @ scaling(1.2) @ shear(-0.3),
}


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """A dozen digits, higher than wide so that swapped axes show, and an image of ink alone."""
    pictures = digits_8x8().images[:12, :, :7]
    return np.concatenate([pictures, np.full_like(pictures[:1], 255)])


def scipy_affine(image: NDArray, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same by SciPy, which goes from the new image to the old, and puts y before x."""
    backwards = np.linalg.inv(matrix)[::-1, ::-1]
    centre = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(
        image.astype(np.float64),
        backwards,
        centre - backwards @ centre,
        order=1,
        mode="grid-constant",
        cval=0,
    )


def pixel(x: int, y: int) -> NDArray[np.uint8]:
    """One 9 x 9 picture with a bright pixel at (x, y) from the centre, y running down."""
    image = np.zeros((1, 9, 9), np.uint8)
    image[0, 4 + y, 4 + x] = 200
    return image


@given(
    images=arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=7)),
    right=st.integers(-9, 9),
    down=st.integers(-9, 9),
)
def test_shift_is_that_of_scipy(images: NDArray[np.uint8], right: int, down: int) -> None:
    before = images.copy()
    expected = [ndimage.shift(image, (down, right), cval=0) for image in images]
    moved = shift(images, right, down)
    assert moved.dtype == np.uint8
    np.testing.assert_array_equal(moved, expected)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_affine_is_that_of_scipy(images: NDArray[np.uint8], matrix: NDArray[np.float64]) -> None:
    expected = np.stack([scipy_affine(image, matrix) for image in images])
    moved = affine(images.astype(np.float64), matrix)
    assert moved.dtype == np.float64
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_affine_rounds_bytes_to_the_nearest(
    images: NDArray[np.uint8], matrix: NDArray[np.float64]
) -> None:
    expected = np.stack([scipy_affine(image, matrix) for image in images])
    moved = affine(images, matrix)
    assert moved.dtype == np.uint8 and moved.shape == images.shape
    assert np.abs(moved - expected).max() <= 0.5 + 1e-9


@given(
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=6)),
    st.floats(-180, 180),
    st.floats(0.2, 5),
    st.floats(-2, 2),
)
def test_any_affine_of_any_picture_is_that_of_scipy(
    images: NDArray[np.uint8], degrees: float, factor: float, slant: float
) -> None:
    matrix = rotation(degrees) @ scaling(factor) @ shear(slant)
    expected = np.stack([scipy_affine(image, matrix) for image in images])
    np.testing.assert_allclose(
        affine(images.astype(np.float64), matrix), expected, rtol=0, atol=1e-9
    )
    assert np.abs(affine(images, matrix) - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("degrees", "x", "y"),
    [(90, 0, -3), (180, -3, 0), (270, 0, 3), (-90, 0, 3)],
    ids=["up", "left", "down", "clockwise"],
)
def test_rotation_is_counterclockwise(degrees: float, x: int, y: int) -> None:
    """What was right of the centre goes up at 90 degrees, as seen on a screen."""
    np.testing.assert_array_equal(affine(pixel(3, 0), rotation(degrees)), pixel(x, y))


def test_scaling_enlarges() -> None:
    twice = affine(pixel(1, -2), scaling(2))
    assert twice[0, 4 - 4, 4 + 2] == twice.max() == 200
    assert (twice > 0).sum() > 1
    square = np.zeros((1, 9, 9))
    square[0, 3:6, 3:6] = 1
    assert affine(square, scaling(2)).sum() == pytest.approx(4 * square.sum())


@pytest.mark.parametrize(("y", "x"), [(-3, 3), (0, 0), (3, -3)])
def test_shear_slants_right_going_up(x: int, y: int) -> None:
    np.testing.assert_array_equal(affine(pixel(0, y), shear(1)), pixel(x, y))


def test_ink_does_not_wrap_around(images: NDArray[np.uint8]) -> None:
    """A byte that went past 255 would come out black."""
    ink = images[-1:]
    for moved in (
        affine(ink, rotation(30)),
        affine(ink, scaling(1.5)),
        elastic(ink, 2, 2, np.random.default_rng(0)),
    ):
        assert moved[0, 3:5, 3:5].min() == 255


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_dtype_and_shape_are_kept(images: NDArray[np.uint8], dtype: DTypeLike) -> None:
    given = images.astype(dtype)
    rng = np.random.default_rng(0)
    for moved in (
        shift(given, 1, 2),
        affine(given, rotation(10)),
        elastic(given, 5, 2, rng, 10, 0.1, 0.1, 1),
    ):
        assert moved.dtype == dtype and moved.shape == given.shape


def elastic_by_scipy(
    images: NDArray,
    alpha: float,
    sigma: float,
    seed: int,
    rotated: float = 0,
    scale: float = 0,
    sheared: float = 0,
    shift: float = 0,
) -> NDArray[np.float64]:
    """An image at a time, in float64, from the same numbers: back from the new picture."""
    rng = np.random.default_rng(seed)
    distorted = []
    for image in images:
        turn, slant, wide, high, right, down = 2 * rng.random(6, np.float32).astype(float) - 1
        across, along = (
            alpha
            * ndimage.gaussian_filter(
                2 * rng.random(image.shape, np.float32).astype(float) - 1, sigma, mode="constant"
            )
            for _ in range(2)
        )
        middle = (np.array(image.shape) - 1) / 2
        y, x = np.indices(image.shape) - middle[:, None, None]
        backwards = np.diag(np.exp([-scale * wide, -scale * high])) @ rotation(rotated * turn) + [
            [0, sheared * slant],
            [0, 0],
        ]
        from_x, from_y = np.einsum("ij,jyx->iyx", backwards, np.stack([x, y]))
        where = [
            from_y + shift * down + along + middle[0],
            from_x + shift * right + across + middle[1],
        ]
        distorted.append(
            ndimage.map_coordinates(
                image.astype(np.float64), where, order=1, mode="grid-constant", cval=0
            )
        )
    return np.stack(distorted)


AFFINE = [
    (15.0, 0.0, 0.0, 0.0),
    (0.0, 0.2, 0.0, 0.0),
    (0.0, 0.0, 0.3, 0.0),
    (0.0, 0.0, 0.0, 2.0),
    (10.0, 0.1, 0.15, 1.0),
]


@pytest.mark.parametrize("moves", [(0, 0, 0, 0), *AFFINE], ids=str)
@pytest.mark.parametrize(("alpha", "sigma"), [(0, 4), (1, 0.5), (8, 2), (34, 4), (500, 3)])
def test_elastic_is_the_plain_one_image_at_a_time(
    images: NDArray[np.uint8], alpha: float, sigma: float, moves: tuple[float, float, float, float]
) -> None:
    expected = elastic_by_scipy(images, alpha, sigma, 3, *moves)
    distorted = elastic(images.astype(np.float64), alpha, sigma, np.random.default_rng(3), *moves)
    assert distorted.dtype == np.float64
    np.testing.assert_allclose(distorted, expected, rtol=0, atol=0.02)
    bytes_ = elastic(images, alpha, sigma, np.random.default_rng(3), *moves)
    assert np.abs(bytes_ - expected).max() <= 0.52
    if alpha or any(moves):
        assert (bytes_ != images).any(axis=(1, 2)).all()


def moments(images: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Of the ink: mean of x and y, (2, 2) covariance, angle of the long axis in degrees."""
    y, x = np.indices(images.shape[1:])
    where = np.stack([x.ravel(), y.ravel()])
    rows = images.reshape(len(images), -1)
    covariances = np.stack([np.cov(where, aweights=row, ddof=0) for row in rows])
    angles = np.degrees(
        np.arctan2(2 * covariances[:, 0, 1], covariances[:, 0, 0] - covariances[:, 1, 1]) / 2
    )
    return np.stack([np.average(where, axis=1, weights=row) for row in rows]), covariances, angles


@pytest.fixture(scope="module")
def blobs() -> NDArray[np.float64]:
    """300 times the same level ellipse in the middle, far from the edges."""
    y, x = np.mgrid[-30:31, -30:31]
    return np.repeat(np.exp(-((x / 6) ** 2 + (y / 3) ** 2) / 2)[None], 300, axis=0)


def spread_over(values: NDArray, bound: float) -> bool:
    """300 draws between -bound and bound, as many below 0 as above.

    Bilinear interpolation blurs, so they may reach a little further.
    """
    reach = np.array([values.max(), -values.min()]) / bound
    return bool(reach.min() > 0.9 and reach.max() < 1.06 and abs((values > 0).mean() - 0.5) < 0.1)


def test_random_turns_are_bounded_by_rotation(blobs: NDArray[np.float64]) -> None:
    assert spread_over(moments(elastic(blobs, 0, 4, np.random.default_rng(0), rotation=20))[2], 20)


def test_random_sizes_are_bounded_by_scale_each_way(blobs: NDArray[np.float64]) -> None:
    before, after = (
        moments(pictures)[1]
        for pictures in (blobs, elastic(blobs, 0, 4, np.random.default_rng(0), scale=0.2))
    )
    wider, higher = (np.log(after[:, i, i] / before[:, i, i]) / 2 for i in (0, 1))
    assert spread_over(wider, 0.2) and spread_over(higher, 0.2)
    assert abs(np.corrcoef(wider, higher)[0, 1]) < 0.2


def test_random_slants_are_bounded_by_shear(blobs: NDArray[np.float64]) -> None:
    covariances = moments(elastic(blobs, 0, 4, np.random.default_rng(0), shear=0.3))[1]
    assert spread_over(covariances[:, 0, 1] / covariances[:, 1, 1], 0.3)


def test_random_moves_are_bounded_by_shift(blobs: NDArray[np.float64]) -> None:
    right, down = (moments(elastic(blobs, 0, 4, np.random.default_rng(0), shift=3))[0] - 30).T
    assert spread_over(right, 3) and spread_over(down, 3)
    assert abs(np.corrcoef(right, down)[0, 1]) < 0.2


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_elastic_pictures_do_not_depend_on_the_batches(
    monkeypatch: pytest.MonkeyPatch, images: NDArray[np.uint8], size: int
) -> None:
    expected = elastic(images, 20, 3, np.random.default_rng(7), 10, 0.1, 0.1, 1)
    monkeypatch.setattr(transforms, "BATCH", 3)
    rng = np.random.default_rng(7)
    in_batches = [
        elastic(images[start : start + size], 20, 3, rng, 10, 0.1, 0.1, 1)
        for start in range(0, len(images), size)
    ]
    np.testing.assert_array_equal(np.concatenate(in_batches), expected)


@pytest.mark.parametrize(("alpha", "sigma"), [(12, 4), (5, 2)])
def test_displacements_are_as_strong_as_documented(alpha: float, sigma: float) -> None:
    """A picture whose pixels say where they are, far from the edges."""
    places = np.repeat(np.indices((50, 50)).astype(np.float64), 300, axis=0)
    moved = elastic(places, alpha, sigma, np.random.default_rng(0)) - places
    expected = alpha / (2 * sigma * np.sqrt(3 * np.pi))
    strengths = moved.reshape(2, 300, 50, 50)[..., 17:33, 17:33].std(axis=(1, 2, 3))
    assert strengths == pytest.approx(expected, rel=0.05)


def test_elastic_of_no_strength_changes_nothing(images: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(elastic(images, 0, 4, np.random.default_rng(0)), images)


def test_other_seeds_give_other_pictures(images: NDArray[np.uint8]) -> None:
    one, other = (elastic(images, 20, 3, np.random.default_rng(seed)) for seed in (0, 1))
    assert (one[:-1] != other[:-1]).any(axis=(1, 2)).all()
