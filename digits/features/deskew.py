"""Deskewing: digits are made upright and centred by the moments of their ink."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digits.data.transforms import bilinear
from digits.features.base import ImageTransformer

BATCH = 500  # images at a time: some 20 MiB of MNIST's

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
    y, x = np.mgrid[:height, :width].astype(np.float64)
    ink = images.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    blank = ink == 0

    def mean(values: NDArray) -> NDArray:
        return (images * values).sum(axis=(1, 2), keepdims=True) / np.where(blank, 1, ink)

    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    mean_y, mean_x = np.where(blank, middle_y, mean(y)), np.where(blank, middle_x, mean(x))
    down, right = y - mean_y, x - mean_x
    variance = mean(down**2)
    slant = mean(down * right) / np.maximum(variance, 1e-3)  # a level stroke has none
    y, x = y - middle_y, x - middle_x
    if resize:
        high = np.sqrt(variance) / (HEIGHT * height)
        wide = np.sqrt(mean((right - slant * down) ** 2)) / (WIDTH * width)
        y = y * np.where(blank, 1, np.clip(high, *LIMITS))
        x = x * np.where(blank, 1, np.clip(wide, *LIMITS))
    return bilinear(images, mean_y + y, mean_x + x + slant * y)
