"""Deskewing: digits are made upright and centred by the moments of their ink."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digits.features.base import ImageTransformer

BATCH = 100  # images at a time: some 4 MiB of MNIST's, which stay in a core's cache

# Standard deviations of the ink's place after resizing, over the image's sides.
HEIGHT, WIDTH = 0.19, 0.155

LIMITS = 0.7, 1.4  # how far an image is reduced or magnified at most: a 1 stays a stroke


class Deskew(ImageTransformer):
    """Make each image upright and centred, and with `resize` of one size.

    An image is sheared until its principal axis is upright: the slant is the covariance of x and
    y over the variance of y, weighted by the ink (LeCun et al.). Its centre of mass is moved to
    the middle. With `resize`, height and width are scaled until the standard deviations of the
    ink are those of a usual digit: moment normalization (Liu et al.). An image without ink stays
    as it is.

    Parameters
    ----------
    shape : (height, width) or None
        As of ImageTransformer.
    resize : bool
        Whether to scale height and width.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner (1998), "Gradient-Based Learning Applied to Document
    Recognition", section III.B.

    Liu, Nakashima, Sako & Fujisawa (2003), "Handwritten digit recognition: benchmarking of
    state-of-the-art techniques".
    """

    def __init__(self, shape: tuple[int, int] | None = None, resize: bool = False) -> None:
        super().__init__(shape)
        self.resize = resize

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return X (n, height * width), 0 or more, as float32 of the same shape and range."""
        return self._in_batches(X, lambda images: deskew(images, self.resize), BATCH)


def deskew(images: NDArray[np.float32], resize: bool) -> NDArray[np.float32]:
    """Return images (n, height, width) upright and centred, and with `resize` of one size."""
    height, width = images.shape[1:]
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = np.arange(height) - middle_y, np.arange(width) - middle_x
    # The sums of ink * y**i * x**j (n, 3, 3), in which whole intensities leave no rounding errors.
    sums = np.vander(y, 3, True).T @ images.astype(np.float64) @ np.vander(x, 3, True)
    blank = sums[:, 0, 0] == 0
    means = sums / np.where(blank, 1, sums[:, 0, 0])[:, None, None]
    mean_y, mean_x = means[:, 1, 0], means[:, 0, 1]
    variance = np.maximum(means[:, 2, 0] - mean_y**2, 0)
    covariance = means[:, 1, 1] - mean_y * mean_x
    slant = covariance / np.maximum(variance, 1e-3)  # a level stroke has none
    high = wide = np.ones(len(images))
    if resize:
        upright = means[:, 0, 2] - mean_x**2 - 2 * slant * covariance + slant**2 * variance
        high = np.sqrt(variance) / (HEIGHT * height)
        wide = np.sqrt(np.maximum(upright, 0)) / (WIDTH * width)
        high, wide = (np.where(blank, 1, np.clip(side, *LIMITS)) for side in (high, wide))
    down = high[:, None] * y
    rows = middle_y + mean_y[:, None] + down
    starts = middle_x + mean_x[:, None] + slant[:, None] * down
    return _interpolated(images, rows, starts, wide[:, None] * x)


def _interpolated(
    images: NDArray[np.float32], rows: NDArray, starts: NDArray, columns: NDArray
) -> NDArray[np.float32]:
    """Interpolate images bilinearly at points, in pixels; outside of an image is paper.

    Pixel (i, j) of image k is read at row rows[k, i] and column starts[k, i] + columns[k, j]. So
    whole rows are interpolated first, and then along them.
    """
    n, height, width = images.shape
    distances = rows[:, :, None].astype(np.float32) - np.arange(height, dtype=np.float32)
    lines = np.zeros((n, height, width + 3), np.float32)
    lines[:, :, 1:-2] = np.maximum(1 - np.abs(distances), 0) @ images
    points = starts[:, :, None].astype(np.float32) + columns[:, None].astype(np.float32)
    points = np.clip(points + 1, 0, width + 1)
    left = np.floor(points)
    share = points - left
    firsts = np.arange(0, lines.size, lines.shape[2]).reshape(n, height, 1)
    index = firsts + left.astype(np.int64)
    near, far = lines.take(index), lines.take(index + 1)
    return near + share * (far - near)
