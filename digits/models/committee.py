"""Several pipelines that decide together by the mean of their scores."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def _have_probabilities(committee: "Committee") -> bool:
    return all(hasattr(member, "predict_proba") for _, member in committee.members)


def _lack_probabilities(committee: "Committee") -> bool:
    return not _have_probabilities(committee)


class Committee(ClassifierMixin, BaseEstimator):
    """The mean of its members' scores: probabilities where all have them, else decision functions.

    scikit-learn's `VotingClassifier` averages probabilities alone, which support vector machines
    do not have.

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
    """

    def __init__(self, members: list[tuple[str, Pipeline]]) -> None:
        self.members = members

    @classmethod
    def from_fitted(cls, members: list[tuple[str, Pipeline]], fitted: list[Pipeline]) -> Self:
        """Make a fitted committee of members that were fitted elsewhere, in the same order."""
        return cls(members)._set_fitted(fitted)

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit a clone of each member on X (n, n_features) and y (n,)."""
        return self._set_fitted([clone(member).fit(X, y) for _, member in self.members])

    def _set_fitted(self, fitted: list[Pipeline]) -> Self:
        self.members_ = fitted
        self.classes_ = fitted[0].classes_
        self.n_features_in_ = fitted[0].n_features_in_
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
        return np.mean([member.decision_function(X) for member in self.members_], axis=0)

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the class (n,) with the highest score, of X (n, n_features)."""
        scores: Any = (
            self.predict_proba(X) if _have_probabilities(self) else self.decision_function(X)
        )
        index = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        return self.classes_[index]
