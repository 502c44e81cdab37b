"""Wavelet scattering: what a convolutional network computes, with filters that nobody had to learn."""

from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from digits.features.base import ImageTransformer

BATCH = 250  # pictures transformed at a time: 30 MiB of MNIST's


class Scattering(ImageTransformer):
    """Local averages of a picture, of its wavelet moduli and of theirs: almost unmoved by small shifts and deformations.

    Bruna & Mallat (2013), "Invariant Scattering Convolution Networks", IEEE PAMI 35:1872, orders 0 to 2, with Morlet wavelets. The
    average is over 2**J pixels and sampled as often. It is homogeneous: twice the ink, twice the output.

    Parameters: `shape` as in PictureTransformer; `J` how many scales, wavelet j being 2**j pixels wide; `L` how many orientations.
    """

    def __init__(self, shape: tuple[int, int] | None = None, J: int = 2, L: int = 6) -> None:
        super().__init__(shape)
        self.J = J
        self.L = L

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """X (n, height * width) of any number type -> float32 (n, maps * height' * width').

        There are 1 + J L + J (J-1) / 2 L**2 maps: order 0, then each first wavelet's order 1 and its orders 2. Their sides are
        those of the picture, padded with 0 by 2**J and on to a multiple of it, over 2**J. MNIST: 49 maps of 8 x 8, so (n, 3136).
        """
        return self._in_batches(X, lambda images: scatter(images, self.J, self.L), BATCH)


def scatter(images: NDArray, J: int, L: int) -> NDArray[np.float32]:
    """The scattering maps of pictures (n, height, width), as `Scattering` orders them: float32 (n, maps, height', width').

    All products are in the Fourier domain; each is folded to the resolution that its result needs before it is transformed back,
    so that no sample is computed to be thrown away.
    """
    height, width = (_padded(side, J) for side in images.shape[1:])
    wavelets, averages = filters(height, width, J, L)
    top, left = (height - images.shape[1]) // 2, (width - images.shape[2]) // 2
    padded = np.zeros((len(images), 1, height, width), np.float32)
    padded[:, 0, top : top + images.shape[1], left : left + images.shape[2]] = images

    def average(spectrum: NDArray, resolution: int) -> NDArray:
        return scipy.fft.ifft2(_folded(spectrum * averages[resolution], J - resolution)).real

    def modulus(spectrum: NDArray, resolution: int, j: int) -> NDArray:
        return scipy.fft.fft2(
            np.abs(scipy.fft.ifft2(_folded(spectrum * wavelets[resolution, j], j - resolution)))
        )

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
    """The filters' Fourier transforms, which are real: wavelets float32 (L, h, w) by (resolution, j), averages by resolution.

    At resolution r every 2**r-th sample is there. Morlet wavelet j has a width of 0.8 * 2**j pixels, a centre frequency of
    3/4 pi / 2**j radians a pixel, a slant of 4 / L and the mean 0; the average is a Gaussian of 0.8 * 2**(J-1) pixels.
    """
    wavelets: dict[tuple[int, int], NDArray] = {}
    for j in range(J):
        angles = np.pi * np.arange(L) / L
        bank = np.stack(
            [
                _morlet(height, width, 0.8 * 2**j, 0.75 * np.pi / 2**j, angle, 4 / L)
                for angle in angles
            ]
        )
        wavelets |= {(r, j): _sampled(bank, r) for r in range(j + 1)}
    _, bell = _gabor(height, width, 0.8 * 2 ** (J - 1), 0.0, 0.0, 1.0)
    return wavelets, [_sampled(bell, r) for r in range(J)]


def _morlet(
    height: int, width: int, sigma: float, frequency: float, angle: float, slant: float
) -> NDArray[np.complex128]:
    wave, bell = _gabor(height, width, sigma, frequency, angle, slant)
    return wave - wave.sum() / bell.sum() * bell


def _gabor(
    height: int, width: int, sigma: float, frequency: float, angle: float, slant: float
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """A wave under a bell, and the bell, around the first pixel of a picture that repeats in both directions."""
    y, x = np.mgrid[-2 * height : 3 * height, -2 * width : 3 * width]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    bell = (
        np.exp(-(along**2 + (slant * across) ** 2) / (2 * sigma**2))
        * slant
        / (2 * np.pi * sigma**2)
    )
    wave, bell = (
        part.reshape(5, height, 5, width).sum(axis=(0, 2))
        for part in (bell * np.exp(1j * frequency * along), bell)
    )
    return wave, bell


def _sampled(kernel: NDArray, octaves: int) -> NDArray[np.float32]:
    """The Fourier transform of a kernel (..., height, width) for pictures of which every 2**octaves-th sample is there."""
    return (
        _folded(scipy.fft.fft2(kernel).real, octaves).astype(np.float32) * 4**octaves
    )  # fewer samples make up the same sum


def _folded(spectrum: NDArray, octaves: int) -> NDArray:
    """The spectrum of every 2**octaves-th sample."""
    if octaves == 0:
        return spectrum
    *batch, height, width = spectrum.shape
    step = 2**octaves
    return spectrum.reshape(*batch, step, height // step, step, width // step).mean(axis=(-4, -2))


def _padded(side: int, J: int) -> int:
    return -(-(side + 2**J) // 2**J) * 2**J
