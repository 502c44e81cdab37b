"""The nearest rows of an array of integers, exactly: most are ruled out in a few dimensions."""

from collections.abc import Iterator

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from digits.common.resources import all_threads

_PAIR = np.dtype([("score", "f4"), ("row", "i4"), ("query", "i2")], align=True)
_NO_KEY = np.iinfo(np.int64).max
_FLOAT32 = 2.0**-24  # relative rounding of a float32


class NearestRows:
    """Search the rows of an array of integers by euclidean distance.

    Every distance that decides is computed in whole numbers. Of two rows equally near to a query,
    the first in the array counts as nearer. So the answer does not depend on the number of threads.

    How it searches: let x be a query and y a row, both measured from a centre; let W be a matrix
    that makes no vector longer, and r(x) what W' takes away: r(x)^2 = |x|^2 - |W'x|^2. With R the
    square root of I - WW' we have x'y = (W'x)'(W'y) + (Rx)'(Ry) and |Rx| = r(x), and so by
    Cauchy-Schwarz

        |x - y|^2 = |x|^2 + |y|^2 - 2 x'y >= |x|^2 + |y|^2 - 2 ((W'x)'(W'y) + r(x) r(y)).

    The columns of W are the first principal components. With (W'x, r(x), 1) for a query and
    (W'y, r(y), -|y|^2 / 2) for a row, one matrix product of float32 gives each pair a score, high
    where the row may be near. The k-th distance among some rows is an upper limit of the k-th
    among all. A row whose score shows that it is farther away is not measured, and each row that
    is measured may lower the limit.

    Rounding: the product of two vectors of n float32 is wrong, in whatever order it is summed, by
    at most 1.01 n u times the product of their absolute values, where u = 2^-24. To round the
    factors adds less than 6 u, to round the threshold u. Since |W'x| |W'y| + r(x) r(y) <= |x| |y|,
    all of it is less than (n + 16) u (|x| + |y|)^2, and a score is allowed to miss its threshold by
    so much. r is taken a little too large, for the rounding of float64: that only raises a score.

    Where this rules out too little, as with noise or many equal rows, a query is compared with all
    rows by a matrix product of float64, exact for whole numbers below 2^53.

    Parameters
    ----------
    X : ndarray of shape (n, n_features), integers
        The rows. They are kept as they are, and 400 bytes more of each.
    """

    components = 96  # more of them rule out more rows, but cost more for each pair
    first = 2_048  # rows compared with every query, for a first limit
    growth = 8  # so many times as many rows are seen before the limit is lowered again
    at_once = 16  # rows measured for each query at a time, those of the highest scores first
    hopeless = 0.05  # a query to which such a share of the rows may be near is compared with all

    def __init__(self, X: NDArray) -> None:
        n, n_features = X.shape
        self.X = X
        # In the order of the array, which may be that of the labels, the first limit would be bad.
        self._order = np.random.default_rng(0).permutation(n)
        self._step = max(64, 2**19 // n_features)  # rows at a time: 4 MiB of float64
        self._largest = max(abs(int(X.min())), abs(int(X.max())))
        self._squares = np.empty(n)
        for start in range(0, n, self._step):
            part = X[start : start + self._step].astype(np.float64)
            self._squares[start : start + self._step] = _squares(part)
        if n > self.first:
            with all_threads():
                self._encode()

    def fits(self, queries: NDArray) -> bool:
        """Whether queries are whole numbers, and their distances small enough to be exact."""
        largest = max(self._largest, abs(float(queries.min())), abs(float(queries.max())))
        exact = min(2**53 / self.X.shape[1], 2**62 / self.X.size)  # as float64, and as a key
        return 2 * largest < exact**0.5 and bool((queries == np.rint(queries)).all())

    def search(self, queries: NDArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the k nearest rows of each query.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features)
            They fit.
        k : int
            From 1 to n.

        Returns
        -------
        squares : ndarray of shape (n_queries, k), int64
            Of the distances, the smallest first.
        rows : ndarray of shape (n_queries, k), int64
        """
        step = min(256, max(8, 2**18 // queries.shape[1]))
        keys = [
            self._search(queries[start : start + step].astype(np.float64), k)
            for start in range(0, len(queries), step)
        ]
        squares, rows = np.divmod(np.sort(np.concatenate(keys), axis=1), len(self.X))
        return squares, rows

    def _encode(self) -> None:
        """Set centre and W, and the vectors of all rows, in the order in which they are seen."""
        sample = self.X[self._order[:5_000]].astype(np.float64)
        self._centre = sample.mean(axis=0)
        n_components = min(self.components, *sample.shape)
        W = randomized_svd(sample - self._centre, n_components, n_iter=2, random_state=0)[2].T
        self._W = W * (1 - 2.0**-30)  # its columns are orthonormal but for the rounding of float64
        self._codes = np.empty((len(self.X), n_components + 2), np.float32)

        def encode(start: int) -> float:
            rows = self._order[start : start + self._step]
            projected, rest, squares = self._project(self.X[rows].astype(np.float64))
            self._codes[start : start + self._step] = np.column_stack(
                [projected, rest, -squares / 2]
            )
            return squares.max()

        starts = range(0, len(self.X), self._step)
        self._longest = np.sqrt(max(joblib.Parallel()(map(joblib.delayed(encode), starts))))

    def _project(self, X: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
        """Return W'x, r(x) and |x|^2 of each row x, which is moved to the centre in place."""
        X -= self._centre
        projected, squares = X @ self._W, _squares(X)
        rest = np.maximum(squares - _squares(projected), 0)
        return projected, np.sqrt(rest + 1e-9 * squares), squares

    def _slack(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much the score of a query with this |x|^2 may be too low."""
        return (self._codes.shape[1] + 16) * _FLOAT32 * (np.sqrt(squares) + self._longest) ** 2

    def _search(self, queries: NDArray[np.float64], k: int) -> NDArray[np.int64]:
        """Return the keys of the k nearest rows of each query, in any order."""
        n, start = len(self.X), max(self.first, 8 * k)
        best = self._compare(queries, self._order[:start], k)
        if start >= n:
            return best
        projected, rest, squares = self._project(queries.copy())
        codes = np.column_stack([projected, rest, np.ones(len(queries))]).astype(np.float32)
        slack = self._slack(squares)
        hopeless = np.zeros(len(queries), dtype=bool)

        def threshold() -> NDArray[np.float32]:
            limit = np.where(hopeless, -np.inf, best.max(axis=1) // n)
            return ((squares - limit) / 2 - slack).astype(np.float32)

        pairs = np.empty(0, _PAIR)
        while start < n:
            stop = min(n, self.growth * start)
            pairs = _sort(np.concatenate([pairs, *self._sift(start, stop, codes, threshold())]))
            while len(pairs):
                ends = np.searchsorted(pairs["query"], np.arange(len(queries) + 1))
                some = np.flatnonzero(np.diff(ends))
                at = ends[some, None] + np.arange(self.at_once)
                exist = at < ends[some + 1, None]
                rows = self._order[pairs["row"][at.clip(max=len(pairs) - 1)]]
                keys = np.where(exist, self._measure(queries[some], rows), _NO_KEY)
                best[some] = _smallest(np.hstack([best[some], keys]), k)
                pairs = np.delete(pairs, at[exist])
                pairs = pairs[pairs["score"] >= threshold()[pairs["query"]]]
                left = np.bincount(pairs["query"], minlength=len(queries))
                hopeless |= left > self.hopeless * stop
                pairs = pairs[~hopeless[pairs["query"]]]
                if stop < n:
                    break
            start = stop
        if hopeless.any():
            best[hopeless] = self._compare(queries[hopeless], self._order, k)
        return best

    def _sift(
        self, start: int, stop: int, codes: NDArray[np.float32], threshold: NDArray[np.float32]
    ) -> Iterator[NDArray]:
        """Yield the pairs of queries and rows, of some rows, that reach the queries' thresholds."""
        for first in range(start, stop, 2_048):
            scores = self._codes[first : min(first + 2_048, stop)] @ codes.T
            at = np.flatnonzero(scores >= threshold)
            pairs = np.empty(len(at), _PAIR)
            pairs["row"], pairs["query"] = np.divmod(at, len(codes))
            pairs["row"] += first
            pairs["score"] = scores.ravel()[at]
            yield pairs

    def _measure(self, queries: NDArray[np.float64], rows: NDArray) -> NDArray[np.int64]:
        """Return the keys of rows (n_queries, m), some for each query."""
        products = (self.X[rows].astype(np.float64) @ queries[:, :, None])[:, :, 0]
        return self._keys(queries, rows, products)

    def _compare(self, queries: NDArray[np.float64], rows: NDArray, k: int) -> NDArray[np.int64]:
        """Return the keys of the k nearest of some rows (m,), the same for all queries."""
        best = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(rows), self._step):
            part = rows[start : start + self._step]
            products = queries @ self.X[part].astype(np.float64).T
            best = _smallest(np.hstack([best, self._keys(queries, part, products)]), k)
        return best

    def _keys(
        self, queries: NDArray[np.float64], rows: NDArray, products: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return integers that order rows by distance and then by number."""
        squares = _squares(queries)[:, None] + self._squares[rows] - 2 * products
        return squares.astype(np.int64) * len(self.X) + rows


def _squares(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the square of each row's length."""
    return np.einsum("ij,ij->i", X, X)


def _smallest(keys: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    return np.partition(keys, k - 1, axis=1)[:, :k] if keys.shape[1] > k else keys


def _sort(pairs: NDArray) -> NDArray:
    """Sort pairs by query, those of the highest score first."""
    pairs = pairs[np.argsort(-pairs["score"])]
    return pairs[np.argsort(pairs["query"], kind="stable")]
