"""The stage `evaluate`, on its real outs: each number against the arrays that it follows from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.common.arrays import sha256
from digits.common.files import read_csv, write_csv
from digits.metrics.classification import metrics
from digits.metrics.curves import (
    at_threshold,
    operating_point,
    precision_recall_table,
    roc_table,
    threshold_table,
)
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions
from digits.metrics.robustness import rotated, shifted
from digits.metrics.tables import read_metrics
from digits.models.persistence import load_model
from tests.scratch import FIVE, Project

pytestmark = pytest.mark.slow


N_TRAIN = 1_497  # of the small digits; the rest are their test images


@pytest.fixture(scope="module")
def evaluated(reproduced: Callable[..., Project]) -> Project:
    return reproduced(**FIVE)


def predictions_of(project: Project, folder: str) -> Predictions:
    return Predictions.load_folder(project.path / folder)


def held_out_and_tested(project: Project) -> tuple[Predictions, Predictions]:
    return predictions_of(project, "models/validation"), predictions_of(project, "data/predictions")


def raw(project: Project) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images, and which digit each is."""
    return np.load(project.path / "data/raw/images.npy"), np.load(
        project.path / "data/raw/labels.npy"
    )


def predict(project: Project, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """What scikit-learn predicts with the final model."""
    predicted: NDArray[np.bool_] = load_model(project.path / "models/model.skops").predict(
        images.reshape(len(images), -1)
    )
    return predicted


def test_the_answers_are_the_models_to_the_test_images(evaluated: Project) -> None:
    tested, (images, digits) = predictions_of(evaluated, "data/predictions"), raw(evaluated)
    np.testing.assert_array_equal(tested.rows, np.arange(N_TRAIN, len(images)))
    np.testing.assert_array_equal(tested.labels, digits[N_TRAIN:] == 5)
    np.testing.assert_array_equal(tested.predicted, predict(evaluated, images[N_TRAIN:]))
    assert evaluated.json("metrics/test.json")["test_set"] == sha256(
        images[N_TRAIN:], digits[N_TRAIN:]
    )


def test_a_threshold_is_chosen_on_validation_and_measured_on_the_test_set(
    evaluated: Project,
) -> None:
    held_out, tested = held_out_and_tested(evaluated)
    threshold, best_on_test = (
        operating_point(part.labels, part.scores, 0.9) for part in (held_out, tested)
    )
    assert threshold is not None
    assert threshold != best_on_test, "else choosing on the test set would pass"
    expected = metrics(tested, 0.8) | {"threshold": threshold}
    expected |= at_threshold(tested.labels, tested.scores, threshold, "", 0.8)
    expected |= at_threshold(held_out.labels, held_out.scores, threshold, "validation_", 0.8)
    values = read_metrics(evaluated.path, "test")
    del values["test_set"]
    assert values == pytest.approx(expected, abs=1e-9)


def test_the_confusion_matrix_names_the_truth_first(evaluated: Project) -> None:
    tested, word = predictions_of(evaluated, "data/predictions"), {False: "not 5", True: "5"}
    assert not tested.correct.all(), "else the order would not show"
    expected = [
        f"{word[y]},{word[p]}"
        for y, p in zip(tested.labels.tolist(), tested.predicted.tolist(), strict=True)
    ]
    lines = (evaluated.path / "plots/confusion.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["actual,predicted", *expected]


def test_the_curves_are_of_validation_and_of_the_test_set(
    evaluated: Project, tmp_path: Path
) -> None:
    held_out, tested = held_out_and_tested(evaluated)
    scored = {
        "validation": (held_out.labels, held_out.scores),
        "test": (tested.labels, tested.scores),
    }
    for name, table in {
        "precision_recall": precision_recall_table,
        "thresholds": threshold_table,
        "roc": roc_table,
    }.items():
        write_csv(tmp_path / name, *table(scored))
        assert (evaluated.path / f"plots/{name}.csv").read_bytes() == (
            tmp_path / name
        ).read_bytes(), name


@pytest.mark.parametrize(
    ("kind", "disturb", "amounts"),
    [("shift", shifted, (1, 3)), ("rotation", rotated, (10, 30))],
    ids=["shift", "rotation"],
)
def test_robustness_is_that_of_every_third_image(
    evaluated: Project,
    kind: str,
    disturb: Callable[..., NDArray[np.uint8]],
    amounts: tuple[int, ...],
) -> None:
    images, digits = (array[N_TRAIN::3] for array in raw(evaluated))
    expected = []
    for amount, disturbed in [
        (0, images),
        *((amount, disturb(images, amount)) for amount in amounts),
    ]:
        hits = int(np.count_nonzero(predict(evaluated, disturbed) == (digits == 5)))
        low, high = wilson_interval(hits, 100, 0.8)
        expected.append({"amount": amount, "accuracy": hits / 100, "low": low, "high": high})
    assert len({row["accuracy"] for row in expected}) > 1, "else nothing was disturbed"
    rows = read_csv(evaluated.path / f"plots/robustness_{kind}.csv")
    assert rows == [pytest.approx(row, abs=1e-9) for row in expected]
