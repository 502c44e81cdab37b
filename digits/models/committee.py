"""Several pipelines that decide together by the mean of their scores, put on one scale."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

MEASURED = 2_000  # images, at most, on which the spread of scores is measured


def sample(rows: NDArray) -> NDArray:
    """Return so many rows, evenly spaced, as the spread of scores is measured on."""
    return rows[:: -(-len(rows) // MEASURED)]


def _have_probabilities(committee: "Committee") -> bool:
    return all(hasattr(member, "predict_proba") for _, member in committee.members)


def _lack_probabilities(committee: "Committee") -> bool:
    return not _have_probabilities(committee)


class Committee(ClassifierMixin, BaseEstimator):
    """The mean of its members' scores: probabilities where all have them, else decision functions.

    scikit-learn's `VotingClassifier` averages probabilities alone, which support vector machines
    do not have. Probabilities are on one scale; decision functions are divided by their spread
    first, so that a member with larger scores does not count for more.

    Parameters
    ----------
    members : list of (str, Pipeline)
        Name and unfitted pipeline of each.

    Attributes
    ----------
    members_ : list of Pipeline
        The fitted members, in the order of `members`.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    scales_ : ndarray of shape (n_members,)
        The standard deviation of each member's scores, of all classes together, on images that it
        learned from; 1 where all scores are the same. Not there with probabilities.
    """

    def __init__(self, members: list[tuple[str, Pipeline]]) -> None:
        self.members = members

    @classmethod
    def from_fitted(
        cls, members: list[tuple[str, Pipeline]], fitted: list[Pipeline], X: ArrayLike
    ) -> Self:
        """Make a fitted committee of members that were fitted elsewhere, in the same order.

        The spread of their scores is measured on X (n, n_features), some that they learned from.
        """
        return cls(members)._set_fitted(fitted, X)

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit a clone of each member on X (n, n_features) and y (n,)."""
        fitted = [clone(member).fit(X, y) for _, member in self.members]
        return self._set_fitted(fitted, sample(np.asarray(X)))

    def _set_fitted(self, fitted: list[Pipeline], X: ArrayLike) -> Self:
        self.members_ = fitted
        self.classes_ = fitted[0].classes_
        self.n_features_in_ = fitted[0].n_features_in_
        if _lack_probabilities(self):
            self.scales_ = np.array([_spread(member.decision_function(X)) for member in fitted])
        return self

    @available_if(_have_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities (n, n_classes) of X (n, n_features)."""
        check_is_fitted(self)
        return np.mean([member.predict_proba(X) for member in self.members_], axis=0)

    @available_if(_lack_probabilities)  # type: ignore[untyped-decorator]
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return scores (n, n_classes) of X (n, n_features); of two classes (n,)."""
        check_is_fitted(self)
        scores = [
            member.decision_function(X) / scale
            for member, scale in zip(self.members_, self.scales_, strict=True)
        ]
        return np.mean(scores, axis=0)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class (n,) with the highest score, of X (n, n_features)."""
        scores: Any = (
            self.predict_proba(X) if _have_probabilities(self) else self.decision_function(X)
        )
        index = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        return self.classes_[index]


def _spread(scores: NDArray) -> float:
    """Return the standard deviation of all scores, or 1 where they differ by rounding alone."""
    return float(StandardScaler().fit(scores.reshape(-1, 1)).scale_[0])
