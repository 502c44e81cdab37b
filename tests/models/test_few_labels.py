"""FewLabelsClassifier uses few labels, and chooses them well."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from digits.models.few_labels import FewLabelsClassifier
from tests.small import IMAGES, LABELS

X = IMAGES / 255
N = 1000


@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks warn on purpose
@pytest.mark.parametrize(("labels", "share"), [(50, 0.5), (10, 1.0)])
def test_is_an_estimator_as_scikit_learn_has_them(labels: int, share: float) -> None:
    check_estimator(FewLabelsClassifier(labels, share, random_state=0))


@pytest.mark.parametrize(("labels", "share"), [(10, 0.5), (50, 0.2), (50, 1.0)])
def test_only_the_labels_looked_at_matter(labels: int, share: float) -> None:
    model = FewLabelsClassifier(labels, share, random_state=1).fit(X[:300], LABELS[:300])
    assert len(np.unique(model.representatives_)) == labels
    others = np.setdiff1d(np.arange(300), model.representatives_)
    changed = LABELS[:300].copy()
    changed[others] = np.random.default_rng(0).permutation(LABELS[others])
    assert np.mean(changed != LABELS[:300]) > 0.6
    same = FewLabelsClassifier(labels, share, random_state=1).fit(X[:300], changed)
    np.testing.assert_array_equal(same.predict_proba(X[N:]), model.predict_proba(X[N:]))
    changed[model.representatives_] = (changed[model.representatives_] + 1) % 10
    other = FewLabelsClassifier(labels, share, random_state=1).fit(X[:300], changed)
    assert np.mean(other.predict(X[N:]) == model.predict(X[N:])) < 0.5


def test_with_all_labels_it_is_the_classifier_alone() -> None:
    ours = FewLabelsClassifier(labels=300, share=1, C=0.3, random_state=1).fit(
        X[:300], LABELS[:300]
    )
    alone = LogisticRegression(C=0.3, max_iter=1000).fit(X[:300], LABELS[:300])
    assert sorted(ours.representatives_) == list(range(300))
    np.testing.assert_allclose(ours.predict_proba(X[300:]), alone.predict_proba(X[300:]), atol=1e-6)


def test_more_labels_than_images_are_all_of_them() -> None:
    assert (
        len(
            FewLabelsClassifier(labels=50, random_state=1).fit(X[:30], LABELS[:30]).representatives_
        )
        == 30
    )


def test_chosen_labels_are_worth_more_than_random_ones_and_passing_them_on_helps() -> None:
    def accuracy(model: Any) -> float:
        return float(np.mean(model.predict(X[N:]) == LABELS[N:]))

    seeds = range(5)
    drawn = [np.random.default_rng(seed).choice(N, 50, replace=False) for seed in seeds]
    random = np.mean(
        [accuracy(LogisticRegression(max_iter=1000).fit(X[rows], LABELS[rows])) for rows in drawn]
    )
    chosen = np.mean(
        [
            accuracy(FewLabelsClassifier(50, random_state=seed).fit(X[:N], LABELS[:N]))
            for seed in seeds
        ]
    )
    assert chosen > random + 0.03 and chosen > 0.82


def test_a_class_that_was_not_looked_at_has_probability_0() -> None:
    X_rare, y = np.concatenate([X[:N], X[:1]]), np.append(LABELS[:N], 99)
    model = FewLabelsClassifier(20, random_state=1).fit(X_rare, y)
    assert N not in model.representatives_
    probability = model.predict_proba(X[N:])
    assert model.classes_[-1] == 99 and probability.shape[1] == 11
    assert not probability[:, -1].any()
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert set(model.predict(X[N:])) == set(range(10))


def test_a_class_that_alone_was_looked_at_is_the_answer() -> None:
    """As with a yes/no target, when all labels looked at are no."""
    model = FewLabelsClassifier(10, random_state=1).fit(X[:N], np.arange(N) == 0)
    assert not model.predict(X).any()
