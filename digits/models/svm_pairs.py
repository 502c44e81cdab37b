"""The pairs of classes of a support vector classifier, learned as jobs of their own."""

from contextlib import suppress
from itertools import combinations
from typing import Any, NamedTuple

import joblib
import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.svm import _libsvm

from digits.common.resources import free_memory
from digits.models.kernel_matrix import (
    KERNELS,
    TILE,
    Kernel,
    OwnTiles,
    Tile,
    Uncertain,
    kernel_matrix,
    kernel_tiles,
)

MIB = 2**20
WIDE = 300  # features of a row, from which on the kernel matrix is faster than LIBSVM's products


class Learned(NamedTuple):
    """What LIBSVM learns from all pairs, as `sklearn.svm._libsvm.fit` returns it.

    Attributes
    ----------
    support : ndarray of shape (n_support,), int32
        The rows that are support vectors of a pair, by class, ascending.
    n_support : ndarray of shape (n_classes,), int32
        How many of them are of each class.
    dual_coef : ndarray of shape (n_classes - 1, n_support)
        Weight of each against each of the other classes.
    intercept : ndarray of shape (n_pairs,)
        Of the pairs (0, 1), (0, 2), ...
    status : int
        1 when a pair took `max_iter` steps, else 0.
    n_iter : ndarray of shape (n_pairs,), int32
        Steps of each pair.
    """

    support: NDArray[np.int32]
    n_support: NDArray[np.int32]
    dual_coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    status: int
    n_iter: NDArray[np.int32]


class _Pair(NamedTuple):
    support: NDArray[np.intp]
    coef: NDArray[np.float64]
    intercept: float
    status: int
    n_iter: int


def fit_pairs(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    class_weight: NDArray[np.float64],
    cache_size: float,
    settings: dict[str, Any],
) -> Learned:
    """Learn each pair of classes by LIBSVM, each as a job of its own.

    joblib's configuration says how many at a time, and where; without one it is threads, as LIBSVM
    needs no lock of Python. LIBSVM itself learns them one after the other. No pair needs what
    another one learned: the result is the same to the last bit.

    Parameters
    ----------
    X : ndarray of shape (n, n_features), C-contiguous
        Of each pair that is learned at the moment, its rows are copied.
    y : ndarray of shape (n,)
        Numbers of the classes: 0, 1, ..., each at least once.
    weight : ndarray of shape (n,)
        Of each row, above 0.
    class_weight : ndarray of shape (n_classes,)
        By what C is multiplied for the rows of a class.
    cache_size : float
        MiB of kernel values that LIBSVM may keep of a pair; less where these and the rows of all
        that are learned at once would take more than half of the memory that is free. Of rows
        of WIDE features or more, the kernel matrix is computed too where it fits into that half,
        and what several pairs need of it is kept where that fits as well, and they are threads.
    settings : dict
        The other arguments of `sklearn.svm._libsvm.fit`.
    """
    n_classes = len(class_weight)
    pairs = list(combinations(range(n_classes), 2))
    n_rows = np.bincount(y.astype(np.intp))
    largest_first = sorted(pairs, key=lambda pair: n_rows[list(pair)].sum(), reverse=True)
    n_jobs = min(joblib.effective_n_jobs(None), len(pairs))
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", pre_dispatch="all")
    memory = free_memory() / 2 / n_jobs
    most = n_rows[list(largest_first[0])].sum()
    copied = most * X[0].nbytes / MIB if n_classes > 2 else 0
    settings = settings | {"cache_size": max(1, min(cache_size, memory - copied))}
    kernel = _kernel_of(X, settings)
    own: dict[int, list[Tile]] = {}
    # The values for a class's rows with each other are needed for all of its pairs. To send them
    # to other processes with each of these would cost more than it saves.
    kept = (n_rows * (n_rows + TILE)).sum() * 2 / MIB / n_jobs
    backend, _ = get_active_backend(prefer="threads")
    in_this_process = getattr(backend, "supports_sharedmem", False)
    if kernel and in_this_process and n_classes > 2 and kept + _needed(most, X) <= memory:
        memory -= kept
        tiles = parallel(
            joblib.delayed(_own_tiles)(X, y, each, kernel) for each in range(n_classes)
        )
        own = {each: found for each, found in enumerate(tiles) if found}
    learned = parallel(
        joblib.delayed(_fit_pair)(
            X, y, weight, class_weight, (i, j), settings, memory, kernel, (own.get(i), own.get(j))
        )
        for i, j in largest_first
    )
    return _put_together(dict(zip(largest_first, learned, strict=True)), y, n_classes)


def _kernel_of(X: NDArray[np.float64], settings: dict[str, Any]) -> Kernel | None:
    """Return the kernel, if its matrix is to be computed; None leaves the products to LIBSVM.

    LIBSVM computes the values for a row when it needs the row, and keeps them. For wide rows, all
    values by matrix products come earlier than those that it needs.
    """
    if X.shape[1] < WIDE or settings["kernel"] not in KERNELS:
        return None
    return Kernel(**{name: settings[name] for name in Kernel._fields})


def _needed(n: int, X: NDArray[np.float64]) -> float:
    """MiB for the kernel matrix of n rows, and first two copies of these, then LIBSVM's cache."""
    return (n**2 * 8 + max(MIB, 2 * n * X[0].nbytes)) / MIB


def _own_tiles(
    X: NDArray[np.float64], y: NDArray[np.float64], number: int, kernel: Kernel
) -> list[Tile] | None:
    """Return the kernel's values for the rows of a class with each other, if they are certain."""
    rows = X[y == number]
    with suppress(Uncertain):
        return list(kernel_tiles(rows, rows, kernel))
    return None


def _pair_matrix(
    X: NDArray[np.float64],
    rows: list[NDArray[np.intp]],
    memory: float,
    kernel: Kernel | None,
    own: OwnTiles,
) -> NDArray[np.float64] | None:
    """Return the kernel matrix of a pair's rows, if it is faster, fits into memory, is certain."""
    if kernel and _needed(sum(map(len, rows)), X) <= memory:
        with suppress(Uncertain):
            return kernel_matrix(X[rows[0]], X[rows[1]], own, kernel)
    return None


def _fit_pair(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    class_weight: NDArray[np.float64],
    pair: tuple[int, int],
    settings: dict[str, Any],
    memory: float,
    kernel: Kernel | None,
    own: OwnTiles,
) -> _Pair:
    """Learn from the rows of two classes, in so much memory (MiB)."""
    _libsvm.set_verbosity_wrap(0)
    of_class = [np.flatnonzero(y == number) for number in pair]
    rows = np.concatenate(of_class)
    K = _pair_matrix(X, of_class, memory, kernel, own)
    if K is not None:
        cache_size = min(settings["cache_size"], memory - K.nbytes / MIB)
        X, settings = K, settings | {"kernel": "precomputed", "cache_size": cache_size}
    elif len(rows) < len(X):
        # LIBSVM reads all of them again and again, faster if they lie side by side.
        X = X[rows]
    else:
        rows = np.arange(len(X))
    support, _, _, coef, intercept, _, _, status, n_iter = _libsvm.fit(
        X,
        (y[rows] == pair[1]).astype(np.float64),
        sample_weight=weight[rows],
        class_weight=class_weight[list(pair)],
        random_seed=-1,  # nothing is drawn: do not set the seed, which all threads share
        **settings,
    )
    return _Pair(rows[support], coef[0], intercept[0], status, n_iter[0])


def _put_together(learned: dict[tuple[int, int], _Pair], y: NDArray, n_classes: int) -> Learned:
    in_order = [learned[pair] for pair in sorted(learned)]
    rows = np.unique(np.concatenate([pair.support for pair in in_order]))
    support = rows[np.argsort(y[rows], kind="stable")]
    class_of = y[support].astype(np.intp)
    position = np.zeros(len(y), np.intp)
    position[support] = np.arange(len(support))
    # No weight is, as in LIBSVM, -0.0 for rows of the second class of a pair.
    dual_coef = np.where(np.arange(n_classes - 1)[:, np.newaxis] < class_of, -0.0, 0.0)
    for (one, other), pair in learned.items():
        against = np.where(y[pair.support] == one, other - 1, one)
        dual_coef[against, position[pair.support]] = pair.coef
    return Learned(
        support=support.astype(np.int32),
        n_support=np.bincount(class_of, minlength=n_classes).astype(np.int32),
        dual_coef=dual_coef,
        intercept=np.array([pair.intercept for pair in in_order]),
        status=max(pair.status for pair in in_order),
        n_iter=np.array([pair.n_iter for pair in in_order], np.int32),
    )
