"""The values of a kernel as LIBSVM computes them, to the last bit, by matrix products."""

import math
import platform
from collections.abc import Callable, Iterator
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


class Uncertain(ArithmeticError):
    """Too many values depend on the order of summation: to compute them takes LIBSVM."""


class Tile(NamedTuple):
    """Values of a kernel for some rows of one set with some of another.

    Attributes
    ----------
    top, left : int
        The first of the rows in each set.
    values : ndarray of shape (n, m), float32
        As LIBSVM keeps them.
    """

    top: int
    left: int
    values: NDArray[np.float32]


# Of each class of a pair, its rows' tiles with each other, if they are known.
OwnTiles = tuple[list[Tile] | None, list[Tile] | None]


class _Rows(NamedTuple):
    """What is multiplied for one side of a tile."""

    rows: NDArray[np.float64]
    ordered: NDArray[np.float64]  # their features in another order
    filled: NDArray[np.bool_]  # whether such a feature is other than 0 in any of the rows
    squares: NDArray[np.float64]


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


@np.errstate(over="ignore", invalid="ignore")  # LIBSVM does not warn of infinity
def _tile_values(x: _Rows, y: _Rows, kernel: Kernel) -> NDArray[np.float32]:
    width = 1 + np.flatnonzero(x.filled & y.filled).max(initial=-1)
    product = x.ordered[:, :width] @ y.ordered[:, :width].T
    values, uncertain = _round(product, x.squares, y.squares, kernel, x.rows.shape[1])
    if np.count_nonzero(uncertain) > MOST * uncertain.size:
        raise Uncertain
    i, j = np.divmod(np.flatnonzero(uncertain), uncertain.shape[1])
    one_by_one = np.array([ddot(a, b) for a, b in zip(x.rows[i], y.rows[j], strict=True)])
    exact = kernel.argument(one_by_one, x.squares[i] + y.squares[j])
    values[i, j] = kernel.value(exact, _exp_of_c)
    return values


def _squares(X: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([ddot(x, x) for x in X])


def _cut(X: NDArray[np.float64], order: NDArray[np.intp]) -> list[_Rows]:
    """Return the rows of each tile, and their features in an order."""
    ordered, squares = X.take(order, axis=1), _squares(X)
    tiles = []
    for start in range(0, len(X), TILE):
        i = slice(start, start + TILE)
        filled = np.count_nonzero(ordered[i], axis=0) > 0
        tiles.append(_Rows(X[i], ordered[i], filled, squares[i]))
    return tiles


def kernel_tiles(X: NDArray[np.float64], Y: NDArray[np.float64], kernel: Kernel) -> Iterator[Tile]:
    """Compute a kernel's values for the rows of X with those of Y as LIBSVM does, tile by tile.

    LIBSVM computes a value from the product of two rows, in float64, and keeps it as float32. For
    each row that it needs, it reads all others from memory. A matrix product reads a tile of rows
    once, and takes a tenth of the time, but it sums in another order: the last bits of its float64
    differ.

    Their float32 hardly ever do. Let u = 2^-53. The product of two vectors of n float64 is wrong,
    in whatever order it is summed, by at most 1.01 n u |x| |y| (Higham, "Accuracy and Stability of
    Numerical Algorithms", 2002, section 3.1). So a kernel's argument is known to within an error
    e. The functions of an argument are monotonic, but for even powers around 0: where the values
    at argument - e and argument + e are the same float32, it is LIBSVM's too. The few others are
    computed as LIBSVM does. The exponential functions of NumPy and of C are taken to be right
    within 4 u, powers within u for each degree.

    Pixels that are 0 in most images come last: those from which on one side of a tile has nothing
    but 0 are not multiplied.

    Parameters
    ----------
    X : ndarray of shape (n_x, n_features), C-contiguous
        The rows.
    Y : ndarray of shape (n_y, n_features), C-contiguous
        The columns. If it is X itself, tiles above the diagonal are left out.
    kernel : Kernel
        One of KERNELS.

    Yields
    ------
    Tile
        One after the other.

    Raises
    ------
    Uncertain
        When more than MOST of a tile's values would have to be computed one by one.
    """
    n_filled = np.count_nonzero(X, axis=0) + np.count_nonzero(Y, axis=0)
    order = np.argsort(-n_filled, kind="stable")
    rows = _cut(X, order)
    columns = rows if Y is X else _cut(Y, order)
    for i, x in enumerate(rows):
        for j, y in enumerate(columns[: i + 1] if Y is X else columns):
            yield Tile(i * TILE, j * TILE, _tile_values(x, y, kernel))


def kernel_matrix(
    X: NDArray[np.float64],
    Y: NDArray[np.float64],
    own: OwnTiles,
    kernel: Kernel,
) -> NDArray[np.float64]:
    """Return a kernel's values for all pairs of the rows of X and Y: LIBSVM learns the same of it.

    Parameters
    ----------
    X, Y : ndarray of shapes (n_x, n_features) and (n_y, n_features), C-contiguous
        The rows, those of X first.
    own : tuple
        `kernel_tiles` of X with X, and of Y with Y; None to compute them.
    kernel : Kernel
        One of KERNELS.

    Returns
    -------
    ndarray of shape (n_x + n_y, n_x + n_y), C-contiguous
        float32 values; a row's with itself, which LIBSVM does not round, is float64.

    Raises
    ------
    Uncertain
        As `kernel_tiles`.
    """
    n = len(X)
    K = np.empty((n + len(Y), n + len(Y)))
    blocks = (
        (0, 0, own[0] or kernel_tiles(X, X, kernel)),
        (n, n, own[1] or kernel_tiles(Y, Y, kernel)),
        (n, 0, kernel_tiles(Y, X, kernel)),
    )
    for first_row, first_column, tiles in blocks:
        for top, left, values in tiles:
            rows = slice(first_row + top, first_row + top + values.shape[0])
            columns = slice(first_column + left, first_column + left + values.shape[1])
            K[rows, columns], K[columns, rows] = values, values.T
    squares = np.concatenate([_squares(X), _squares(Y)])
    with np.errstate(over="ignore", invalid="ignore"):
        np.fill_diagonal(K, kernel.value(kernel.argument(squares, squares + squares)))
    return K
