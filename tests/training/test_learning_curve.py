"""The learning curve over the number of training images: what is learned from, and what is counted."""

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import mlflow
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from statsmodels.stats.proportion import proportion_confint

from digits.common.errors import BadInput
from digits.common.files import read_csv, write_csv
from digits.data.folds import TEST, assign_folds, make_target
from digits.data.transforms import shift
from digits.features.deskew import Deskew
from digits.metrics.predictions import Predictions, decision_scores
from digits.models.persistence import save_model
from digits.models.svm import margins
from digits.training import fit as learning
from digits.training.fit import TrainingSet
from digits.training.learning_curve import (
    LearningCurvePoint,
    draw_subsets,
    learning_curve,
)
from digits.training.options import Epoch, FitName, FitOptions
from digits.training.validation import validate
from tests.scratch import Project
from tests.small import IMAGES, LABELS, new, options_of

SHARES = [0.1, 0.25, 0.5, 1.0]
PICTURES = IMAGES.reshape(-1, 8, 8)
COPIES = [PICTURES, shift(PICTURES, 1, 0), shift(PICTURES, 0, -1)]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_THREADS", "1")


def some(
    n_copies: int = 2, strategy: str = "shuffled", target: int | str = "digit"
) -> tuple[TrainingSet, NDArray[np.int8]]:
    """900 training images of 1,200 in 3 folds, with copies."""
    fold = assign_folds(LABELS[:1200], 900, strategy, 3, target, seed=1)
    train = np.flatnonzero(fold != TEST).astype(np.int32)
    source = np.tile(train, 1 + n_copies)
    X = np.concatenate([copy.reshape(-1, 64)[train] for copy in COPIES[: 1 + n_copies]])
    return TrainingSet(X, make_target(LABELS[source], target), source, 900), fold


def curve(
    pipeline: Pipeline,
    data: TrainingSet,
    fold: NDArray[np.int8],
    options: FitOptions,
    scheme: Literal["holdout", "cross_validation"] = "holdout",
) -> tuple[list[LearningCurvePoint], Predictions, list[NDArray[np.int32]]]:
    """The rows, what was said in validation, and the subsets."""
    chosen = draw_subsets(data, fold, SHARES, options.seed)
    said = validate(pipeline, data, fold, scheme, options)
    return list(learning_curve(pipeline, data, fold, chosen, said, options)), said, chosen


class TestSubsets:
    @pytest.mark.parametrize("target", ["digit", 5])
    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    def test_are_nested_stratified_and_outside_the_last_fold(
        self, strategy: str, target: int | str
    ) -> None:
        data, fold = some(2, strategy, target)
        in_fold = fold[data.source]
        learn = np.flatnonzero(in_fold[:900] != 2)
        shares = np.linspace(0.05, 1, 20).tolist()
        chosen = draw_subsets(data, fold, shares, seed=3)
        assert [len(rows) for rows in chosen] == [round(share * len(learn)) for share in shares]
        for rows in chosen:
            assert (np.diff(rows) > 0).all() and rows.max() < 900 and (in_fold[rows] != 2).all()
            expected = np.bincount(data.y[learn]) * len(rows) / len(learn)
            assert np.abs(np.bincount(data.y[rows]) - expected).max() < 2
        for smaller, larger in pairwise(chosen):
            assert set(smaller) < set(larger)
        np.testing.assert_array_equal(chosen[-1], learn)

    def test_are_drawn_by_the_seed(self) -> None:
        one, again, other = (draw_subsets(*some(), [0.5], seed)[0] for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, again)
        assert len(other) == len(one) and 0.3 < np.isin(one, other).mean() < 0.7, (
            "the half of each class, at random"
        )

    def test_copies_do_not_matter(self) -> None:
        for one, other in zip(
            draw_subsets(*some(2), SHARES, 0), draw_subsets(*some(0), SHARES, 0), strict=True
        ):
            np.testing.assert_array_equal(one, other)

    def test_nothing_is_asked_nothing_is_chosen(self) -> None:
        assert draw_subsets(*some(), [], seed=0) == []

    @pytest.mark.parametrize(
        ("shares", "sentence"),
        [
            (
                [0.0001],
                r"0.0001 of 600 images is 0, allowed are shares that have more than the 0 before",
            ),
            (
                [0.01, 0.5],
                r"0.01 of 600 images is 6, allowed are shares that have an image of every class",
            ),
            (
                [0.5, 0.5001],
                r"0.5001 of 600 images is 300, allowed are shares that have more than the 300 before",
            ),
        ],
    )
    def test_too_few_images_are_bad_input(self, shares: list[float], sentence: str) -> None:
        with pytest.raises(BadInput, match=rf"^train\.train_sizes: {sentence}\.$"):
            draw_subsets(*some(), shares, seed=0)


class Witness(ClassifierMixin, BaseEstimator):
    """Notes which rows it is fitted with and asked about."""

    fitted: list[NDArray] = []  # noqa: RUF012
    asked: list[NDArray] = []  # noqa: RUF012

    def fit(self, X: NDArray, y: NDArray) -> "Witness":
        self.classes_ = np.unique(y)
        self.fitted.append(X.copy())
        return self

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        self.asked.append(X.copy())
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


@pytest.mark.parametrize("n_copies", [0, 2])
@pytest.mark.parametrize("target", ["digit", 5])
def test_a_subset_comes_with_its_copies_and_nothing_else(n_copies: int, target: int | str) -> None:
    """No copy of a held-out image, nor of an image outside the subset, is learned from; originals alone are scored."""
    data, fold = some(n_copies, target=target)
    numbered = TrainingSet(
        np.column_stack([data.source, np.repeat(np.arange(1 + n_copies), 900)]),
        data.y,
        data.source,
        900,
    )
    said = validate(Pipeline([("model", Witness())]), numbered, fold, "holdout")
    chosen = draw_subsets(numbered, fold, SHARES, seed=0)
    Witness.fitted.clear()
    Witness.asked.clear()
    rows = list(
        learning_curve(Pipeline([("model", Witness())]), numbered, fold, chosen, said, FitOptions())
    )
    assert [row.train_size for row in rows] == [60, 150, 300, 600]
    assert len(Witness.fitted) == len(Witness.asked) == 3, "the whole is known from validation"
    for originals, fitted, asked in zip(chosen, Witness.fitted, Witness.asked, strict=False):
        expected = {
            (source, copy) for source in data.source[originals] for copy in range(1 + n_copies)
        }
        assert set(map(tuple, fitted.tolist())) == expected and len(fitted) == len(expected)
        assert set(map(tuple, asked.tolist())) == {(row, 0) for row in np.flatnonzero(fold == 2)}
        assert len(asked) == 300


@pytest.mark.parametrize("model", ["knn", "forest", "softmax"])
@pytest.mark.parametrize("scheme", ["holdout", "cross_validation"])
@pytest.mark.parametrize("target", ["digit", 5])
def test_all_images_are_what_holdout_validation_says(
    model: str, scheme: Literal["holdout", "cross_validation"], target: int | str
) -> None:
    """The row is that of validation, and fitting it after all would say the same to the bit."""
    data, fold = some(target=target)
    rows, _, chosen = curve(new(model), data, fold, options_of(model), scheme)
    holdout = validate(new(model), data, fold, "holdout", options_of(model))
    assert rows[-1][:3] == (600, 300, round(float(holdout.correct.mean()), 10))
    fitted = learning.fit(
        new(model),
        data,
        np.concatenate([chosen[-1], data.copies_of(chosen[-1])]),
        options_of(model),
    )
    scores = decision_scores(
        fitted, data.read(np.flatnonzero(fold[data.source[:900]] == 2)), "again"
    )
    np.testing.assert_array_equal(scores, holdout.scores)


@pytest.mark.parametrize("copies", ["all", "support_vectors"])
@pytest.mark.parametrize("target", ["digit", 5])
def test_accuracy_is_that_of_scikit_learn_on_the_same_rows(
    copies: Literal["all", "support_vectors"], target: int | str
) -> None:
    data, fold = some(target=target)
    rows, _, chosen = curve(new("svm"), data, fold, FitOptions(copies, seed=4))
    held_out = np.flatnonzero(fold[data.source[:900]] == 2)
    for row, originals in zip(rows, chosen, strict=True):
        X, y = data.read(np.arange(len(data.y))) / np.float32(255), data.y
        learn = np.concatenate([originals, originals + 900, originals + 1800])
        if copies == "support_vectors":
            support = originals[clone(SVC(**settings())).fit(X[originals], y[originals]).support_]
            learn = np.concatenate([support, support + 900, support + 1800])
        model = SVC(**settings()).fit(X[learn], y[learn])
        assert row.accuracy == pytest.approx(
            accuracy_score(y[held_out], said_by(model, X[held_out])), abs=1e-10
        )
        assert (row.train_size, row.n) == (len(originals), 300)


def settings() -> dict[str, Any]:
    return {"kernel": "rbf", "C": 10.0, "gamma": "scale", "decision_function_shape": "ovo"}


def said_by(model: SVC, X: NDArray) -> NDArray:
    """What the stock class predicts by leads, as ours does, instead of votes."""
    if len(model.classes_) == 2:
        return model.predict(X)
    return model.classes_[margins(model.decision_function(X), len(model.classes_)).argmax(axis=1)]


def test_the_interval_is_that_of_statsmodels() -> None:
    for row in curve(new("knn"), *some(), options_of("knn"))[0]:
        low, high = proportion_confint(round(row.accuracy * row.n), row.n, 0.05, "wilson")
        assert (row.low, row.high) == pytest.approx((low, high), abs=1e-9)


def test_more_images_are_read_better() -> None:
    rows = curve(new("knn"), *some(), options_of("knn"))[0]
    assert rows[0].high < rows[-1].low


@pytest.mark.parametrize("n_copies", [0, 2])
def test_features_computed_once_are_those_of_the_subset(n_copies: int) -> None:
    """A dear representation is kept between fits: the rows of each subset are taken from it, not the first so many."""
    data, fold = some(n_copies)
    pipeline = new("svm", features="deskewed")
    rows, _, chosen = curve(pipeline, data, fold, FitOptions())
    assert len(data.features) == 1
    (known,) = data.features.values()
    assert len(known) == 900
    everything = np.divide(Deskew((8, 8)).fit_transform(data.X), 255, dtype=np.float32)
    held_out = np.flatnonzero(fold[data.source[:900]] == 2)
    for row, originals in zip(rows, chosen, strict=True):
        learn = np.flatnonzero(np.isin(data.source, data.source[originals]))
        model = SVC(**settings()).fit(everything[learn], data.y[learn])
        assert row.accuracy == pytest.approx(
            accuracy_score(data.y[held_out], said_by(model, everything[held_out])), abs=1e-10
        )


def test_epochs_of_the_curve_are_not_reported_and_its_checkpoints_are_its_own(
    tmp_path: Path,
) -> None:
    data, fold = some()
    told: list[Epoch] = []
    options = FitOptions(epochs=3, seed=42, checkpoints=tmp_path / "kept", on_epoch=told.append)
    plain = curve(new("softmax"), data, fold, options_of("softmax", epochs=3))[0]
    rows, _, _ = curve(new("softmax"), data, fold, options)
    assert rows == plain
    assert {epoch.fit for epoch in told} == {FitName(fold=2)} and len(told) == 3
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        "60-images",
        "150-images",
        "300-images",
        "fold-2",
    }
    assert curve(new("softmax"), data, fold, options)[0] == rows, "taken up from the checkpoints"
    for name, last in (("kept", options), ("none", options_of("softmax", epochs=3))):
        save_model(learning.fit(new("softmax"), data, options=last), tmp_path / f"{name}.skops")
    assert (tmp_path / "kept.skops").read_bytes() == (tmp_path / "none.skops").read_bytes()


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [
        LearningCurvePoint(60, 300, 0.9, 0.8612345678, 0.93),
        LearningCurvePoint(600, 300, 1.0, 0.9873, 1.0),
    ]
    for some_rows in (rows, []):
        write_csv(tmp_path / "sizes.csv", LearningCurvePoint._fields, some_rows)
        assert [tuple(row.values()) for row in read_csv(tmp_path / "sizes.csv")] == some_rows
    assert (tmp_path / "sizes.csv").read_text(
        encoding="utf-8"
    ) == "train_size,n,accuracy,low,high\n"


def test_by_dvc_the_curve_is_drawn_and_logged_and_the_model_stays_the_same(
    project: Project,
) -> None:
    model = (project.path / "models" / "model.skops").read_bytes()
    file, picture = (
        project.path / "models" / "train_sizes.csv",
        project.path / "plots" / "pictures" / "train_sizes.png",
    )
    assert (
        file.read_text(encoding="utf-8") == "train_size,n,accuracy,low,high\n"
        and not picture.exists()
    )

    project.edit(train__train_sizes=[0.1, 0.5, 1.0])
    output = project.dvc("repro")
    assert (project.path / "models" / "model.skops").read_bytes() == model
    with file.open(encoding="utf-8", newline="") as rows_of_file:
        rows = list(csv.DictReader(rows_of_file))
    validation = project.json("metrics/validation.json")
    learn = round(validation["n"] * 2)
    assert [int(row["train_size"]) for row in rows] == [
        round(share * learn) for share in (0.1, 0.5, 1.0)
    ]
    for name in ("accuracy", "low", "high"):
        of_validation = validation["accuracy" if name == "accuracy" else f"accuracy_{name}"]
        assert float(rows[-1][name]) == pytest.approx(of_validation, abs=1e-9)
    assert {int(row["n"]) for row in rows} == {validation["n"]}
    assert picture.stat().st_size > 5_000
    assert f"{rows[0]['train_size']} images: accuracy {float(rows[0]['accuracy']):.4f} (" in output
    assert "Accuracy on validation by number of training images" in project.dvc(
        "plots", "show", "--json"
    )

    (run,) = project.runs()
    client = mlflow.MlflowClient(f"sqlite:///{project.store / 'mlflow.db'}")
    for name in ("accuracy", "low", "high"):
        points = client.get_metric_history(run.info.run_id, f"learning_curve/{name}")
        assert [(point.step, point.value) for point in points] == [
            (int(row["train_size"]), float(row[name])) for row in rows
        ]
    logged = {
        item.path
        for folder in ("plots", "pictures")
        for item in client.list_artifacts(run.info.run_id, folder)
    }
    assert {"plots/train_sizes.csv", "pictures/train_sizes.png"} <= logged

    project.edit(train__train_sizes=[0.0001])
    assert "train: train.train_sizes: 0.0001 of" in project.dvc("repro", fails=True)
    project.edit(train__train_sizes=[0.1], train__clusters=200)
    assert "train.clusters is 200, allowed is at most" in project.dvc("repro", fails=True)
