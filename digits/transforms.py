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
        weights += sparse.csr_array((weight[inside], (target, (row * width + column)[inside])), shape=weights.shape)
    moved = (weights @ images.reshape(n, -1).T).T.reshape(images.shape)
    return _like(moved, images.dtype)


def elastic(images: NDArray, alpha: float, sigma: float, rng: np.random.Generator) -> NDArray:
    """Distort each image by its own smooth random field of displacements.

    Uniform displacements of -1 to 1 pixel, smoothed by a Gaussian of `sigma` pixels, times `alpha`: Simard, Steinkraus & Platt
    (2003), "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis", section 2. Fields are drawn
    image by image, so one generator gives the same pictures however they are cut into batches.
    """
    n, height, width = images.shape
    fields = rng.uniform(-1, 1, (n, 2, height, width))
    fields = alpha * ndimage.gaussian_filter(fields, sigma, axes=(2, 3), mode="constant")
    image, row, column = np.ogrid[:n, :height, :width]
    where = np.broadcast_arrays(image, row + fields[:, 1], column + fields[:, 0])
    pixels = images.astype(np.float64)
    return _like(ndimage.map_coordinates(pixels, where, order=1, mode="grid-constant"), images.dtype)


def _like(values: NDArray, dtype: np.dtype) -> NDArray:
    """Back to the images' own dtype: whole numbers are rounded and kept in its range, not cut off."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
