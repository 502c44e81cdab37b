"""Folds and validation against scikit-learn's own cross-validation, and who saw what."""

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from digits import protocol
from digits.datasets import digits_8x8
from digits.errors import BadInput
from digits.families import FAMILIES, SCALES, make_pipeline
from digits.folds import TEST, assign_folds, learn_target
from digits.protocol import decide, decision_scores, fit, has_probability, validate

DATA = digits_8x8()
IMAGES, LABELS, N_TRAIN = DATA.images.reshape(len(DATA.images), -1), DATA.labels, DATA.n_train
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"loss": "hinge", "alpha": 0.0001, "max_iter": 1000, "tol": 0.1},
    "forest": {"n_estimators": 10, "max_depth": None, "min_samples_leaf": 1},
    "knn": {"n_neighbors": 4, "weights": "distance"},
}
TARGETS: list[int | str] = ["digit", 5, 0]

every_target = pytest.mark.parametrize("target", TARGETS)
every_model = pytest.mark.parametrize("model", FAMILIES)


def new(model: str, scale: str = "unit", **settings: Any) -> Pipeline:
    return make_pipeline(model, SETTINGS[model] | settings, scale, 0, seed=42)


def all_held_out(fold: NDArray[np.int8]) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]


class TestFolds:
    @every_target
    @pytest.mark.parametrize("folds", [2, 3, 6, 10])
    def test_are_those_of_scikit_learn(self, target: int | str, folds: int) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "canonical", folds, target, seed=42)
        y = LABELS[:N_TRAIN] if target == "digit" else LABELS[:N_TRAIN] == target
        expected = [held_out for _, held_out in StratifiedKFold(folds).split(IMAGES[:N_TRAIN], y)]
        assert fold.dtype == np.int8
        assert len(all_held_out(fold)) == folds
        for ours, theirs in zip(all_held_out(fold), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    @pytest.mark.parametrize("seed", [0, 42])
    def test_canonical_test_images_are_the_last(self, seed: int) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "canonical", 6, "digit", seed)
        np.testing.assert_array_equal(fold == TEST, np.arange(len(LABELS)) >= N_TRAIN)

    def test_shuffled_test_images_are_redrawn_as_many_and_stratified(self) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "shuffled", 6, "digit", seed=0)
        test = fold == TEST
        assert test.sum() == len(LABELS) - N_TRAIN
        assert test[:N_TRAIN].any() and (~test)[N_TRAIN:].any()
        by_digit = np.bincount(LABELS[test], minlength=10) / np.bincount(LABELS)
        np.testing.assert_allclose(by_digit, test.mean(), atol=1 / np.bincount(LABELS).min())

    @every_target
    def test_shuffled_folds_are_those_of_scikit_learn_over_what_was_drawn(self, target: int | str) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "shuffled", 4, target, seed=0)
        train = np.flatnonzero(fold != TEST)
        y = learn_target(LABELS[train], target)
        for ours, (_, theirs) in zip(all_held_out(fold), StratifiedKFold(4).split(train, y), strict=True):
            np.testing.assert_array_equal(ours, train[theirs])

    def test_shuffled_is_drawn_by_the_seed(self) -> None:
        drawn = [assign_folds(LABELS, N_TRAIN, "shuffled", 6, "digit", seed) for seed in (1, 1, 2)]
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert ((drawn[0] == TEST) != (drawn[2] == TEST)).sum() > 100

    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    def test_shuffled_target_leaves_the_test_images_the_same(self, strategy: str) -> None:
        """What the model is asked does not move an image between training and test."""
        digit, five = (assign_folds(LABELS, N_TRAIN, strategy, 6, target, seed=3) for target in ("digit", 5))
        np.testing.assert_array_equal(digit == TEST, five == TEST)

    @pytest.mark.parametrize(
        ("rare", "target", "named"),
        [(7, "digit", "only 4 training images are labelled 7"), (7, 7, "only 4 training images are labelled 7")],
    )
    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    def test_more_folds_than_images_of_a_class_is_bad_input(self, strategy: str, rare: int, target: int | str, named: str) -> None:
        rows = np.concatenate([np.flatnonzero(LABELS[:500] != rare), np.flatnonzero(LABELS[:500] == rare)[:5]])
        labels = np.concatenate([LABELS[rows], LABELS[rows[-1:]]])
        n_train = len(rows) - 1 if strategy == "canonical" else round(len(labels) * 0.7)
        assert assign_folds(labels, n_train, strategy, 4, target, seed=0).max() == 3
        with pytest.raises(BadInput, match=rf"^split\.folds is 5, but {named}"):
            assign_folds(labels, n_train, strategy, 5, target, seed=0)

    def test_too_few_images_that_are_something_else_is_bad_input(self) -> None:
        labels = np.array([5] * 20 + [3, 4, 5], np.uint8)
        with pytest.raises(BadInput, match=r"split\.folds is 3, but only 2 training images are labelled other than 5"):
            assign_folds(labels, 22, "canonical", 3, 5, seed=0)

    def test_a_digit_without_images_is_bad_input(self) -> None:
        labels = LABELS[LABELS != 9]
        with pytest.raises(BadInput, match="only 0 training images are labelled 9"):
            assign_folds(labels, len(labels) - 50, "canonical", 2, "digit", seed=0)

    def test_target_is_the_digits_or_yes_and_no(self) -> None:
        np.testing.assert_array_equal(learn_target(LABELS, "digit"), LABELS)
        yes = learn_target(LABELS, 0)
        assert yes.dtype == bool and yes.sum() == (LABELS == 0).sum() > 0


class TestValidate:
    @every_model
    @every_target
    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    def test_cross_validation_is_that_of_scikit_learn(self, model: str, target: int | str, strategy: str) -> None:
        fold = assign_folds(LABELS, N_TRAIN, strategy, 3, target, seed=42)
        source = np.flatnonzero(fold != TEST).astype(np.int32)
        X, y = IMAGES[source], learn_target(LABELS[source], target)
        method = "decision_function" if model == "sgd" else "predict_proba"
        expected = cross_val_predict(new(model), X, y, cv=StratifiedKFold(3), method=method)
        ours = validate(new(model), X, y, source, fold, "cross_validation")
        np.testing.assert_array_equal(ours.scores, expected[:, 1] if expected.shape[1:] == (2,) else expected)
        np.testing.assert_array_equal(ours.rows, source)
        np.testing.assert_array_equal(ours.y, y)
        assert ours.rows.dtype == np.int64 and ours.scores.dtype == np.float64

    @every_model
    @every_target
    def test_holdout_is_the_last_fold(self, model: str, target: int | str) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "canonical", 6, target, seed=42)
        source = np.arange(N_TRAIN, dtype=np.int32)
        X, y = IMAGES[:N_TRAIN], learn_target(LABELS[:N_TRAIN], target)
        learn, held_out = list(StratifiedKFold(6).split(X, y))[-1]
        fitted = new(model).fit(X[learn], y[learn])
        scores = fitted.decision_function(X[held_out]) if model == "sgd" else fitted.predict_proba(X[held_out])
        ours = validate(new(model), X, y, source, fold, "holdout")
        np.testing.assert_array_equal(ours.rows, held_out)
        np.testing.assert_array_equal(ours.y, y[held_out])
        np.testing.assert_array_equal(ours.scores, scores[:, 1] if scores.shape[1:] == (2,) else scores)

    def test_pipeline_given_stays_unfitted(self) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "canonical", 2, "digit", seed=42)
        pipeline = new("knn")
        validate(pipeline, IMAGES[:N_TRAIN], LABELS[:N_TRAIN], np.arange(N_TRAIN, dtype=np.int32), fold, "holdout")
        assert not hasattr(pipeline[-1], "classes_")


class Witness(ClassifierMixin, BaseEstimator):
    """Notes which rows it is fitted with and asked about: column 0 is the source of a row, column 1 the number of the copy."""

    fitted: list[NDArray] = []  # noqa: RUF012
    asked: list[NDArray] = []  # noqa: RUF012

    def fit(self, X: NDArray, y: NDArray) -> "Witness":
        self.classes_ = np.unique(y)
        self.fitted.append(X.copy())
        return self

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        """The score of every class is the row's source."""
        self.asked.append(X.copy())
        return np.repeat(X[:, :1], len(self.classes_), axis=1).astype(np.float64)


@pytest.fixture
def witness() -> type[Witness]:
    Witness.fitted.clear()
    Witness.asked.clear()
    return Witness


class TestCopies:
    @pytest.mark.parametrize("scheme", ["holdout", "cross_validation"])
    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    @pytest.mark.parametrize("n_copies", [0, 1, 4])
    @every_target
    def test_no_copy_of_a_held_out_image_is_learned_from(
        self, witness: Any, scheme: Literal["holdout", "cross_validation"], strategy: str, n_copies: int, target: int | str
    ) -> None:
        fold = assign_folds(LABELS, N_TRAIN, strategy, 3, target, seed=1)
        train = np.flatnonzero(fold != TEST).astype(np.int32)
        source = np.tile(train, 1 + n_copies)
        number = np.repeat(np.arange(1 + n_copies), len(train))
        y = learn_target(LABELS[source], target)
        seen = validate(Pipeline([("model", witness())]), np.column_stack([source, number]), y, source, fold, scheme)

        numbers = [2] if scheme == "holdout" else [0, 1, 2]
        assert len(witness.fitted) == len(witness.asked) == len(numbers)
        for held_out, learned, asked in zip(numbers, witness.fitted, witness.asked, strict=True):
            in_fold = set(np.flatnonzero(fold == held_out))
            assert set(asked[:, 0]) == in_fold and len(asked) == len(in_fold)
            assert not asked[:, 1].any()
            assert set(learned[:, 0]) == set(train) - in_fold
            assert len(learned) == (len(train) - len(in_fold)) * (1 + n_copies)
        np.testing.assert_array_equal(seen.rows, np.flatnonzero(np.isin(fold, numbers)))
        np.testing.assert_array_equal(seen.scores, np.repeat(seen.rows[:, None], 10, axis=1) if target == "digit" else seen.rows)
        np.testing.assert_array_equal(seen.y, learn_target(LABELS[seen.rows], target))


class TestScores:
    @every_model
    @every_target
    @pytest.mark.parametrize("scale", SCALES)
    def test_decisions_are_the_predictions(self, model: str, target: int | str, scale: str) -> None:
        fitted = fit(new(model, scale), IMAGES[:700], learn_target(LABELS[:700], target))
        decided = decide(decision_scores(fitted, IMAGES[700:], "test"), has_probability(fitted))
        expected = fitted.predict(IMAGES[700:])
        np.testing.assert_array_equal(decided, expected)
        assert decided.dtype == expected.dtype

    @pytest.mark.parametrize("weights", ["uniform", "distance"])
    @pytest.mark.parametrize("k", [1, 2, 4])
    @every_target
    def test_undecided_neighbours_are_decided_as_scikit_learn_does(self, weights: str, k: int, target: int | str) -> None:
        """Of few training images and an even number of neighbours, many votes end in a draw."""
        fitted = fit(new("knn", n_neighbors=k, weights=weights), IMAGES[:40], learn_target(LABELS[:40], target))
        decided = decide(decision_scores(fitted, IMAGES[40:], "test"), has_probability(fitted))
        np.testing.assert_array_equal(decided, fitted.predict(IMAGES[40:]))

    @pytest.mark.parametrize("loss", ["hinge", "log_loss"])
    @every_target
    def test_linear_models_have_a_score_of_one_kind(self, loss: str, target: int | str) -> None:
        """Whether scores are probabilities is known before the fit, and is the same after it."""
        unfitted = new("sgd", loss=loss)
        fitted = fit(new("sgd", loss=loss), IMAGES[:700], learn_target(LABELS[:700], target))
        assert has_probability(unfitted) == has_probability(fitted) == (loss == "log_loss")
        scores = decision_scores(fitted, IMAGES[700:], "test")
        assert (scores.min() >= 0 and scores.max() <= 1) == (loss == "log_loss")
        np.testing.assert_array_equal(decide(scores, has_probability(fitted)), fitted.predict(IMAGES[700:]))

    @every_model
    def test_larger_means_yes(self, model: str) -> None:
        fitted = fit(new(model), IMAGES[:700], LABELS[:700] == 5)
        scores = decision_scores(fitted, IMAGES[700:], "test")
        assert scores.shape == (len(IMAGES) - 700,)
        yes = LABELS[700:] == 5
        assert scores[yes].mean() > scores[~yes].mean()

    @every_model
    @every_target
    def test_scores_do_not_depend_on_the_batches(self, monkeypatch: pytest.MonkeyPatch, model: str, target: int | str) -> None:
        fitted = fit(new(model), IMAGES[:300], learn_target(LABELS[:300], target))
        whole = decision_scores(fitted, IMAGES[300:], "test")
        monkeypatch.setattr(protocol, "BATCH", 101)
        np.testing.assert_allclose(decision_scores(fitted, IMAGES[300:], "test"), whole, rtol=1e-6, atol=1e-4)

    @pytest.mark.parametrize(
        ("scores", "probability", "decided"),
        [([0.2, 0.5, 0.500001], True, [False, False, True]), ([-1, 0, 1e-9], False, [False, False, True])],
    )
    def test_yes_is_more_than_the_threshold(self, scores: list[float], probability: bool, decided: list[bool]) -> None:
        np.testing.assert_array_equal(decide(np.array(scores, float), probability), decided)


class TestThreads:
    @pytest.mark.parametrize(("given", "threads"), [("1", 1), ("7", 7)])
    def test_are_what_the_environment_says(self, monkeypatch: pytest.MonkeyPatch, given: str, threads: int) -> None:
        monkeypatch.setenv("DIGITS_THREADS", given)
        assert protocol.threads() == threads

    @pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", " ", "²"])
    def test_nonsense_is_bad_input(self, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
        monkeypatch.setenv("DIGITS_THREADS", given)
        with pytest.raises(BadInput, match="DIGITS_THREADS"):
            protocol.threads()

    @pytest.mark.parametrize("given", [None, ""])
    def test_are_one_for_each_core_by_default(self, monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
        monkeypatch.delenv("DIGITS_THREADS", raising=False)
        if given is not None:
            monkeypatch.setenv("DIGITS_THREADS", given)
        monkeypatch.setattr("os.cpu_count", lambda: 5)
        assert protocol.threads() == 5
