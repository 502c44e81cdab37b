"""scikit-learn's nearest neighbours, at the size of augmented image sets."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data


class PixelNeighborsClassifier(KNeighborsClassifier):
    """`KNeighborsClassifier` that keeps integer pixels as they are, one byte each.

    scikit-learn's class either holds (and saves) every pixel as a float, four times the size, or,
    given bytes, searches them slowly, converting the whole training set for every batch of
    queries. This one searches blocks of training rows, each float32 for as long as its search
    lasts, by scikit-learn's own fast brute force; the answers are the same.

    It does so with algorithm="brute", the euclidean metric and training data of one or two bytes
    a pixel, which float32 holds exactly. In all other cases it is scikit-learn's class.
    """

    block = 25_000  # training rows searched at a time: 75 MiB of MNIST as float32

    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest training rows of each query.

        Parameters
        ----------
        X : array of shape (n_queries, n_features) or None
            The queries; None: the training rows themselves, each without itself.
        n_neighbors : int or None
            How many; None: as many as the constructor was given.
        return_distance : bool
            Whether to return the distances too.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), float64
            Nearest first; only with return_distance.
        rows : ndarray of shape (n_queries, n_neighbors), int64
            Of the training data.
        """
        check_is_fitted(self)
        n_neighbors = self.n_neighbors if n_neighbors is None else n_neighbors
        train = self._fit_X
        in_blocks = (
            self.algorithm == "brute"
            and self.effective_metric_ == "euclidean"
            and _is_exact_in_float32(train)
        )
        if not in_blocks or X is None or issparse(X) or not 0 < n_neighbors <= len(train):
            return super().kneighbors(X, n_neighbors, return_distance)
        queries = validate_data(self, X, reset=False, dtype=np.float32, order="C")
        distances = np.empty((len(queries), 0))
        rows = np.empty((len(queries), 0), dtype=np.int64)
        for start in range(0, len(train), self.block):
            part = train[start : start + self.block].astype(np.float32)
            near, row = self._search(part, queries, min(n_neighbors, len(part)))
            distances, rows = _nearest(
                np.hstack([distances, near]), np.hstack([rows, row + start]), n_neighbors
            )
        return (distances, rows) if return_distance else rows

    def _search(
        self, train: NDArray[np.float32], queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray, NDArray]:
        """Return distances and row numbers of the k nearest of some training rows."""
        return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(train).kneighbors(queries)


def _is_exact_in_float32(X: Any) -> bool:
    """Whether X is an array of integers of one or two bytes."""
    if not isinstance(X, np.ndarray):  # it is sparse
        return False
    return np.issubdtype(X.dtype, np.integer) and X.dtype.itemsize <= 2


def _nearest(distances: NDArray, rows: NDArray, k: int) -> tuple[NDArray, NDArray]:
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)
