"""Wavelet scattering: the features of a convolutional network whose filters are not learned."""

from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from digits.features.base import ImageTransformer

BATCH = 250  # images transformed at a time: 30 MiB of MNIST's


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

    All products are in the Fourier domain. Each is folded to the resolution that its result needs
    before it is transformed back, so that no sample is computed to be thrown away.

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
    padded = np.zeros((len(images), 1, height, width), np.float32)
    padded[:, 0, top : top + images.shape[1], left : left + images.shape[2]] = images

    def average(spectrum: NDArray, resolution: int) -> NDArray:
        return scipy.fft.ifft2(_folded(spectrum * averages[resolution], J - resolution)).real

    def modulus(spectrum: NDArray, resolution: int, j: int) -> NDArray:
        filtered = scipy.fft.ifft2(_folded(spectrum * wavelets[resolution, j], j - resolution))
        return scipy.fft.fft2(np.abs(filtered))

    spectrum = scipy.fft.fft2(padded)
    maps = [average(spectrum, 0)]
    for first in range(J):
        order_1 = modulus(spectrum, 0, first)
        maps.append(average(order_1, first))
        for second in range(first + 1, J):
            maps += [
                average(modulus(order_1[:, k : k + 1], first, second), second) for k in range(L)
            ]
    return np.concatenate(maps, axis=1)


@cache
def filters(
    height: int, width: int, J: int, L: int
) -> tuple[dict[tuple[int, int], NDArray], list[NDArray]]:
    """Return the Fourier transforms of the filters, which are real.

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
    wavelets : dict of ndarray, float32 of shape (L, height / 2**r, width / 2**r)
        By resolution r and scale j.
    averages : list of ndarray, float32 of shape (height / 2**r, width / 2**r)
        By resolution r.
    """
    angles = np.pi * np.arange(L) / L
    wavelets: dict[tuple[int, int], NDArray] = {}
    for j in range(J):
        sigma, frequency = 0.8 * 2**j, 0.75 * np.pi / 2**j
        bank = [_morlet(height, width, sigma, frequency, angle, 4 / L) for angle in angles]
        wavelets |= {(r, j): _sampled(np.stack(bank), r) for r in range(j + 1)}
    _, bell = _gabor(height, width, 0.8 * 2 ** (J - 1), 0.0, 0.0, 1.0)
    return wavelets, [_sampled(bell, r) for r in range(J)]


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


def _sampled(kernel: NDArray, octaves: int) -> NDArray[np.float32]:
    """The Fourier transform of a kernel (..., height, width) for every 2**octaves-th sample."""
    # Fewer samples make up the same sum.
    return _folded(scipy.fft.fft2(kernel).real, octaves).astype(np.float32) * 4**octaves


def _folded(spectrum: NDArray, octaves: int) -> NDArray:
    """The spectrum of every 2**octaves-th sample."""
    if octaves == 0:
        return spectrum
    *batch, height, width = spectrum.shape
    step = 2**octaves
    return spectrum.reshape(*batch, step, height // step, step, width // step).mean(axis=(-4, -2))


def _padded(side: int, J: int) -> int:
    return -(-(side + 2**J) // 2**J) * 2**J
