"""The kernel matrix as LIBSVM computes it, to the last bit, by matrix products."""

import math
import platform
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ddot

TILE = 512  # rows and columns multiplied at a time: they stay in the processor's cache
BAND = 64  # rows of a tile that are rounded at a time: so do all that is computed of them
MOST = 0.01  # share of a tile: to compute more than that one by one would take longer than LIBSVM
_FLOAT64 = 2.0**-53  # relative rounding
# For other processors compilers may make one operation, with one rounding, of poly's gamma x'y and
# + coef0: what LIBSVM computes there is not known.
KERNELS = ("rbf", "linear", *(["poly"] if platform.machine() in ("x86_64", "AMD64") else []))


class Kernel(NamedTuple):
    """A kernel function of scikit-learn's `SVC`, with its parameters.

    Attributes
    ----------
    kernel : {"rbf", "poly", "linear"}
        Its name.
    gamma, coef0 : float
        As of `SVC`.
    degree : int
        Of "poly".
    """

    kernel: str
    gamma: float
    coef0: float
    degree: int

    def argument(self, product: NDArray, squares: NDArray) -> NDArray:
        """Return what `value` takes, from x'y and |x|^2 + |y|^2."""
        match self.kernel:
            case "rbf":
                return -self.gamma * (squares - 2 * product)
            case "poly":
                return self.gamma * product + self.coef0
            case _:
                return product

    def value(self, argument: NDArray, exp: Callable = np.exp) -> NDArray:
        """Return the kernel's values, by the same operations as LIBSVM in the same order."""
        match self.kernel:
            case "rbf":
                return exp(argument)
            case "poly":
                value, power, times = np.ones_like(argument), argument, self.degree
                while times:
                    value = value * power if times % 2 else value
                    times //= 2
                    power = power * power if times else power
                return value
            case _:
                return argument

    def error(self, n_features: int, squares: NDArray) -> NDArray:
        """Return by how much two arguments of the same two rows may differ, both rounded.

        What their values differ by rounding is included, as the difference of arguments that has
        the same effect.

        Parameters
        ----------
        n_features : int
            How many numbers a row has.
        squares : ndarray
            |x|^2 + |y|^2, of which |x| |y| is at most half.
        """
        product = 2 * (n_features + 8) * _FLOAT64
        match self.kernel:
            case "rbf":
                return 2 * self.gamma * product * squares + 16 * _FLOAT64
            case "poly":
                rounding = 4 * _FLOAT64
                return self.gamma * (product + rounding) * squares + 2 * rounding * abs(self.coef0)
            case _:
                return product * squares


def _exp_of_c(argument: NDArray) -> NDArray:
    return np.array([math.exp(t) for t in argument])


def _round(
    product: NDArray, row_squares: NDArray, column_squares: NDArray, kernel: Kernel, n_features: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a tile's values as float32, and whether each may be another one as LIBSVM sums."""
    value, uncertain = np.empty(product.shape, np.float32), np.empty(product.shape, bool)
    for start in range(0, len(product), BAND):
        band = slice(start, start + BAND)
        squares = row_squares[band, np.newaxis] + column_squares
        argument = kernel.argument(product[band], squares)
        error = kernel.error(n_features, squares)
        value[band] = kernel.value(argument - error)
        uncertain[band] = value[band] != kernel.value(argument + error).astype(np.float32)
        if kernel.kernel == "poly":
            uncertain[band] |= np.abs(argument) <= error
    return value, uncertain


def kernel_matrix(X: NDArray[np.float64], kernel: Kernel) -> NDArray[np.float64] | None:
    """Return a kernel's values for all pairs of rows, from which LIBSVM learns the same.

    LIBSVM computes a value from the product of two rows, in float64, and keeps it as float32; that
    of a row with itself it keeps as float64. For each row that it needs, it reads all others from
    memory. A matrix product reads a tile of rows once, and takes a tenth of the time, but it sums
    in another order: the last bits of its float64 differ.

    Their float32 hardly ever do. Let u = 2^-53. The product of two vectors of n float64 is wrong,
    in whatever order it is summed, by at most 1.01 n u |x| |y| (Higham, "Accuracy and Stability of
    Numerical Algorithms", 2002, section 3.1). So a kernel's argument is known to within an error
    e. The functions of an argument are monotonic, but for even powers around 0: where the values
    at argument - e and argument + e are the same float32, it is LIBSVM's too. The few others are
    computed as LIBSVM does. The exponential functions of NumPy and of C are taken to be right
    within 4 u, powers within u for each degree.

    Parameters
    ----------
    X : ndarray of shape (n, n_features), C-contiguous
        The rows.
    kernel : Kernel
        One of KERNELS.

    Returns
    -------
    ndarray of shape (n, n), or None
        None where more than MOST of a tile's values would have to be computed one by one.
    """
    n, n_features = X.shape
    squares = np.array([ddot(x, x) for x in X])
    K = np.empty((n, n))
    starts = range(0, n, TILE)
    # Pixels that are 0 in most images come last: in many a tile they are 0, and need no product.
    ordered = X.take(np.argsort(-np.count_nonzero(X, axis=0), kind="stable"), axis=1)
    filled = [ordered[start : start + TILE].any(axis=0) for start in starts]
    with np.errstate(over="ignore", invalid="ignore"):  # LIBSVM does not warn of infinity
        for start, first in ((i, j) for i in starts for j in starts if j <= i):
            rows, columns = slice(start, start + TILE), slice(first, first + TILE)
            both = filled[start // TILE] & filled[first // TILE]
            width = 1 + np.flatnonzero(both).max(initial=-1)
            product = ordered[rows, :width] @ ordered[columns, :width].T
            value, uncertain = _round(product, squares[rows], squares[columns], kernel, n_features)
            if np.count_nonzero(uncertain) > MOST * uncertain.size:
                return None
            i, j = np.divmod(np.flatnonzero(uncertain), uncertain.shape[1])
            row, column = i + start, j + first
            product = np.array([ddot(x, y) for x, y in zip(X[row], X[column], strict=True)])
            exact = kernel.argument(product, squares[row] + squares[column])
            value[i, j] = kernel.value(exact, _exp_of_c)
            K[rows, columns], K[columns, rows] = value, value.T
        np.fill_diagonal(K, kernel.value(kernel.argument(squares, squares + squares)))
    return K
