"""The committee: the mean of its members' scores, whoever fitted them."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from digits.metrics.predictions import decide, decision_scores, has_probability
from digits.models.committee import Committee
from digits.models.families import PipelineOptions, make_pipeline
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitName, FitOptions
from tests.small import IMAGES, LABELS, SETTINGS, images

X, Y = IMAGES[:600], LABELS[:600]
FEATURES = ["pixels", "deskewed"]


def committee(model: str, **settings: Any) -> Pipeline:
    options = PipelineOptions(features=FEATURES, scale="unit")
    return make_pipeline(model, SETTINGS[model] | settings, 42, options)


def alone(model: str, features: str) -> Pipeline:
    return make_pipeline(
        model, SETTINGS[model], 42, PipelineOptions(features=features, scale="unit")
    )


@pytest.mark.parametrize("model", ["forest", "knn", "svm"])
def test_its_scores_are_the_mean_of_its_members(model: str) -> None:
    together = fit(committee(model), images(X[:400], Y[:400]))
    scores = [
        decision_scores(alone(model, name).fit(X[:400], Y[:400]), X[400:], name)
        for name in FEATURES
    ]
    np.testing.assert_allclose(
        decision_scores(together, X[400:], "together"), np.mean(scores, axis=0), atol=1e-9
    )
    np.testing.assert_array_equal(together.predict(X[400:]), np.mean(scores, axis=0).argmax(axis=1))


def test_of_probabilities_it_is_scikit_learns_voting_classifier() -> None:
    members = [
        (name, make_pipeline("forest", SETTINGS["forest"], 42, PipelineOptions(features=name)))
        for name in FEATURES
    ]
    ours = Committee(members).fit(X[:400], Y[:400])
    theirs = VotingClassifier(members, voting="soft").fit(X[:400], Y[:400])
    np.testing.assert_allclose(
        ours.predict_proba(X[400:]), theirs.predict_proba(X[400:]), atol=1e-12
    )
    np.testing.assert_array_equal(ours.predict(X[400:]), theirs.predict(X[400:]))
    assert clone(ours).members[0][0] == "pixels"


@pytest.mark.parametrize(("model", "probability"), [("forest", True), ("svm", False)])
def test_it_has_probabilities_if_all_members_have(model: str, probability: bool) -> None:
    fitted = committee(model).fit(X[:400], Y[:400] == 5)
    assert has_probability(fitted) == probability
    assert hasattr(fitted, "decision_function") != probability
    predicted = decide(decision_scores(fitted, X[400:], "yes or no"), probability)
    np.testing.assert_array_equal(predicted, fitted.predict(X[400:]))
    assert np.mean(predicted == (Y[400:] == 5)) > 0.92


def test_each_member_has_support_vectors_of_its_own() -> None:
    data = TrainingSet(
        X=np.concatenate([X[:300], np.roll(X[:300], 1, axis=1)]),
        y=np.tile(Y[:300], 2),
        source=np.tile(np.arange(300, dtype=np.int32), 2),
        n_originals=300,
    )
    options = FitOptions(copies="support_vectors")
    fitted = fit(committee("svm"), data, options=options)[-1]
    for name, member in zip(FEATURES, fitted.members_, strict=True):
        expected = fit(alone("svm", name), data, options=options)
        np.testing.assert_array_equal(member[-1].support_vectors_, expected[-1].support_vectors_)


def test_members_that_learn_by_epochs_report_one_after_the_other() -> None:
    reported: list[tuple[str, int]] = []
    options = FitOptions(
        epochs=2, on_epoch=lambda epoch: reported.append((epoch.fit.label, epoch.epoch))
    )
    fit(committee("softmax"), images(X, Y), options=options, name=FitName(fold=1))
    assert reported == [(f"fold 1, {name}", epoch) for name in FEATURES for epoch in (1, 2)]
