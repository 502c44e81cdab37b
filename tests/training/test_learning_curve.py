"""The learning curve: what each point learns from, and its accuracy."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from statsmodels.stats.proportion import proportion_confint

from digits.common.errors import BadInput
from digits.common.files import read_csv, write_csv
from digits.data.folds import TEST, assign_folds, make_target
from digits.data.transforms import shift
from digits.features.deskew import Deskew
from digits.metrics.predictions import decision_scores
from digits.models.persistence import save_model
from digits.models.svm import margins
from digits.training.fit import TrainingSet, fit
from digits.training.learning_curve import LearningCurvePoint, draw_subsets, learning_curve
from digits.training.options import Epoch, FitName, FitOptions
from digits.training.validation import validate
from tests.small import IMAGES, LABELS, new, options_of
from tests.witness import Witness

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
) -> tuple[list[LearningCurvePoint], list[NDArray[np.int32]]]:
    """The points and the subsets."""
    subsets = draw_subsets(data, fold, SHARES, options.seed)
    predictions = validate(pipeline, data, fold, scheme, options)
    return list(learning_curve(pipeline, data, fold, subsets, predictions, options)), subsets


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
        one, same, other = (draw_subsets(*some(), [0.5], seed)[0] for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        # The half of each class, at random.
        assert len(other) == len(one) and 0.3 < np.isin(one, other).mean() < 0.7

    def test_copies_do_not_matter(self) -> None:
        with_copies, without = draw_subsets(*some(2), SHARES, 0), draw_subsets(*some(0), SHARES, 0)
        for one, other in zip(with_copies, without, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_nothing_is_asked_nothing_is_chosen(self) -> None:
        assert draw_subsets(*some(), [], seed=0) == []

    @pytest.mark.parametrize(
        ("shares", "parts"),
        [
            ([0.0001], ("0.0001 of 600 images is 0", "one image or more")),
            ([0.01, 0.5], ("0.01 of 600 images is 6", "an image of every class")),
            ([0.5, 0.5001], ("0.5001 of 600 images is 300", "more than the 300 before")),
        ],
    )
    def test_too_few_images_are_bad_input(
        self, shares: list[float], parts: tuple[str, str]
    ) -> None:
        with pytest.raises(BadInput) as caught:
            draw_subsets(*some(), shares, seed=0)
        given, allowed = parts
        assert str(caught.value) == (
            f"train.train_sizes: {given}, allowed are shares that have {allowed}."
        )


@pytest.mark.parametrize("n_copies", [0, 2])
@pytest.mark.parametrize("target", ["digit", 5])
def test_a_subset_comes_with_its_copies_and_nothing_else(n_copies: int, target: int | str) -> None:
    """No copy of an image outside the subset is learned from; originals alone are scored."""
    data, fold = some(n_copies, target=target)
    numbers = np.repeat(np.arange(1 + n_copies), 900)
    numbered = TrainingSet(np.column_stack([data.source, numbers]), data.y, data.source, 900)
    pipeline = Pipeline([("model", Witness())])
    predictions = validate(pipeline, numbered, fold, "holdout")
    subsets = draw_subsets(numbered, fold, SHARES, seed=0)
    Witness.fitted.clear()
    Witness.asked.clear()
    points = list(learning_curve(pipeline, numbered, fold, subsets, predictions, FitOptions()))
    assert [point.train_size for point in points] == [60, 150, 300, 600]
    assert len(Witness.fitted) == len(Witness.asked) == 3, "the whole is known from validation"
    for originals, fitted, asked in zip(subsets, Witness.fitted, Witness.asked, strict=False):
        expected = {
            (source, copy) for source in data.source[originals] for copy in range(1 + n_copies)
        }
        assert set(map(tuple, fitted.tolist())) == expected and len(fitted) == len(expected)
        assert set(map(tuple, asked.tolist())) == {(row, 0) for row in np.flatnonzero(fold == 2)}
        assert len(asked) == 300


@pytest.mark.parametrize("model", ["knn", "forest", "softmax"])
@pytest.mark.parametrize("scheme", ["holdout", "cross_validation"])
@pytest.mark.parametrize("target", ["digit", 5])
def test_the_point_of_all_images_is_that_of_holdout_validation(
    model: str, scheme: Literal["holdout", "cross_validation"], target: int | str
) -> None:
    """A fit on the last subset would give the same scores to the bit, so there is none."""
    data, fold = some(target=target)
    points, subsets = curve(new(model), data, fold, options_of(model), scheme)
    holdout = validate(new(model), data, fold, "holdout", options_of(model))
    assert points[-1][:3] == (600, 300, round(float(holdout.correct.mean()), 10))
    rows = np.concatenate([subsets[-1], data.copies_of(subsets[-1])])
    fitted = fit(new(model), data, rows, options_of(model))
    held_out = data.read(np.flatnonzero(fold[data.source[:900]] == 2))
    np.testing.assert_array_equal(decision_scores(fitted, held_out, "held out"), holdout.scores)


@pytest.mark.parametrize("copies", ["all", "support_vectors"])
@pytest.mark.parametrize("target", ["digit", 5])
def test_accuracy_is_that_of_scikit_learn_on_the_same_rows(
    copies: Literal["all", "support_vectors"], target: int | str
) -> None:
    data, fold = some(target=target)
    points, subsets = curve(new("svm"), data, fold, FitOptions(copies, seed=4))
    held_out = np.flatnonzero(fold[data.source[:900]] == 2)
    X, y = data.read(np.arange(len(data.y))) / np.float32(255), data.y
    for point, originals in zip(points, subsets, strict=True):
        learn = np.concatenate([originals, originals + 900, originals + 1800])
        if copies == "support_vectors":
            support = originals[clone(SVC(**settings())).fit(X[originals], y[originals]).support_]
            learn = np.concatenate([support, support + 900, support + 1800])
        model = SVC(**settings()).fit(X[learn], y[learn])
        expected = accuracy_score(y[held_out], predict_by_margins(model, X[held_out]))
        assert point.accuracy == pytest.approx(expected, abs=1e-10)
        assert (point.train_size, point.n) == (len(originals), 300)


def settings() -> dict[str, Any]:
    return {"kernel": "rbf", "C": 10.0, "gamma": "scale", "decision_function_shape": "ovo"}


def predict_by_margins(model: SVC, X: NDArray) -> NDArray:
    """What scikit-learn's class would predict by margins, as ours does, instead of votes."""
    if len(model.classes_) == 2:
        return model.predict(X)
    return model.classes_[margins(model.decision_function(X), len(model.classes_)).argmax(axis=1)]


def test_the_interval_is_that_of_statsmodels() -> None:
    for point in curve(new("knn"), *some(), options_of("knn"))[0]:
        right = round(point.accuracy * point.n)
        expected = proportion_confint(right, point.n, 0.05, "wilson")
        assert (point.low, point.high) == pytest.approx(expected, abs=1e-9)


def test_more_images_are_read_better() -> None:
    points, _ = curve(new("knn"), *some(), options_of("knn"))
    assert points[0].high < points[-1].low


@pytest.mark.parametrize("n_copies", [0, 2])
def test_features_computed_once_are_those_of_the_subset(n_copies: int) -> None:
    """They are kept between fits; of them are taken the subset's rows, not the first so many."""
    data, fold = some(n_copies)
    pipeline = new("svm", features="deskewed")
    points, subsets = curve(pipeline, data, fold, FitOptions())
    (features,) = data.features.values()
    assert len(features) == 900
    everything = np.divide(Deskew((8, 8)).fit_transform(data.X), 255, dtype=np.float32)
    held_out = np.flatnonzero(fold[data.source[:900]] == 2)
    for point, originals in zip(points, subsets, strict=True):
        learn = np.flatnonzero(np.isin(data.source, data.source[originals]))
        model = SVC(**settings()).fit(everything[learn], data.y[learn])
        predicted = predict_by_margins(model, everything[held_out])
        expected = accuracy_score(data.y[held_out], predicted)
        assert point.accuracy == pytest.approx(expected, abs=1e-10)


def test_epochs_of_the_curve_are_not_reported_and_its_checkpoints_are_its_own(
    tmp_path: Path,
) -> None:
    data, fold = some()
    reported: list[Epoch] = []
    options = FitOptions(epochs=3, seed=42, checkpoints=tmp_path / "kept", on_epoch=reported.append)
    without_checkpoints, _ = curve(new("softmax"), data, fold, options_of("softmax", epochs=3))
    points, _ = curve(new("softmax"), data, fold, options)
    assert points == without_checkpoints
    assert {epoch.fit for epoch in reported} == {FitName(fold=2)} and len(reported) == 3
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        "60-images",
        "150-images",
        "300-images",
        "fold-2",
    }
    assert curve(new("softmax"), data, fold, options)[0] == points, "taken from the checkpoints"
    for name, final in (("kept", options), ("none", options_of("softmax", epochs=3))):
        save_model(fit(new("softmax"), data, options=final), tmp_path / f"{name}.skops")
    assert (tmp_path / "kept.skops").read_bytes() == (tmp_path / "none.skops").read_bytes()


def test_points_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "learning_curve.csv"
    points = [
        LearningCurvePoint(60, 300, 0.9, 0.8612345678, 0.93),
        LearningCurvePoint(600, 300, 1.0, 0.9873, 1.0),
    ]
    for some_points in (points, []):
        write_csv(file, LearningCurvePoint._fields, some_points)
        assert read_csv(file) == [point._asdict() for point in some_points]
    assert file.read_text(encoding="utf-8") == "train_size,n,accuracy,low,high\n"
