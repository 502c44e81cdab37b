"""scikit-learn's nearest neighbours, at the size of augmented image sets."""

from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

from digits.models.nearest_rows import NearestRows

_PREPARING = Lock()


class PixelNeighborsClassifier(KNeighborsClassifier):
    """`KNeighborsClassifier` that keeps integer pixels as they are, one byte each, and is fast.

    scikit-learn's class either holds (and saves) every pixel as a float, four times the size, or,
    given bytes, searches them slowly. This one searches by `NearestRows`. The answers are those of
    scikit-learn's brute force on the pixels as float32, except that of rows equally near to a
    query the first ones in the training data are taken, where scikit-learn takes any.

    It does so with algorithm="brute", the euclidean metric, training data of one or two bytes a
    pixel and queries that are whole numbers. In all other cases it is scikit-learn's class.
    """

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
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        train = self._fit_X
        can_be_searched = (
            self.algorithm == "brute"
            and self.effective_metric_ == "euclidean"
            and _is_short_integers(train)
            and isinstance(k, int | np.integer)
            and 0 < k <= len(train)
        )
        if not can_be_searched or X is None or issparse(X):
            return super().kneighbors(X, n_neighbors, return_distance)
        queries = validate_data(self, X, reset=False)
        search = self._prepared()
        if not search.fits(queries):
            return super().kneighbors(X, n_neighbors, return_distance)
        squares, rows = search.search(queries, int(k))
        # scikit-learn rounds the distances between rows of float32 to float32.
        distances = np.sqrt(squares).astype(np.float32).astype(np.float64)
        return (distances, rows) if return_distance else rows

    def _prepared(self) -> NearestRows:
        """Return the search of the training data, prepared at its first use."""
        with _PREPARING:
            search: NearestRows | None = getattr(self, "_search", None)
            if search is None or search.X is not self._fit_X:
                self._search = search = NearestRows(self._fit_X)
        return search

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the search, which is no part of a saved model."""
        return {key: value for key, value in super().__getstate__().items() if key != "_search"}


def _is_short_integers(X: Any) -> bool:
    """Whether X is an array of integers of one or two bytes."""
    if not isinstance(X, np.ndarray):  # it is sparse
        return False
    return np.issubdtype(X.dtype, np.integer) and X.dtype.itemsize <= 2
