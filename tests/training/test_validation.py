"""Validation against scikit-learn's own cross-validation, and what each fit may learn from."""

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline

from digits.common.resources import all_threads
from digits.data.folds import TEST, assign_folds, make_target
from digits.data.loaders import digits_8x8
from digits.data.transforms import affine, rotation
from digits.metrics.predictions import decide, has_probability
from digits.models.families import FAMILIES, n_epochs
from digits.training.fit import TrainingSet
from digits.training.options import FitOptions
from digits.training.validation import validate
from tests.small import IMAGES, LABELS, SETTINGS, images, learned, new, options_of
from tests.witness import Witness

N_TRAIN = digits_8x8().n_train
TARGETS: list[int | str] = ["digit", 5, 0]

every_target = pytest.mark.parametrize("target", TARGETS)
digit_and_five = pytest.mark.parametrize("target", ["digit", 5])
every_model = pytest.mark.parametrize("model", FAMILIES)
BY_EPOCHS_AS_GIVEN = {model for model in FAMILIES if n_epochs(model, SETTINGS[model])}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for so few images; two would wait for each other on a busy machine."""
    monkeypatch.setenv("DIGITS_THREADS", "1")


# Few epochs of scikit-learn's own fit warn.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestValidate:
    @pytest.mark.parametrize(
        "model", [model for model in FAMILIES if model not in BY_EPOCHS_AS_GIVEN]
    )
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
        data = TrainingSet(X, y, source, len(X))
        ours = validate(new(model), data, fold, "cross_validation", options_of(model))
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
            if (
                model in BY_EPOCHS_AS_GIVEN
            ):  # scikit-learn's own `fit` takes the images in another order
                fitted = learned(model, X[learn], y[learn])
            else:
                fitted = new(model).fit(X[learn], y[learn])
            if has_probability(fitted):
                scores = fitted.predict_proba(X[held_out])
            else:
                scores = fitted.decision_function(X[held_out])
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
        predictions = validate(Pipeline([("model", witness())]), data, fold, scheme)

        numbers = [2] if scheme == "holdout" else [0, 1, 2]
        assert len(witness.fitted) == len(witness.asked) == len(numbers)
        for held_out, fitted, asked in zip(numbers, witness.fitted, witness.asked, strict=True):
            in_fold = set(np.flatnonzero(fold == held_out))
            assert set(asked[:, 0]) == in_fold and len(asked) == len(in_fold)
            assert not asked[:, 1].any()
            assert set(fitted[:, 0]) == set(train) - in_fold
            assert len(fitted) == (len(train) - len(in_fold)) * (1 + n_copies)
        rows = predictions.rows
        np.testing.assert_array_equal(rows, np.flatnonzero(np.isin(fold, numbers)))
        np.testing.assert_array_equal(
            predictions.scores, np.repeat(rows[:, None], 10, axis=1) if target == "digit" else rows
        )
        np.testing.assert_array_equal(predictions.labels, make_target(LABELS[rows], target))


def accuracy(
    model: str,
    y: NDArray,
    options: FitOptions,
    source: NDArray[np.int32] | None = None,
    **settings: Any,
) -> float:
    """On 300 held-out of 900 images, with two turned copies of each to learn from."""
    pictures = IMAGES[:900].reshape(-1, 8, 8)
    turned = [affine(pictures, rotation(degrees)) for degrees in (4, -4)]
    X = np.concatenate([pictures, *turned]).reshape(-1, 64)
    original = np.tile(np.arange(900, dtype=np.int32), 3)
    data = TrainingSet(X, y[original], original if source is None else source, 900)
    fold = np.full(1000, TEST, np.int8)
    fold[:900] = np.arange(900) % 3
    pipeline = new(model, **settings)
    predictions = validate(pipeline, data, fold, "holdout", options)
    np.testing.assert_array_equal(
        predictions.predicted, decide(predictions.scores, has_probability(pipeline))
    )
    return float(np.mean(predictions.predicted == predictions.labels))


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
        """A copy taken for another image's would be learned from while its own is held out."""
        wrong = (np.arange(900) + 1) % 900
        leaking = np.concatenate([np.arange(900), wrong, wrong]).astype(np.int32)
        assert accuracy(model, SHUFFLED, options_of(model), leaking) > 2 * CHANCE[1]
