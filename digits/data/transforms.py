"""Derivative images: what a person would still read as the same digit.

Everything works on a whole batch at once: uint8 or float images (n, height, width) in, the same dtype and shape out. What comes in
from outside the picture is 0, the paper. x runs right and y down, in pixels; the centre is that of the picture.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse


def shift(images: NDArray, right: int, down: int) -> NDArray:
    """Move by whole pixels, exactly: equal to `scipy.ndimage.shift(image, (down, right), cval=0)`."""
    height, width = images.shape[1:]
    moved = np.zeros_like(images)
    if abs(down) < height and abs(right) < width:
        to, of = _overlap(down, height), _overlap(-down, height)
        moved[:, to, _overlap(right, width)] = images[:, of, _overlap(-right, width)]
    return moved


def _overlap(by: int, length: int) -> slice:
    return slice(max(by, 0), length + min(by, 0))


def rotation(degrees: float) -> NDArray[np.float64]:
    """The (2, 2) matrix that turns (x, y) counterclockwise, as seen on a screen where y runs down."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def scaling(factor: float) -> NDArray[np.float64]:
    """The (2, 2) matrix that enlarges by `factor`."""
    return np.array([[factor, 0.0], [0.0, factor]])


def shear(factor: float) -> NDArray[np.float64]:
    """The (2, 2) matrix that slants: `factor` pixels to the right for each pixel up."""
    return np.array([[1.0, -factor], [0.0, 1.0]])


def affine(images: NDArray, matrix: NDArray[np.float64]) -> NDArray:
    """Send every point p = (x, y), measured from the centre, to matrix @ p; bilinear between pixels.

    Equal to `scipy.ndimage.affine_transform(..., order=1, mode="grid-constant", cval=0)` image by image. One transformation of
    all pixels is one sparse matrix, four entries a row, so the batch is a single product.
    """
    n, height, width = images.shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    rows, columns = np.mgrid[:height, :width]
    targets = np.stack([columns.ravel(), rows.ravel()], axis=1)
    x, y = (centre + (targets - centre) @ np.linalg.inv(matrix).T).T
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    weights = sparse.csr_array((height * width, height * width))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = left + dx, top + dy
        weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        target = np.flatnonzero(inside)
        weights += sparse.csr_array(
            (weight[inside], (target, (row * width + column)[inside])), shape=weights.shape
        )
    moved = (weights @ images.reshape(n, -1).T).T.reshape(images.shape)
    return _like(moved, images.dtype)


def elastic(
    images: NDArray,
    alpha: float,
    sigma: float,
    rng: np.random.Generator,
    rotation: float = 0,
    scale: float = 0,
    shear: float = 0,
    shift: float = 0,
) -> NDArray:
    """Distort each image by a smooth random field of displacements and a random affine transformation of its own.

    Uniform displacements of -1 to 1 pixel, smoothed by a Gaussian of `sigma` pixels, times `alpha`: Simard, Steinkraus & Platt
    (2003), "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis", section 2. The affine part is
    uniform: up to `rotation` degrees and `shear`, either way; up to exp(`scale`) wider or narrower, higher or lower; up to `shift`
    pixels in any direction. All is drawn image by image, so one generator gives the same pictures however they are cut.
    """
    n, height, width = images.shape
    drawn = 2 * rng.random((n, 6 + 2 * height * width), dtype=np.float32) - 1
    turn, slant, wide, high, right, down = drawn[:, :6].T.reshape(6, n, 1, 1)
    fields = drawn[:, 6:].reshape(n, 2, height, width)
    smooth = [_gaussian(side, sigma) for side in (height, width)]
    across, along = np.moveaxis(alpha * (smooth[0] @ fields @ smooth[1].T), 1, 0)
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = (
        np.mgrid[:height, :width].astype(np.float32)
        - np.array([middle_y, middle_x], np.float32)[:, None, None]
    )
    cos, sin = np.cos(np.radians(rotation * turn)), np.sin(np.radians(rotation * turn))
    wide, high = np.exp(-scale * wide), np.exp(-scale * high)
    from_x = wide * (cos * x + sin * y) + shear * slant * y + shift * right + across
    from_y = high * (cos * y - sin * x) + shift * down + along
    return _like(
        bilinear(images.astype(np.float32), from_y + middle_y, from_x + middle_x), images.dtype
    )


def _gaussian(side: int, sigma: float) -> NDArray[np.float32]:
    """`scipy.ndimage.gaussian_filter1d` along a line of so many pixels, as a matrix."""
    return ndimage.gaussian_filter1d(np.eye(side), sigma, mode="constant", axis=0).astype(
        np.float32
    )


def bilinear(images: NDArray, rows: NDArray, columns: NDArray) -> NDArray:
    """Each image (n, height, width) at points of its own, (n, height, width) rows and columns in pixels; 0 outside the picture."""
    where = np.broadcast_arrays(np.arange(len(images))[:, None, None], rows, columns)
    return ndimage.map_coordinates(images, where, order=1, mode="grid-constant")


def _like(values: NDArray, dtype: np.dtype) -> NDArray:
    """Back to the images' own dtype: whole numbers are rounded and kept in its range, not cut off."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
