"""Scores of every family, and the decisions that they lead to."""

from pathlib import Path

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.data.folds import make_target
from digits.metrics import predictions
from digits.metrics.predictions import (
    Predictions,
    decide,
    decision_scores,
    has_probability,
)
from digits.models.families import FAMILIES
from tests.small import IMAGES, LABELS, learned, new

DAMAGED: list[bytes | None] = [None, b"", b"\x93NUMPY\x01\x00"]


@pytest.mark.parametrize("content", DAMAGED, ids=["missing", "empty", "cut off"])
def test_damaged_ones_are_named(tmp_path: Path, content: bytes | None) -> None:
    Predictions(np.arange(3), np.arange(3), np.arange(3), np.zeros((3, 10))).save(tmp_path)
    (tmp_path / "scores.npy").unlink()
    if content is not None:
        (tmp_path / "scores.npy").write_bytes(content)
    with pytest.raises(BadInput, match=r"predictions in validation \(.*\): `dvc repro`"):
        Predictions.load_folder(tmp_path)


every_target = pytest.mark.parametrize("target", ["digit", 5, 0])
digit_and_five = pytest.mark.parametrize("target", ["digit", 5])
every_model = pytest.mark.parametrize("model", FAMILIES)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for so few images; two would wait for each other on a busy machine."""
    monkeypatch.setenv("DIGITS_THREADS", "1")


@every_model
@digit_and_five
def test_decisions_are_the_predictions(model: str, target: int | str) -> None:
    fitted = learned(model, IMAGES[:400], make_target(LABELS[:400], target))
    decided = decide(decision_scores(fitted, IMAGES[400:], "test"), has_probability(fitted))
    expected = fitted.predict(IMAGES[400:])
    np.testing.assert_array_equal(decided, expected)
    assert decided.dtype == expected.dtype


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 2, 4])
@every_target
def test_undecided_neighbours_are_decided_as_scikit_learn_does(
    weights: str, k: int, target: int | str
) -> None:
    """Of few training images and an even number of neighbours, many votes end in a draw."""
    fitted = learned(
        "knn", IMAGES[:40], make_target(LABELS[:40], target), n_neighbors=k, weights=weights
    )
    decided = decide(decision_scores(fitted, IMAGES[40:], "test"), has_probability(fitted))
    np.testing.assert_array_equal(decided, fitted.predict(IMAGES[40:]))


@pytest.mark.parametrize("epochs", [None, 3])
@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
@every_target
def test_linear_models_have_a_score_of_one_kind(
    loss: str, epochs: int | None, target: int | str
) -> None:
    """Whether scores are probabilities is known before the fit, and is the same after it."""
    fitted = learned(
        "sgd", IMAGES[:700], make_target(LABELS[:700], target), loss=loss, epochs=epochs
    )
    assert has_probability(new("sgd", loss=loss)) == has_probability(fitted) == (loss == "log_loss")
    scores = decision_scores(fitted, IMAGES[700:], "test")
    assert (scores.min() >= 0 and scores.max() <= 1) == (loss == "log_loss")
    # Several probabilities that round to 1 are a draw; `predict` still knows the largest decision
    # value.
    clear = np.full(1097, True)
    if target == "digit":
        clear = np.sum(scores == scores.max(axis=-1, keepdims=True), axis=-1) == 1
    assert clear.mean() > 0.95
    decided = decide(scores, has_probability(fitted))
    np.testing.assert_array_equal(decided[clear], fitted.predict(IMAGES[700:])[clear])


@every_model
def test_larger_means_yes(model: str) -> None:
    fitted = learned(model, IMAGES[:400], LABELS[:400] == 5)
    scores = decision_scores(fitted, IMAGES[400:], "test")
    assert scores.shape == (len(IMAGES) - 400,)
    yes = LABELS[400:] == 5
    assert scores[yes].mean() > scores[~yes].mean()


@every_model
@digit_and_five
def test_scores_do_not_depend_on_the_batches(
    monkeypatch: pytest.MonkeyPatch, model: str, target: int | str
) -> None:
    fitted = learned(model, IMAGES[:300], make_target(LABELS[:300], target))
    whole = decision_scores(fitted, IMAGES[300:900], "test")
    monkeypatch.setattr(predictions, "BATCH", 101)
    np.testing.assert_allclose(
        decision_scores(fitted, IMAGES[300:900], "test"), whole, rtol=1e-6, atol=1e-4
    )


@pytest.mark.parametrize(
    ("scores", "probability", "decided"),
    [
        ([0.2, 0.5, 0.500001], True, [False, False, True]),
        ([-1, 0, 1e-9], False, [False, False, True]),
    ],
)
def test_yes_is_more_than_the_threshold(
    scores: list[float], probability: bool, decided: list[bool]
) -> None:
    np.testing.assert_array_equal(decide(np.array(scores, float), probability), decided)
