"""Several pipelines that look at the same images in different ways, and decide together."""

from typing import Any

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

    scikit-learn's `VotingClassifier` averages probabilities alone, which support vector machines do not have.

    Parameters: `members` (name, unfitted pipeline) of each.
    """

    def __init__(self, members: list[tuple[str, Pipeline]]) -> None:
        self.members = members

    def fit(self, X: ArrayLike, y: ArrayLike) -> Any:
        """X (n, features), y (n,): fits a clone of each member."""
        return self.of([clone(member).fit(X, y) for _, member in self.members])

    def of(self, fitted: list[Pipeline]) -> Any:
        """Take members that were fitted elsewhere, in the order of `members`."""
        self.members_ = fitted
        self.classes_ = fitted[0].classes_
        self.n_features_in_ = fitted[0].n_features_in_
        return self

    @available_if(_have_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """X (n, features) -> (n, classes)."""
        check_is_fitted(self)
        return np.mean([member.predict_proba(X) for member in self.members_], axis=0)

    @available_if(_lack_probabilities)  # type: ignore[untyped-decorator]
    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """X (n, features) -> (n, classes), of two classes (n,)."""
        check_is_fitted(self)
        return np.mean([member.decision_function(X) for member in self.members_], axis=0)

    def predict(self, X: ArrayLike) -> NDArray:
        """X (n, features) -> (n,)."""
        scores = self.predict_proba(X) if _have_probabilities(self) else self.decision_function(X)
        return self.classes_[
            scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        ]
