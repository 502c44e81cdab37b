"""The pairs of classes of a support vector classifier, learned as jobs of their own."""

from itertools import combinations
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.svm import _libsvm

from digits.common.resources import free_memory
from digits.models.kernel_matrix import KERNELS, Kernel, kernel_matrix

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
    """Learn each pair of classes by LIBSVM, as jobs that share no memory.

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
        of WIDE features or more, the kernel matrix is computed too where it fits into that half.
    settings : dict
        The other arguments of `sklearn.svm._libsvm.fit`.
    """
    n_classes = len(class_weight)
    pairs = list(combinations(range(n_classes), 2))
    n_rows = np.bincount(y.astype(np.intp))
    largest_first = sorted(pairs, key=lambda pair: n_rows[list(pair)].sum(), reverse=True)
    n_jobs = min(joblib.effective_n_jobs(None), len(pairs))
    copied = n_rows[list(largest_first[0])].sum() * X[0].nbytes / 2**20 if n_classes > 2 else 0
    memory = free_memory() / 2 / n_jobs - copied
    settings = settings | {"cache_size": max(1, min(cache_size, memory))}
    learned = joblib.Parallel(n_jobs=n_jobs, prefer="threads", pre_dispatch="all")(
        joblib.delayed(_fit_pair)(X, y, weight, class_weight, pair, settings, memory)
        for pair in largest_first
    )
    return _put_together(dict(zip(largest_first, learned, strict=True)), y, n_classes)


def _fit_pair(
    X: NDArray,
    y: NDArray,
    weight: NDArray,
    class_weight: NDArray,
    pair: tuple[int, int],
    settings: dict[str, Any],
    memory: float,
) -> _Pair:
    """Learn from the rows of two classes, in `memory` MiB beside a copy of them."""
    _libsvm.set_verbosity_wrap(0)
    rows = np.flatnonzero(np.isin(y, pair))
    # LIBSVM reads all of them again and again, faster if they lie side by side.
    X = X if len(rows) == len(X) else X[rows]
    X, settings = _with_kernel_matrix(X, settings, memory)
    support, _, _, coef, intercept, _, _, status, n_iter = _libsvm.fit(
        X,
        (y[rows] == pair[1]).astype(np.float64),
        sample_weight=weight[rows],
        class_weight=class_weight[list(pair)],
        random_seed=-1,  # nothing is drawn: do not set the seed, which all threads share
        **settings,
    )
    return _Pair(rows[support], coef[0], intercept[0], status, n_iter[0])


def _with_kernel_matrix(
    X: NDArray[np.float64], settings: dict[str, Any], memory: float
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return what LIBSVM learns from: the kernel matrix, where it is faster and fits into memory.

    LIBSVM computes the values for a row when it needs the row, and keeps them. For wide rows, all
    values by matrix products come earlier than those that it needs.
    """
    left = memory - len(X) ** 2 * 8 / 2**20  # for another copy of the rows, and then for a cache
    if X.shape[1] < WIDE or left < max(1, X.nbytes / 2**20) or settings["kernel"] not in KERNELS:
        return X, settings
    K = kernel_matrix(X, Kernel(**{name: settings[name] for name in Kernel._fields}))
    if K is None:
        return X, settings
    cache_size = min(settings["cache_size"], left)
    return K, settings | {"kernel": "precomputed", "cache_size": cache_size}


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
