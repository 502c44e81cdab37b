"""A classifier that needs few labels: those of k-means representatives, given to their clusters."""

from typing import Self

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
    """Softmax regression that uses no more than `labels` of the labels it is given.

    k-means finds that many clusters. The label of the image nearest to each centre is given to
    the nearest `share` of its cluster, and from these the classifier learns. The other labels only
    say which classes there are.

    Parameters
    ----------
    labels : int
        How many labels are used.
    share : float
        The part of each cluster that gets its label, above 0, up to 1.
    C : float
        Inverse strength of the L2 penalty.
    random_state : int or None
        Of the clustering.

    Attributes
    ----------
    representatives_ : ndarray of shape (labels,)
        Rows whose labels were used.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.

    References
    ----------
    Géron, "Hands-On Machine Learning", chapter 9.
    """

    def __init__(
        self, labels: int = 50, share: float = 0.5, C: float = 1.0, random_state: int | None = None
    ) -> None:
        self.labels = labels
        self.share = share
        self.C = C
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from X (n, n_features) and y (n,)."""
        features, labels = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(labels)
        self.classes_ = np.unique(labels)
        with threadpool_limits(1):  # the sums of several threads would differ in their last bits
            n_clusters = min(self.labels, len(features))
            clustering = KMeans(n_clusters, n_init=1, random_state=self.random_state)
            distances = clustering.fit_transform(features)
        self.representatives_ = distances.argmin(axis=0)
        given = labels[self.representatives_][clustering.labels_]
        own = distances[np.arange(len(features)), clustering.labels_]
        learn = np.full(len(features), False)
        for cluster in np.unique(clustering.labels_):
            members = clustering.labels_ == cluster
            learn[members] = own[members] <= np.quantile(own[members], self.share)
        if len(np.unique(given)) == 1:  # a regression needs two classes
            classifier = DummyClassifier(strategy="prior")
        else:
            classifier = LogisticRegression(C=self.C, max_iter=1000)
        self.classifier_ = classifier.fit(features[learn], given[learn])
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities (n, n_classes) of X (n, n_features); 0 for a class without label."""
        check_is_fitted(self)
        features = validate_data(self, X, reset=False)
        probability = np.zeros((len(features), len(self.classes_)))
        columns = np.searchsorted(self.classes_, self.classifier_.classes_)
        probability[:, columns] = self.classifier_.predict_proba(features)
        return probability

    def predict(self, X: ArrayLike) -> NDArray:
        """Return the most probable class (n,) of X (n, n_features)."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
