"""Wavelet scattering: the features of a convolutional network whose filters are not learned."""

import math
from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from digits.features.base import ImageTransformer

BATCH = 100  # images transformed at a time: 15 MiB of MNIST's


class Scattering(ImageTransformer):
    """Local averages of an image (order 0), of its wavelet moduli (1), and of theirs (2).

    Small shifts and deformations hardly change them. The wavelets are Morlet's. An average is over
    2**J pixels and sampled as often. The transform is homogeneous: twice the ink, twice the output.

    Parameters
    ----------
    shape : (height, width) or None
        As of ImageTransformer.
    J : int
        The number of scales; wavelet j is 2**j pixels wide.
    L : int
        The number of orientations.

    References
    ----------
    Bruna & Mallat (2013), "Invariant Scattering Convolution Networks", IEEE PAMI 35:1872.
    """

    def __init__(self, shape: tuple[int, int] | None = None, J: int = 2, L: int = 6) -> None:
        super().__init__(shape)
        self.J = J
        self.L = L

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the maps of X (n, height * width), float32 (n, maps * map_height * map_width).

        There are 1 + J L + J (J-1) / 2 L**2 maps: order 0, then each first wavelet's order 1 and
        its orders 2. Their sides are those of the image, padded with 0 by 2**J and on to a
        multiple of it, over 2**J. Of MNIST there are 49 maps of 8 x 8: (n, 3136).
        """
        return self._in_batches(X, lambda images: scatter(images, self.J, self.L), BATCH)


def scatter(images: NDArray, J: int, L: int) -> NDArray[np.float32]:
    """Return the scattering maps of images, in the order of `Scattering`.

    Wavelets are applied in the Fourier domain: each product is folded to the resolution that its
    modulus needs before it is transformed back. Averages are products with the weights of rows and
    of columns. So no sample is computed to be thrown away.

    Parameters
    ----------
    images : ndarray of shape (n, height, width)
        Of any number type.
    J, L : int
        As of `Scattering`.

    Returns
    -------
    ndarray of shape (n, maps, map_height, map_width), float32
    """
    height, width = (_padded(side, J) for side in images.shape[1:])
    wavelets, averages = filters(height, width, J, L)
    top, left = (height - images.shape[1]) // 2, (width - images.shape[2]) // 2
    padded = np.zeros((len(images), height, width), np.float32)
    padded[:, top : top + images.shape[1], left : left + images.shape[2]] = images

    def average(moduli: NDArray, resolution: int) -> NDArray:
        rows, columns = averages[resolution]
        return (rows @ moduli @ columns.T).reshape(len(images), -1, len(rows), len(columns))

    maps = [average(padded, 0)]
    for first in range(J):
        order_1 = _moduli(padded, wavelets[0, first], 2**first)
        maps.append(average(order_1, first))
        for second in range(first + 1, J):
            order_2 = _moduli(order_1, wavelets[first, second], 2 ** (second - first))
            maps.append(average(order_2, second))
    return np.concatenate(maps, axis=1)


def _moduli(
    images: NDArray[np.float32], wavelets: NDArray[np.float32], step: int
) -> NDArray[np.float32]:
    """Return the moduli (..., L, height / step, width / step) of images (..., height, width).

    Every `step`-th sample of a product's inverse transform is the inverse transform of the product
    folded into a corner: of the sum of its step * step blocks.
    """
    # Of real images, half of the spectrum is computed: the other half is its conjugate.
    blocks = _blocks(scipy.fft.fft2(images), step).view(np.float32)
    height, width = images.shape[-2] // step, images.shape[-1] // step
    folded = np.einsum("...bf,lbf->...lf", blocks, wavelets).view(np.complex64)
    return np.abs(scipy.fft.ifft2(folded.reshape(*folded.shape[:-1], height, width)))


@cache
def filters(
    height: int, width: int, J: int, L: int
) -> tuple[dict[tuple[int, int], NDArray], list[tuple[NDArray, NDArray]]]:
    """Return the wavelets and the averages.

    Morlet wavelet j has a width of 0.8 * 2**j pixels, a centre frequency of 3/4 pi / 2**j radians
    a pixel, a slant of 4 / L and the mean 0. The average is a Gaussian of 0.8 * 2**(J-1) pixels.
    At resolution r, every 2**r-th sample is kept.

    Parameters
    ----------
    height, width : int
        Of the padded images, in pixels.
    J, L : int
        As of `Scattering`.

    Returns
    -------
    wavelets : dict of ndarray, float32 of shape (L, blocks, 2 * n)
        By resolution r and scale j: the Fourier transform, which is real, in the blocks that
        `_moduli` sums; each number twice, for the real and the imaginary part of what it filters.
    averages : list of (rows, columns), float32
        By resolution r: matrices (height / 2**J, height / 2**r) and (width / 2**J, width / 2**r).
    """
    angles = np.pi * np.arange(L) / L
    wavelets: dict[tuple[int, int], NDArray] = {}
    for j in range(J):
        sigma, frequency = 0.8 * 2**j, 0.75 * np.pi / 2**j
        bank = np.stack(
            [_morlet(height, width, sigma, frequency, angle, 4 / L) for angle in angles]
        )
        for r in range(j + 1):
            # Fewer samples make up the same sum.
            transform = 4**r * scipy.fft.fft2(bank[:, :: 2**r, :: 2**r]).real
            blocks = _blocks(transform / 4 ** (j - r), 2 ** (j - r))
            wavelets[r, j] = np.repeat(blocks, 2, axis=-1).astype(np.float32)
    averages = [(_averages(height, r, J), _averages(width, r, J)) for r in range(J)]
    return wavelets, averages


def _blocks(spectrum: NDArray, step: int) -> NDArray:
    """Cut spectra (..., height, width) into blocks (..., step**2, pixels of a block)."""
    *batch, height, width = spectrum.shape
    cut = spectrum.reshape(*batch, step, height // step, step, width // step)
    return cut.swapaxes(-3, -2).reshape(*batch, step**2, -1)


def _averages(side: int, r: int, J: int) -> NDArray[np.float32]:
    """Return the weights (side / 2**J, side / 2**r) of the samples of resolution r on a line."""
    sigma = 0.8 * 2 ** (J - 1)
    bell = np.exp(-(np.arange(-2 * side, 3 * side) ** 2) / (2 * sigma**2))
    bell = bell.reshape(5, side).sum(axis=0) / (math.sqrt(2 * math.pi) * sigma)
    distances = np.arange(0, side, 2**J)[:, None] - np.arange(0, side, 2**r)
    return (2**r * bell[distances % side]).astype(np.float32)


def _morlet(
    height: int, width: int, sigma: float, frequency: float, angle: float, slant: float
) -> NDArray[np.complex128]:
    """A plane wave under a bell, less what gives it the mean 0."""
    wave, bell = _gabor(height, width, sigma, frequency, angle, slant)
    return wave - wave.sum() / bell.sum() * bell


def _gabor(
    height: int, width: int, sigma: float, frequency: float, angle: float, slant: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """A wave under a bell, and the bell, around the first pixel of an image that is periodic."""
    y, x = np.mgrid[-2 * height : 3 * height, -2 * width : 3 * width]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    bell = np.exp(-(along**2 + (slant * across) ** 2) / (2 * sigma**2))
    bell = bell * slant / (2 * np.pi * sigma**2)
    wave = bell * np.exp(1j * frequency * along)
    return _periodic(wave, height, width), _periodic(bell, height, width)


def _periodic(kernel: NDArray, height: int, width: int) -> NDArray:
    """Sum a kernel on 5 x 5 images into one image."""
    return kernel.reshape(5, height, 5, width).sum(axis=(0, 2))


def _padded(side: int, J: int) -> int:
    return -(-(side + 2**J) // 2**J) * 2**J
