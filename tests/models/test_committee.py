"""A committee: the mean of what its members say, whoever fitted them."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from digits.data.dataset import digits_8x8
from digits.metrics import predictions
from digits.models.committee import Committee
from digits.models.families import make_pipeline
from digits.training.fit import FitOptions, TrainingSet, fit
from tests.small import SETTINGS

DATA = digits_8x8()
X, Y = DATA.images.reshape(len(DATA.images), -1)[:600], DATA.labels[:600]
FEATURES = ["pixels", "deskewed"]


def committee(model: str, **settings: Any) -> Pipeline:
    return make_pipeline(model, SETTINGS[model] | settings, 42, features=FEATURES, scale="unit")


def alone(model: str, features: str) -> Pipeline:
    return make_pipeline(model, SETTINGS[model], 42, features=features, scale="unit").fit(
        X[:400], Y[:400]
    )


@pytest.mark.parametrize("model", ["forest", "knn", "svm"])
def test_its_scores_are_the_mean_of_its_members(model: str) -> None:
    together = fit(committee(model), TrainingSet(X[:400], Y[:400], np.arange(400, dtype=np.int32)))
    scores = [predictions.decision_scores(alone(model, name), X[400:], name) for name in FEATURES]
    np.testing.assert_allclose(
        predictions.decision_scores(together, X[400:], "together"),
        np.mean(scores, axis=0),
        atol=1e-9,
    )
    np.testing.assert_array_equal(together.predict(X[400:]), np.mean(scores, axis=0).argmax(axis=1))


def test_of_probabilities_it_is_scikit_learns_voting_classifier() -> None:
    members = [
        (name, make_pipeline("forest", SETTINGS["forest"], 42, features=name)) for name in FEATURES
    ]
    ours, theirs = (
        Committee(members).fit(X[:400], Y[:400]),
        VotingClassifier(members, voting="soft").fit(X[:400], Y[:400]),
    )
    np.testing.assert_allclose(
        ours.predict_proba(X[400:]), theirs.predict_proba(X[400:]), atol=1e-12
    )
    np.testing.assert_array_equal(ours.predict(X[400:]), theirs.predict(X[400:]))
    assert clone(ours).members[0][0] == "pixels"


@pytest.mark.parametrize(("model", "probability"), [("forest", True), ("svm", False)])
def test_it_has_probabilities_if_all_members_have(model: str, probability: bool) -> None:
    fitted = committee(model).fit(X[:400], Y[:400] == 5)
    assert predictions.has_probability(fitted) == probability
    assert hasattr(fitted, "decision_function") != probability
    said = predictions.decide(
        predictions.decision_scores(fitted, X[400:], "yes or no"), probability
    )
    np.testing.assert_array_equal(said, fitted.predict(X[400:]))
    assert np.mean(said == (Y[400:] == 5)) > 0.92


def test_each_member_has_support_vectors_of_its_own() -> None:
    source = np.tile(np.arange(300, dtype=np.int32), 2)
    data = TrainingSet(
        np.concatenate([X[:300], np.roll(X[:300], 1, axis=1)]), np.tile(Y[:300], 2), source
    )
    fitted = fit(committee("svm"), data, how=FitOptions(copies="support_vectors"))[-1]
    for name, member in zip(FEATURES, fitted.members_, strict=True):
        pipeline = make_pipeline("svm", SETTINGS["svm"], 42, features=name, scale="unit")
        expected = fit(pipeline, data, how=FitOptions(copies="support_vectors"))
        np.testing.assert_array_equal(member[-1].support_vectors_, expected[-1].support_vectors_)


def test_members_that_learn_by_epochs_report_one_after_the_other() -> None:
    seen: list[tuple[str, int]] = []
    how = FitOptions(epochs=2, on_epoch=lambda epoch: seen.append((epoch.fit, epoch.epoch)))
    fit(
        committee("softmax"),
        TrainingSet(X, Y, np.arange(600, dtype=np.int32)),
        how=how,
        label="fold 1",
    )
    assert seen == [(f"fold 1, {name}", epoch) for name in FEATURES for epoch in (1, 2)]
