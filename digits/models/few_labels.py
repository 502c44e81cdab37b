"""Learning from few labels: look at the images first, ask for the labels that tell most, and pass them on to the neighbours."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits


class FewLabelsClassifier(ClassifierMixin, BaseEstimator):
    """Softmax regression that looks at no more than `labels` of the labels it is given.

    k-means finds that many clusters; the image nearest to each centre is the one whose label is looked at; it is passed on to the
    nearest `share` of its cluster, and from these the classifier learns (Géron, "Hands-On Machine Learning", chapter 9). Labels
    that were not looked at only say which classes there are.

    Parameters: `labels` how many; `share` above 0, to 1; `C` inverse strength of the L2 penalty; `random_state` of the clustering.
    """

    def __init__(
        self, labels: int = 50, share: float = 0.5, C: float = 1.0, random_state: int | None = None
    ) -> None:
        self.labels = labels
        self.share = share
        self.C = C
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Any:
        """X (n, features), y (n,) -> self, with `representatives_`: the rows (labels,) whose labels were looked at."""
        features, labels = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        with threadpool_limits(1):  # the sums of several threads would differ in their last bits
            clustering = KMeans(
                min(self.labels, len(features)), n_init=1, random_state=self.random_state
            )
            distances = clustering.fit_transform(features)
        self.representatives_ = distances.argmin(axis=0)
        given = labels[self.representatives_][clustering.labels_]
        own = distances[np.arange(len(features)), clustering.labels_]
        learn = np.full(len(features), False)
        for cluster in np.unique(clustering.labels_):
            members = clustering.labels_ == cluster
            learn[members] = own[members] <= np.quantile(own[members], self.share)
        one_class = len(np.unique(given)) == 1  # then there is nothing to tell apart
        classifier = (
            DummyClassifier(strategy="prior")
            if one_class
            else LogisticRegression(C=self.C, max_iter=1000)
        )
        self.classifier_ = classifier.fit(features[learn], given[learn])
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """X (n, features) -> (n, classes); a class that none of the labels looked at has gets 0."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False)
        probability = np.zeros((len(features), len(self.classes_)))
        probability[:, np.searchsorted(self.classes_, self.classifier_.classes_)] = (
            self.classifier_.predict_proba(features)
        )
        return probability

    def predict(self, X: ArrayLike) -> NDArray:
        """X (n, features) -> (n,)."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
