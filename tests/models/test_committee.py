"""The committee: the mean of its members' scores, whoever fitted them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.metrics.predictions import decide, decision_scores, has_probability
from digits.models.committee import Committee
from digits.models.families import PipelineOptions, make_pipeline
from digits.models.persistence import load_model
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitName, FitOptions
from tests.small import IMAGES, LABELS, SETTINGS, file_of, images

X, Y = IMAGES[:600], LABELS[:600]
FEATURES = ["pixels", "deskewed"]


def committee(model: str, **settings: Any) -> Pipeline:
    options = PipelineOptions(features=FEATURES, scale="unit")
    return make_pipeline(model, SETTINGS[model] | settings, 42, options)


def alone(model: str, features: str) -> Pipeline:
    return make_pipeline(
        model, SETTINGS[model], 42, PipelineOptions(features=features, scale="unit")
    )


@pytest.mark.parametrize("model", ["forest", "knn", "svm", "sgd"])
def test_its_scores_are_the_mean_of_its_members(model: str) -> None:
    together = fit(committee(model), images(X[:400], Y[:400]))
    members = [alone(model, name).fit(X[:400], Y[:400]) for name in FEATURES]
    scores = [decision_scores(member, X[400:], "test") for member in members]
    if model in ("svm", "sgd"):
        spread = [np.std(member.decision_function(X[:400])) for member in members]
        np.testing.assert_allclose(together[-1].scales_, spread, rtol=1e-6)
        scores = [part / scale for part, scale in zip(scores, spread, strict=True)]
    expected = np.mean(scores, axis=0)
    np.testing.assert_allclose(
        decision_scores(together, X[400:], "together"), expected, rtol=1e-6, atol=1e-9
    )
    np.testing.assert_array_equal(together.predict(X[400:]), expected.argmax(axis=1))


@pytest.mark.parametrize("labels", [Y, Y == 5], ids=["digits", "yes/no"])
def test_neither_large_scores_nor_zeros_outweigh_others(labels: NDArray) -> None:
    one, silent, loud = fitted = [alone("sgd", "pixels").fit(X, labels) for _ in range(3)]
    for member, factor in ((silent, 0), (loud, 1e6)):
        member[-1].coef_ *= factor
        member[-1].intercept_ *= factor
    ours = Committee.from_fitted([(str(n), one) for n in range(3)], fitted, X)
    spread = np.std(one.decision_function(X))
    np.testing.assert_allclose(ours.scales_, [spread, 1, 1e6 * spread])
    expected = one.decision_function(X) * 2 / 3 / spread
    np.testing.assert_allclose(ours.decision_function(X), expected, atol=1e-5)


def test_the_spread_is_that_of_few_originals_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("digits.models.committee.MEASURED", 150)
    data = images(X[:400], Y[:400])
    files = []
    for threads in ("1", "3"):
        monkeypatch.setenv("DIGITS_THREADS", threads)
        fitted = fit(committee("svm"), data)
        files.append(file_of(fitted, tmp_path))
    assert files[0] == files[1]
    spread = [np.std(member.decision_function(X[:400:3])) for member in fitted[-1].members_]
    np.testing.assert_allclose(fitted[-1].scales_, spread, rtol=1e-9)


def test_a_file_without_the_spread_is_one_sentence(tmp_path: Path) -> None:
    old = committee("svm").fit(X[:200], Y[:200])
    del old[-1].scales_
    file_of(old, tmp_path)
    with pytest.raises(BadInput, match=r"cannot be read as a model.*scales_.*`dvc repro` makes it"):
        load_model(tmp_path / "model.skops")


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
