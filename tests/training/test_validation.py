"""Folds and validation against scikit-learn's own cross-validation, and who saw what."""

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.common.resources import all_threads
from digits.data.folds import TEST, assign_folds, make_target
from digits.data.loaders import digits_8x8
from digits.data.transforms import affine, rotation
from digits.metrics import predictions
from digits.metrics.predictions import decide, decision_scores, has_probability
from digits.models.families import FAMILIES, n_epochs
from digits.training.fit import TrainingSet
from digits.training.options import FitOptions
from digits.training.validation import validate
from tests.small import IMAGES, LABELS, SETTINGS, images, learned, new, options_of

N_TRAIN = digits_8x8().n_train
TARGETS: list[int | str] = ["digit", 5, 0]

every_target = pytest.mark.parametrize("target", TARGETS)
digit_and_five = pytest.mark.parametrize("target", ["digit", 5])
every_model = pytest.mark.parametrize("model", FAMILIES)
BY_EPOCHS = {model for model in FAMILIES if n_epochs(model, SETTINGS[model])}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for so few images; two would wait for each other on a busy machine."""
    monkeypatch.setenv("DIGITS_THREADS", "1")


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
    def test_shuffled_folds_are_those_of_scikit_learn_over_what_was_drawn(
        self, target: int | str
    ) -> None:
        fold = assign_folds(LABELS, N_TRAIN, "shuffled", 4, target, seed=0)
        train = np.flatnonzero(fold != TEST)
        y = make_target(LABELS[train], target)
        for ours, (_, theirs) in zip(
            all_held_out(fold), StratifiedKFold(4).split(train, y), strict=True
        ):
            np.testing.assert_array_equal(ours, train[theirs])

    def test_shuffled_is_drawn_by_the_seed(self) -> None:
        drawn = [assign_folds(LABELS, N_TRAIN, "shuffled", 6, "digit", seed) for seed in (1, 1, 2)]
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert ((drawn[0] == TEST) != (drawn[2] == TEST)).sum() > 100

    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    def test_shuffled_target_leaves_the_test_images_the_same(self, strategy: str) -> None:
        """What the model is asked does not move an image between training and test."""
        digit, five = (
            assign_folds(LABELS, N_TRAIN, strategy, 6, target, seed=3) for target in ("digit", 5)
        )
        np.testing.assert_array_equal(digit == TEST, five == TEST)

    @pytest.mark.parametrize(
        ("rare", "target", "named"),
        [
            (7, "digit", "only 4 training images are labelled 7"),
            (7, 7, "only 4 training images are labelled 7"),
        ],
    )
    @pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
    def test_more_folds_than_images_of_a_class_is_bad_input(
        self, strategy: str, rare: int, target: int | str, named: str
    ) -> None:
        rows = np.concatenate(
            [np.flatnonzero(LABELS[:500] != rare), np.flatnonzero(LABELS[:500] == rare)[:5]]
        )
        labels = np.concatenate([LABELS[rows], LABELS[rows[-1:]]])
        n_train = len(rows) - 1 if strategy == "canonical" else round(len(labels) * 0.7)
        assert assign_folds(labels, n_train, strategy, 4, target, seed=0).max() == 3
        with pytest.raises(BadInput, match=rf"^split\.folds is 5, but {named}"):
            assign_folds(labels, n_train, strategy, 5, target, seed=0)

    def test_too_few_images_that_are_something_else_is_bad_input(self) -> None:
        labels = np.array([5] * 20 + [3, 4, 5], np.uint8)
        with pytest.raises(
            BadInput,
            match=r"split\.folds is 3, but only 2 training images are labelled other than 5",
        ):
            assign_folds(labels, 22, "canonical", 3, 5, seed=0)

    def test_a_digit_without_images_is_bad_input(self) -> None:
        labels = LABELS[LABELS != 9]
        with pytest.raises(BadInput, match="only 0 training images are labelled 9"):
            assign_folds(labels, len(labels) - 50, "canonical", 2, "digit", seed=0)

    def test_target_is_the_digits_or_yes_and_no(self) -> None:
        np.testing.assert_array_equal(make_target(LABELS, "digit"), LABELS)
        yes = make_target(LABELS, 0)
        assert yes.dtype == bool and yes.sum() == (LABELS == 0).sum() > 0


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)  # scikit-learn's own fit of few epochs
class TestValidate:
    @pytest.mark.parametrize("model", [model for model in FAMILIES if model not in BY_EPOCHS])
    @digit_and_five
    def test_cross_validation_is_that_of_scikit_learn(self, model: str, target: int | str) -> None:
        fold = assign_folds(LABELS[:600], 450, "shuffled", 3, target, seed=42)
        source = np.flatnonzero(fold != TEST).astype(np.int32)
        X, y = IMAGES[source], make_target(LABELS[source], target)
        method = "predict_proba" if has_probability(new(model)) else "decision_function"
        with all_threads():
            expected = cross_val_predict(
                new(model), X, y, cv=StratifiedKFold(3), method=method, n_jobs=1
            )
        ours = validate(
            new(model),
            TrainingSet(X, y, source, len(X)),
            fold,
            "cross_validation",
            options_of(model),
        )
        np.testing.assert_array_equal(
            ours.scores, expected[:, 1] if expected.shape[1:] == (2,) else expected
        )
        np.testing.assert_array_equal(ours.rows, source)
        np.testing.assert_array_equal(ours.labels, y)
        np.testing.assert_array_equal(
            ours.predicted, decide(ours.scores, has_probability(new(model)))
        )
        assert (
            ours.rows.dtype == np.int64
            and ours.scores.dtype == np.float64
            and ours.predicted.dtype == ours.labels.dtype
        )

    @every_model
    @digit_and_five
    def test_holdout_is_the_last_fold(self, model: str, target: int | str) -> None:
        fold = assign_folds(LABELS[:600], 450, "canonical", 6, target, seed=42)
        X, y = IMAGES[:450], make_target(LABELS[:450], target)
        learn, held_out = list(StratifiedKFold(6).split(X, y))[-1]
        with all_threads():
            # By epochs the order in which the images come would be another in scikit-learn's own `fit`.
            fitted = (
                learned(model, X[learn], y[learn])
                if model in BY_EPOCHS
                else new(model).fit(X[learn], y[learn])
            )
            scores = (
                fitted.predict_proba(X[held_out])
                if has_probability(fitted)
                else fitted.decision_function(X[held_out])
            )
        ours = validate(new(model), images(X, y), fold, "holdout", options_of(model))
        np.testing.assert_array_equal(ours.rows, held_out)
        np.testing.assert_array_equal(ours.labels, y[held_out])
        np.testing.assert_array_equal(
            ours.scores, scores[:, 1] if scores.shape[1:] == (2,) else scores
        )

    @pytest.mark.parametrize("model", ["knn", "softmax"])
    def test_pipeline_given_stays_unfitted(self, model: str) -> None:
        fold = assign_folds(LABELS[:300], 200, "canonical", 2, "digit", seed=42)
        pipeline = new(model)
        validate(pipeline, images(IMAGES[:200], LABELS[:200]), fold, "holdout", options_of(model))
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
        self,
        witness: Any,
        scheme: Literal["holdout", "cross_validation"],
        strategy: str,
        n_copies: int,
        target: int | str,
    ) -> None:
        fold = assign_folds(LABELS, N_TRAIN, strategy, 3, target, seed=1)
        train = np.flatnonzero(fold != TEST).astype(np.int32)
        source = np.tile(train, 1 + n_copies)
        number = np.repeat(np.arange(1 + n_copies), len(train))
        y = make_target(LABELS[source], target)
        data = TrainingSet(np.column_stack([source, number]), y, source, len(train))
        seen = validate(Pipeline([("model", witness())]), data, fold, scheme)

        numbers = [2] if scheme == "holdout" else [0, 1, 2]
        assert len(witness.fitted) == len(witness.asked) == len(numbers)
        for held_out, seen_by_fit, asked in zip(
            numbers, witness.fitted, witness.asked, strict=True
        ):
            in_fold = set(np.flatnonzero(fold == held_out))
            assert set(asked[:, 0]) == in_fold and len(asked) == len(in_fold)
            assert not asked[:, 1].any()
            assert set(seen_by_fit[:, 0]) == set(train) - in_fold
            assert len(seen_by_fit) == (len(train) - len(in_fold)) * (1 + n_copies)
        np.testing.assert_array_equal(seen.rows, np.flatnonzero(np.isin(fold, numbers)))
        np.testing.assert_array_equal(
            seen.scores,
            np.repeat(seen.rows[:, None], 10, axis=1) if target == "digit" else seen.rows,
        )
        np.testing.assert_array_equal(seen.labels, make_target(LABELS[seen.rows], target))


def accuracy(
    model: str,
    y: NDArray,
    options: FitOptions,
    source: NDArray[np.int32] | None = None,
    **settings: Any,
) -> float:
    """On 300 held-out of 900 images, with two turned copies of each to learn from."""
    pictures = IMAGES[:900].reshape(-1, 8, 8)
    X = np.concatenate(
        [pictures, affine(pictures, rotation(4)), affine(pictures, rotation(-4))]
    ).reshape(-1, 64)
    of = np.tile(np.arange(900, dtype=np.int32), 3)
    fold = np.full(1000, TEST, np.int8)
    fold[:900] = np.arange(900) % 3
    seen = validate(
        new(model, **settings),
        TrainingSet(X, y[of], of if source is None else source, 900),
        fold,
        "holdout",
        options,
    )
    np.testing.assert_array_equal(
        seen.predicted, decide(seen.scores, has_probability(new(model, **settings)))
    )
    return float(np.mean(seen.predicted == seen.labels))


CHANCE = binom.interval(0.9999, 300, 0.1)[0] / 300, binom.interval(0.9999, 300, 0.1)[1] / 300
SHUFFLED = np.random.default_rng(0).permutation(LABELS[:900])


class TestLeaks:
    @pytest.mark.parametrize(
        ("model", "options"),
        [
            *((model, options_of(model)) for model in FAMILIES),
            ("svm", FitOptions("support_vectors")),
        ],
        ids=lambda value: value if isinstance(value, str) else value.copies,
    )
    def test_a_model_learns_from_labels_and_only_from_them(
        self, model: str, options: FitOptions
    ) -> None:
        """Held-out accuracy is high, and with shuffled labels that of guessing one of ten."""
        assert accuracy(model, LABELS[:900], options) > 0.8
        assert CHANCE[0] <= accuracy(model, SHUFFLED, options) <= CHANCE[1]

    @pytest.mark.parametrize(
        ("model", "options"),
        [
            ("knn", FitOptions()),
            ("softmax", options_of("softmax")),
            ("svm", FitOptions("support_vectors")),
        ],
        ids=["knn", "softmax", "svm"],
    )
    def test_so_does_a_committee(self, model: str, options: FitOptions) -> None:
        members = ["pixels", "deskewed"]
        assert accuracy(model, LABELS[:900], options, features=members) > 0.8
        assert CHANCE[0] <= accuracy(model, SHUFFLED, options, features=members) <= CHANCE[1]

    @pytest.mark.parametrize("model", ["svm", "knn", "forest", "stacking"])
    def test_a_leak_would_be_seen(self, model: str) -> None:
        """Were a copy taken for another image's, its own would be held out while it is learned from."""
        leaking = np.concatenate([np.arange(900), *[(np.arange(900) + 1) % 900] * 2]).astype(
            np.int32
        )
        assert accuracy(model, SHUFFLED, options_of(model), leaking) > 2 * CHANCE[1]


class TestScores:
    @every_model
    @digit_and_five
    def test_decisions_are_the_predictions(self, model: str, target: int | str) -> None:
        fitted = learned(model, IMAGES[:400], make_target(LABELS[:400], target))
        decided = decide(decision_scores(fitted, IMAGES[400:], "test"), has_probability(fitted))
        expected = fitted.predict(IMAGES[400:])
        np.testing.assert_array_equal(decided, expected)
        assert decided.dtype == expected.dtype

    @pytest.mark.parametrize("weights", ["uniform", "distance"])
    @pytest.mark.parametrize("k", [1, 2, 4])
    @every_target
    def test_undecided_neighbours_are_decided_as_scikit_learn_does(
        self, weights: str, k: int, target: int | str
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
        self, loss: str, epochs: int | None, target: int | str
    ) -> None:
        """Whether scores are probabilities is known before the fit, and is the same after it."""
        fitted = learned(
            "sgd", IMAGES[:700], make_target(LABELS[:700], target), loss=loss, epochs=epochs
        )
        assert (
            has_probability(new("sgd", loss=loss))
            == has_probability(fitted)
            == (loss == "log_loss")
        )
        scores = decision_scores(fitted, IMAGES[700:], "test")
        assert (scores.min() >= 0 and scores.max() <= 1) == (loss == "log_loss")
        # Several probabilities that round to 1 are a draw, where `predict` still knows the largest decision value.
        clear = (
            np.sum(scores == scores.max(axis=-1, keepdims=True), axis=-1) == 1
            if target == "digit"
            else np.full(1097, True)
        )
        assert clear.mean() > 0.95
        decided = decide(scores, has_probability(fitted))
        np.testing.assert_array_equal(decided[clear], fitted.predict(IMAGES[700:])[clear])

    @every_model
    def test_larger_means_yes(self, model: str) -> None:
        fitted = learned(model, IMAGES[:400], LABELS[:400] == 5)
        scores = decision_scores(fitted, IMAGES[400:], "test")
        assert scores.shape == (len(IMAGES) - 400,)
        yes = LABELS[400:] == 5
        assert scores[yes].mean() > scores[~yes].mean()

    @every_model
    @digit_and_five
    def test_scores_do_not_depend_on_the_batches(
        self, monkeypatch: pytest.MonkeyPatch, model: str, target: int | str
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
        self, scores: list[float], probability: bool, decided: list[bool]
    ) -> None:
        np.testing.assert_array_equal(decide(np.array(scores, float), probability), decided)
