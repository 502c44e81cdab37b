"""Directions of the gradient: how much of an image's edges runs which way, and where."""

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from digits.features.base import ImageTransformer

BATCH = 100  # images at a time: 5 MiB of MNIST's


class Gradients(ImageTransformer):
    """Local averages of an image's gradient, by its direction.

    Each pixel's gradient, by Sobel's operator, is split between the two nearest of the directions,
    as a parallelogram's diagonal between its sides. What falls to a direction makes a plane, which
    is blurred by a Gaussian and sampled on a grid. The transform is homogeneous: twice the ink,
    twice the output. Liu et al. take the square root of it.

    Parameters
    ----------
    shape : (height, width) or None
        As of ImageTransformer.
    grid : int
        The number of samples along each side of a plane.
    directions : int
        The number of directions, even and 4 or more: the first to the right, then downwards.

    References
    ----------
    Liu, Nakashima, Sako & Fujisawa (2003), "Handwritten digit recognition: benchmarking of
    state-of-the-art techniques", Pattern Recognition 36:2271.
    """

    def __init__(
        self, shape: tuple[int, int] | None = None, grid: int = 8, directions: int = 12
    ) -> None:
        super().__init__(shape)
        self.grid = grid
        self.directions = directions

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check X (n, height * width); learn nothing but its width.

        Raises
        ------
        ValueError
            When `shape` has another number of pixels, or `grid` or `directions` is not allowed.
        """
        if self.grid < 1:
            raise ValueError(f"grid is {self.grid}, allowed is a whole number from 1")
        if self.directions < 4 or self.directions % 2:
            raise ValueError(f"directions is {self.directions}, allowed are even numbers from 4")
        return super().fit(X, y)

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the planes of X (n, height * width), float32 (n, directions * grid * grid)."""
        return self._in_batches(
            X, lambda images: gradients(images, self.grid, self.directions), BATCH
        )


def gradients(images: NDArray[np.float32], grid: int, directions: int) -> NDArray[np.float32]:
    """Return the sampled planes (n, directions, grid, grid) of images (n, height, width)."""
    rows, columns = (_samples(side, grid) for side in images.shape[1:])
    sampled = np.empty((len(images), directions, grid, grid), np.float32)
    for k, plane in enumerate(_planes(*_sobel(images), directions)):
        # A product for each image: so the bits do not depend on how many there are.
        sampled[:, k] = rows @ plane @ columns.T
    return sampled


def _sobel(images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the change to the right and downwards (n, height, width), 8 times that a pixel."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    right = padded[:, :, 2:] - padded[:, :, :-2]
    down = padded[:, 2:] - padded[:, :-2]
    return (
        right[:, :-2] + 2 * right[:, 1:-1] + right[:, 2:],
        down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:],
    )


def _planes(
    right: NDArray[np.float32], down: NDArray[np.float32], directions: int
) -> Iterator[NDArray[np.float32]]:
    """Split vectors (n, height, width) into a plane of that shape for each direction, 0 or more."""
    angle, half = 2 * math.pi / directions, directions // 2
    # How far a vector turns from each direction towards the next, else 0: its cross product with
    # the direction. What turns away from a direction turns towards the opposite one.
    turns = np.empty((directions, *right.shape), np.float32)
    for k in range(half):
        cos, sin = math.cos(k * angle), math.sin(k * angle)
        turn = (cos * down - sin * right) / math.sin(angle)
        np.maximum(turn, 0, out=turns[k])
        np.subtract(turns[k], turn, out=turns[k + half])
    # A vector between two directions is the sum of a part along each, and the part along one is
    # its turn from the other: k's next on this side, on that side the one before.
    for k in range(directions):
        yield np.minimum(turns[k - 1], turns[(k + 1 + half) % directions])


def _samples(side: int, grid: int) -> NDArray:
    """Return the Gaussian weights (grid, side) of a line's pixels in each of its samples."""
    step = side / grid
    centres = (np.arange(grid) + 0.5) * step - 0.5
    distances = np.arange(side) - centres[:, None]
    sigma = math.sqrt(2) * step / math.pi
    return softmax(-(distances**2) / (2 * sigma**2), axis=1).astype(np.float32)
