"""scikit-learn's support vector classifier, on several threads and many images at once."""

from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import _ovr_decision_function
from sklearn.utils.validation import check_is_fitted, validate_data

from digits.models.svm_pairs import fit_pairs

BATCH = 500  # images scored at a time: 50 MiB of kernel values with 12,000 support vectors
# Attributes that are arguments of LIBSVM, under the same names.
LIBSVM_SETTINGS = ("C", "degree", "coef0", "tol", "shrinking", "max_iter")


class MatrixSVC(SVC):
    """`SVC` that learns its pairs of classes side by side, and scores by matrix products.

    `fit` learns what scikit-learn's class does, to the last bit, on as many threads as joblib's
    configuration says; the only difference is that `cache_size` is for each pair, and that caches
    and kernel matrices take no more than half of the free memory. With `probability` or
    `verbose`, and where a weight is not above 0, it learns in scikit-learn's way.

    Scores come some ten times as fast as from LIBSVM, image by image, and are the same to
    rounding. `predict` takes the class with the highest one, as scikit-learn's does with
    `break_ties`. With a kernel that is a function or precomputed, and for sparse X, it is
    scikit-learn's class.

    `decision_function_shape` may also be "margin": the score of a class is its lead over the
    closest of the others, negative where another one beats it (in voting theory Simpson's rule).
    A class that beats all others has the only positive score, and the most votes too; but votes,
    which make up "ovr", are whole numbers, and hardly tell a clear case from a close one.
    """

    _parameter_constraints: ClassVar[dict] = {
        **SVC._parameter_constraints,
        "decision_function_shape": [StrOptions({"ovr", "ovo", "margin"})],
    }

    def _dense_fit(
        self,
        X: NDArray,
        y: NDArray,
        sample_weight: NDArray,
        solver_type: int,
        kernel: str,
        random_seed: int,
    ) -> None:
        """Do what scikit-learn's own method does, which `fit` calls with checked arguments."""
        weight = sample_weight if len(sample_weight) else np.ones(len(y))
        in_the_stock_way = kernel == "precomputed" or self._effective_probability or self.verbose
        if in_the_stock_way or weight.shape != y.shape or not (weight > 0).all():
            super()._dense_fit(X, y, sample_weight, solver_type, kernel, random_seed)
            return
        settings = {
            "svm_type": solver_type,
            "kernel": kernel,
            "gamma": self._gamma,
            **{name: getattr(self, name) for name in LIBSVM_SETTINGS},
        }
        learned = fit_pairs(X, y, weight, self.class_weight_, self.cache_size, settings)
        self.support_ = learned.support
        self.support_vectors_ = X[learned.support]
        self._n_support = learned.n_support
        self.dual_coef_ = learned.dual_coef
        self.intercept_ = learned.intercept
        self._probA, self._probB = np.empty(0), np.empty(0)
        self.fit_status_ = learned.status
        self._num_iter = learned.n_iter
        self._warn_from_fit_status()

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the scores of X (n, n_features).

        Returns
        -------
        ndarray of shape (n, n_classes), or of two classes (n,)
            With decision_function_shape="ovo" of shape (n, n_pairs_of_classes).
        """
        check_is_fitted(self)
        n_classes = len(self.classes_)
        if self._needs_libsvm(X) or issparse(self.support_vectors_):
            scores = super().decision_function(X)
            if self.decision_function_shape == "margin" and n_classes > 2:
                return margins(scores, n_classes)
            return scores
        queries: NDArray = validate_data(self, X, reset=False, dtype=np.float64)
        weights = self._weights()
        scores = np.empty((len(queries), weights.shape[1]))
        for start in range(0, len(queries), BATCH):
            kernel = self._kernel(queries[start : start + BATCH])
            scores[start : start + BATCH] = kernel @ weights + self.intercept_
        if n_classes == 2:
            return scores[:, 0]
        match self.decision_function_shape:
            case "ovr":
                return _ovr_decision_function(scores < 0, -scores, n_classes)
            case "margin":
                return margins(scores, n_classes)
            case _:
                return scores

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class (n,) with the highest score, of X (n, n_features)."""
        shape = self.decision_function_shape
        if shape == "ovo" or (shape == "ovr" and self._needs_libsvm(X)):
            return super().predict(X)
        scores = self.decision_function(X)
        index = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        return self.classes_[index]

    def _needs_libsvm(self, X: ArrayLike) -> bool:
        return callable(self.kernel) or self.kernel == "precomputed" or issparse(X)

    def _kernel(self, X: NDArray) -> NDArray[np.float64]:
        settings = {"gamma": self._gamma, "degree": self.degree, "coef0": self.coef0}
        return pairwise_kernels(
            X, self.support_vectors_, metric=self.kernel, filter_params=True, **settings
        )

    def _weights(self) -> NDArray[np.float64]:
        """`dual_coef_` as a matrix (support vectors, pairs of classes).

        LIBSVM keeps, for a support vector of a class, its weights against each of the others alone.
        """
        of_class = np.split(np.arange(len(self.support_)), np.cumsum(self.n_support_)[:-1])
        pairs = list(combinations(range(len(self.classes_)), 2))
        if len(pairs) == 1:
            return self.dual_coef_.T
        weights = np.zeros((len(self.support_), len(pairs)))
        for column, (one, other) in enumerate(pairs):
            weights[of_class[one], column] = self.dual_coef_[other - 1, of_class[one]]
            weights[of_class[other], column] = self.dual_coef_[one, of_class[other]]
        return weights


def margins(scores: NDArray[np.float64], n_classes: int) -> NDArray[np.float64]:
    """Return by how much each class beats the closest of the others.

    Parameters
    ----------
    scores : ndarray of shape (n, n_pairs)
        Of the pairs of classes (0, 1), (0, 2), ...: how much they are for the first of the two.
    n_classes : int
        How many classes there are.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Negative where another class beats it.
    """
    lead = np.full((len(scores), n_classes, n_classes), np.inf)
    for column, (one, other) in enumerate(combinations(range(n_classes), 2)):
        lead[:, one, other] = scores[:, column]
        lead[:, other, one] = -scores[:, column]
    return lead.min(axis=2)
