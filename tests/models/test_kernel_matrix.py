"""The kernel matrix by matrix products is the one that LIBSVM computes, to the last bit."""

import math
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg.blas import ddot
from sklearn.svm import SVC, _libsvm

from digits.models import kernel_matrix as module
from digits.models import svm_pairs
from digits.models.kernel_matrix import (
    Kernel,
    OwnTiles,
    Tile,
    Uncertain,
    kernel_matrix,
    kernel_tiles,
)
from digits.models.svm import MatrixSVC
from tests.small import IMAGES, LABELS
from tests.svc import assert_learned_the_same, threads

GENERATOR = np.random.default_rng(0)
X = IMAGES[:700] / 255
RBF = Kernel("rbf", 0.05, 0.0, 3)
POLY = Kernel("poly", 0.7, 1.0, 9)
LINEAR = Kernel("linear", 1.0, 0.0, 3)


def one_by_one(Z: NDArray, kernel: Kernel) -> NDArray[np.float64]:
    """The formulas of LIBSVM's svm.cpp, for one pair of rows at a time."""
    K = np.empty((len(Z), len(Z)))
    for i, j in np.ndindex(K.shape):
        product = float(ddot(Z[i], Z[j]))
        match kernel.kernel:
            case "rbf":
                squares = float(ddot(Z[i], Z[i])) + float(ddot(Z[j], Z[j]))
                K[i, j] = math.exp(-kernel.gamma * (squares - 2 * product))
            case "poly":
                power, value, times = kernel.gamma * product + kernel.coef0, 1.0, kernel.degree
                while times > 0:
                    value = value * power if times % 2 == 1 else value
                    power, times = power * power, times // 2
                K[i, j] = value
            case _:
                K[i, j] = product
    return K


def matrix(Z: NDArray, kernel: Kernel) -> NDArray[np.float64]:
    """Of the rows in two sets, the first third and the others."""
    first, second = Z[: len(Z) // 3], Z[len(Z) // 3 :]
    K = kernel_matrix(first, second, (None, None), kernel)
    own = list(kernel_tiles(first, first, kernel)), list(kernel_tiles(second, second, kernel))
    np.testing.assert_array_equal(kernel_matrix(first, second, own, kernel), K)
    return K


def assert_the_same(K: NDArray, expected: NDArray) -> None:
    """As LIBSVM takes them: float32, and on the diagonal float64."""
    np.testing.assert_array_equal(np.diag(K), np.diag(expected))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(K.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("kernel", [RBF, POLY, LINEAR], ids=lambda kernel: kernel.kernel)
@pytest.mark.parametrize("n", [1, 2, 130])
def test_values_are_those_of_libsvm_s_formulas(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, n: int
) -> None:
    monkeypatch.setattr(module, "TILE", 50)
    monkeypatch.setattr(module, "BAND", 20)
    monkeypatch.setattr(module, "MOST", 1.0)
    Z = GENERATOR.normal(size=(n, 301))
    Z[:60, ::3] = 0  # the second tile has some numbers there
    Z[100:] = 0  # the third has none at all
    assert_the_same(matrix(Z, kernel), one_by_one(Z, kernel))


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4, 9])
@pytest.mark.parametrize("coef0", [-1.5, 0.0, 1.0])
def test_powers(monkeypatch: pytest.MonkeyPatch, degree: int, coef0: float) -> None:
    monkeypatch.setattr(module, "MOST", 1.0)
    Z = GENERATOR.integers(-2, 3, size=(60, 40)) / 4  # some products and arguments are 0
    kernel = Kernel("poly", 0.5, coef0, degree)
    assert_the_same(matrix(Z, kernel), one_by_one(Z, kernel))


def between_two_float32() -> NDArray[np.float64]:
    """Rows with products of about 1 + 2^-24, in the middle between two float32."""
    a, b = GENERATOR.normal(size=(2, 100, 150))
    one = np.ones((100, 1))
    # The products of a with b and with -b cancel, but for rounding.
    return np.vstack([np.hstack([one, a, a]), np.hstack([one + 2.0**-24, b, -b])])


def test_matrix_products_alone_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1.0)
    Z = between_two_float32()
    expected = one_by_one(Z, LINEAR)
    assert_the_same(matrix(Z, LINEAR), expected)
    assert ((Z @ Z.T).astype(np.float32) != expected.astype(np.float32)).any()


def test_a_long_row_makes_no_other_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standardised pixel that is blank in nearly all images makes such rows."""
    Z = GENERATOR.normal(size=(200, 300))
    Z[0, 0] = 1e5
    products = Mock(wraps=ddot)
    monkeypatch.setattr(module, "ddot", products)
    assert len(list(kernel_tiles(Z, Z, RBF))) == 1
    n = products.call_count
    assert len(Z) <= n < 1.1 * len(Z)  # those of each row with itself, and few others


@pytest.mark.parametrize("kernel", [RBF, POLY, LINEAR], ids=lambda kernel: kernel.kernel)
@pytest.mark.parametrize("scale", [1e-200, 1e20, 1e160])
def test_what_overflows_or_vanishes(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, scale: float
) -> None:
    monkeypatch.setattr(module, "MOST", 1.0)
    Z = GENERATOR.normal(size=(20, 30)) * scale
    with np.errstate(over="ignore", invalid="ignore"):
        expected = one_by_one(Z, kernel)
    assert_the_same(matrix(Z, kernel), expected)


class Computed:
    """Counts what is computed for an SVM that takes any rows as wide."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own: list[NDArray] = []  # the classes of which the values were kept
        self.matrices: list[NDArray | None] = []
        monkeypatch.setattr(svm_pairs, "WIDE", 1)
        monkeypatch.setattr(svm_pairs, "kernel_matrix", self._kernel_matrix)
        monkeypatch.setattr(svm_pairs, "kernel_tiles", self._kernel_tiles)

    def _kernel_tiles(self, X: NDArray, Y: NDArray, kernel: Kernel) -> Iterator[Tile]:
        assert X is Y
        self.own.append(X)
        return kernel_tiles(X, Y, kernel)

    def _kernel_matrix(self, X: NDArray, Y: NDArray, own: OwnTiles, kernel: Kernel) -> NDArray:
        assert [tiles is not None for tiles in own] == [bool(self.own)] * 2
        try:
            K = kernel_matrix(X, Y, own, kernel)
        except Uncertain:
            self.matrices.append(None)
            raise
        self.matrices.append(K)
        return K


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Computed:
    return Computed(monkeypatch)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel": "rbf", "C": 10.0},
        {"kernel": "rbf", "gamma": "auto", "shrinking": False, "tol": 1e-5},
        {"kernel": "poly", "degree": 9, "coef0": 1.0, "gamma": 0.02},
        {"kernel": "linear"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
@pytest.mark.parametrize(("y", "n_pairs"), [(LABELS[:700], 45), (LABELS[:700] == 5, 1)])
def test_what_is_learned_from_it_is_the_stock_class_s_to_the_last_bit(
    computed: Computed, settings: dict[str, Any], y: NDArray, n_pairs: int
) -> None:
    stock = SVC(**settings).fit(X, y)
    for n in (1, 2):
        with threads(n):
            assert_learned_the_same(MatrixSVC(**settings).fit(X, y), stock)
    assert len(computed.own) == (20 if n_pairs > 1 else 0)  # once each, for nine pairs
    assert len(computed.matrices) == 2 * n_pairs
    assert all(K is not None for K in computed.matrices)


def test_weights_count_as_without_it(computed: Computed) -> None:
    weights, settings = GENERATOR.uniform(0.1, 3, len(X)), {"class_weight": "balanced"}
    ours = MatrixSVC(**settings).fit(X, LABELS[:700], weights)
    assert_learned_the_same(ours, SVC(**settings).fit(X, LABELS[:700], weights))
    assert len(computed.matrices) == 45


def test_where_too_much_is_uncertain_libsvm_computes_the_products(computed: Computed) -> None:
    Z, y = between_two_float32(), np.arange(200) % 2
    assert_learned_the_same(MatrixSVC(kernel="linear").fit(Z, y), SVC(kernel="linear").fit(Z, y))
    assert computed.matrices == [None]


@pytest.mark.parametrize(("memory", "n"), [(3.7, 0), (3.8, 1), (1e6, 1)])
def test_it_is_computed_where_it_fits_into_half_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, computed: Computed, memory: float, n: int
) -> None:
    """600 rows take 2.75 MiB, and 1 MiB is left for LIBSVM's cache."""
    caches, fit = [], _libsvm.fit

    def watched(*arguments: Any, **settings: Any) -> Any:
        caches.append(settings["cache_size"])
        return fit(*arguments, **settings)

    monkeypatch.setattr(_libsvm, "fit", watched)
    monkeypatch.setattr(svm_pairs, "free_memory", lambda: 2 * memory)
    MatrixSVC(cache_size=500).fit(X[:600], LABELS[:600] == 5)
    assert len(computed.matrices) == n
    assert caches == [pytest.approx(min(500, memory - n * 600**2 * 8 / 2**20))]


@pytest.mark.parametrize(("memory", "n_own", "n"), [(2.0, 0, 0), (2.5, 0, 3), (3.3, 3, 3)])
def test_values_that_several_pairs_need_are_kept_where_they_fit(
    monkeypatch: pytest.MonkeyPatch, computed: Computed, memory: float, n_own: int, n: int
) -> None:
    """The matrix of a pair of 400 rows takes 1.22 MiB, 1 MiB is left, and all three keep .82."""
    y = np.arange(600) % 3
    monkeypatch.setattr(svm_pairs, "free_memory", lambda: 2 * memory)
    assert_learned_the_same(MatrixSVC().fit(X[:600], y), SVC().fit(X[:600], y))
    assert len(computed.own) == n_own
    assert len(computed.matrices) == n


def test_they_are_not_sent_to_other_processes(computed: Computed) -> None:
    """As to a cluster's workers, with each pair."""
    y = np.arange(600) % 3
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert_learned_the_same(MatrixSVC().fit(X[:600], y), SVC().fit(X[:600], y))
    assert computed.own == []
    assert computed.matrices == []  # each was computed in a process of its own


def test_narrow_rows_and_other_kernels_are_left_to_libsvm(
    monkeypatch: pytest.MonkeyPatch, computed: Computed
) -> None:
    MatrixSVC(kernel="sigmoid", gamma=0.01).fit(X[:100], LABELS[:100])
    monkeypatch.setattr(svm_pairs, "WIDE", 65)
    MatrixSVC().fit(X[:100], LABELS[:100])
    assert computed.own == computed.matrices == []
