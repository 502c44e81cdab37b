"""Transforms of images that keep the digit: shift, affine and elastic.

Each takes a batch of images (n, height, width), uint8 or float, and returns the same dtype and
shape. What comes in from outside the image is 0, the paper. x runs right and y down, in pixels;
the centre is that of the image.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

BATCH = 100  # images at a time: a few MB of MNIST's, which stay in a core's cache


def shift(images: NDArray, right: int, down: int) -> NDArray:
    """Shift images by whole pixels, as `scipy.ndimage.shift(image, (down, right), cval=0)`.

    Parameters
    ----------
    images : ndarray of shape (n, height, width)
        Any dtype.
    right, down : int
        How far, in pixels; negative for left and up.

    Returns
    -------
    ndarray of shape (n, height, width)
    """
    height, width = images.shape[1:]
    shifted = np.zeros_like(images)
    if abs(down) < height and abs(right) < width:
        target_rows, source_rows = _overlap(down, height), _overlap(-down, height)
        target_columns, source_columns = _overlap(right, width), _overlap(-right, width)
        shifted[:, target_rows, target_columns] = images[:, source_rows, source_columns]
    return shifted


def _overlap(by: int, length: int) -> slice:
    return slice(max(by, 0), length + min(by, 0))


def rotation(degrees: float) -> NDArray[np.float64]:
    """Return the (2, 2) matrix that rotates (x, y) counterclockwise, as seen on a screen."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, sin], [-sin, cos]])


def scaling(factor: float) -> NDArray[np.float64]:
    """Return the (2, 2) matrix that enlarges by `factor`."""
    return np.array([[factor, 0.0], [0.0, factor]])


def shear(factor: float) -> NDArray[np.float64]:
    """Return the (2, 2) matrix that slants: `factor` pixels to the right for each pixel up."""
    return np.array([[1.0, -factor], [0.0, 1.0]])


def affine(images: NDArray, matrix: NDArray[np.float64]) -> NDArray:
    """Transform images linearly about their centre, with bilinear interpolation.

    Equal to `scipy.ndimage.affine_transform(..., order=1, mode="grid-constant", cval=0)` image by
    image. One transformation of all pixels is one sparse matrix, four entries a row, so the batch
    is a single product.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8 or float
        Whole numbers are rounded.
    matrix : ndarray of shape (2, 2), float64
        Where a point goes: p = (x, y), measured from the centre, to `matrix @ p`.

    Returns
    -------
    ndarray of shape (n, height, width)
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
        target, source = np.flatnonzero(inside), (row * width + column)[inside]
        weights += sparse.csr_array((weight[inside], (target, source)), shape=weights.shape)
    transformed = np.empty_like(images)
    for start in range(0, n, BATCH):
        batch = images[start : start + BATCH]
        products = weights @ batch.reshape(len(batch), -1).T
        transformed[start : start + BATCH] = _to_dtype(
            products.T.reshape(batch.shape), images.dtype
        )
    return transformed


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
    """Distort each image by a random smooth field and a random affine transform of its own.

    The field is of uniform displacements of -1 to 1 pixel, smoothed by a Gaussian; beyond the
    edges it is 0. All is drawn image by image, so the result does not depend on the batches that
    the images come in. It is computed in float32.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8 or float
        Whole numbers are rounded.
    alpha : float
        Factor of the smoothed displacements: along x and along y, their standard deviation
        is alpha / (2 * sigma * sqrt(3 * pi)), in pixels; near the edges it is less.
    sigma : float
        Standard deviation of the Gaussian, in pixels.
    rng : Generator
        What is drawn from.
    rotation : float, default=0
        Rotate by up to so many degrees, either way.
    scale : float, default=0
        Stretch width and height, each by a factor of exp(-scale) to exp(scale).
    shear : float, default=0
        Slant by up to so many pixels to the right or left for each pixel up.
    shift : float, default=0
        Shift by up to so many pixels, along x and along y.

    Returns
    -------
    ndarray of shape (n, height, width)

    References
    ----------
    P. Y. Simard, D. Steinkraus, J. C. Platt (2003), "Best Practices for Convolutional Neural
    Networks Applied to Visual Document Analysis", section 2.
    """
    smooth = [_gaussian(side, sigma) for side in images.shape[1:]]
    distorted = np.empty_like(images)
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        n, height, width = batch.shape
        drawn = 2 * rng.random((n, 6 + 2 * height * width), dtype=np.float32) - 1
        turn, slant, wide, high, right, down = drawn[:, :6].T.reshape(6, n, 1, 1)
        fields = drawn[:, 6:].reshape(n, 2, height, width)
        across, along = np.moveaxis(smooth[0] @ fields @ (alpha * smooth[1].T), 1, 0)
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        y = np.arange(height, dtype=np.float32)[:, None] - middle_y
        x = np.arange(width, dtype=np.float32) - middle_x
        cos, sin = np.cos(np.radians(rotation * turn)), np.sin(np.radians(rotation * turn))
        wide, high = np.exp(-scale * wide), np.exp(-scale * high)
        to_x, to_y = shift * right + middle_x, shift * down + middle_y
        from_x = wide * cos * x + ((wide * sin + shear * slant) * y + to_x) + across
        from_y = -high * sin * x + (high * cos * y + to_y) + along
        distorted[start : start + BATCH] = _to_dtype(_bilinear(batch, from_y, from_x), images.dtype)
    return distorted


def _gaussian(length: int, sigma: float) -> NDArray[np.float32]:
    """Return `scipy.ndimage.gaussian_filter1d` along a line of pixels, as a matrix."""
    kernel = ndimage.gaussian_filter1d(np.eye(length), sigma, mode="constant", axis=0)
    return kernel.astype(np.float32)


def _bilinear(
    images: NDArray, rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Interpolate each image at points of its own, in pixels from the first; outside it is 0.

    Equal to `scipy.ndimage.map_coordinates(..., order=1, mode="grid-constant")`, in float32.
    """
    n, height, width = images.shape
    padded = np.zeros((n, height + 3, width + 3), np.float32)
    padded[:, 1:-2, 1:-2] = images
    y, x = np.clip(rows + 1, 0, height + 1), np.clip(columns + 1, 0, width + 1)
    top, left = np.floor(y), np.floor(x)
    y -= top
    x -= left
    index = top.astype(np.intp) * (width + 3) + left.astype(np.intp)
    index += np.arange(n)[:, None, None] * padded[0].size
    pixels = padded.ravel()

    def along_x(index: NDArray[np.intp]) -> NDArray[np.float32]:
        near = pixels.take(index)
        return near + x * (pixels[1:].take(index) - near)

    above = along_x(index)
    return above + y * (along_x(index + (width + 3)) - above)


def _to_dtype(values: NDArray, dtype: np.dtype) -> NDArray:
    """Convert to the images' own dtype: for integers, rounded and clipped to its range."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
