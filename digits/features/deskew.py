"""Digits put upright: the slant and the place of a hand, taken out by the moments of the ink."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digits.data.transforms import bilinear
from digits.features.base import ImageTransformer

BATCH = 500  # pictures at a time: some 20 MiB of MNIST's

HEIGHT, WIDTH = (
    0.19,
    0.155,
)  # standard deviation of the ink's place, as a share of the picture's sides, after resizing

LIMITS = 0.7, 1.4  # how far a picture is magnified or reduced at most: a 1 stays a stroke


class Deskew(ImageTransformer):
    """Shear each picture until its principal axis is upright, and move its centre of mass to the middle; or give it one size too.

    The slant is the covariance of x and y over the variance of y, the ink being the weight: LeCun, Bottou, Bengio & Haffner (1998),
    "Gradient-Based Learning Applied to Document Recognition", section III.B. With `resize`, height and width are scaled until the
    standard deviations of the ink are those of a usual digit: the moment normalization of Liu, Nakashima, Sako & Fujisawa (2003),
    "Handwritten digit recognition: benchmarking of state-of-the-art techniques". A picture without ink stays as it is.

    Parameters: `shape` as in PictureTransformer.
    """

    def __init__(self, shape: tuple[int, int] | None = None, resize: bool = False) -> None:
        super().__init__(shape)
        self.resize = resize

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """X (n, height * width), 0 or more, of any number type -> float32 of the same shape and range."""
        return self._in_batches(X, lambda images: deskewed(images, self.resize), BATCH)


def deskewed(images: NDArray[np.float32], resize: bool) -> NDArray[np.float32]:
    """The pictures (n, height, width), upright and centred, and with `resize` of one size."""
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
        y = y * np.where(blank, 1, np.clip(np.sqrt(variance) / (HEIGHT * height), *LIMITS))
        x = x * np.where(
            blank, 1, np.clip(np.sqrt(mean((right - slant * down) ** 2)) / (WIDTH * width), *LIMITS)
        )
    return bilinear(images, mean_y + y, mean_x + x + slant * y)
