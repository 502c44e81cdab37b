"""Which figures an evaluation has, and how certain a model is of its predictions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax

from digits.metrics.calibration import fit_calibration
from digits.metrics.predictions import Predictions, decide
from digits.metrics.robustness import Point
from digits.plots.error_analysis import Evaluation, certainties, error_rates_of, figures
from tests.figures import DIGITS, YES_NO, error_bars, numbered_images, tick_labels
from tests.scored import ten_digits, wilson, yes_or_no

ALWAYS = {"confusion", "errors", "confident_mistakes", "confused_pair", "by_digit"}
NO_POINTS: dict[str, list[Point]] = {"shift": [], "rotation": []}


def evaluation(
    y: NDArray, scores: NDArray[np.float64], probability: bool, **changed: Any
) -> Evaluation:
    """Of a model with these scores, without a validation."""
    predictions = Predictions(np.arange(len(y)), y, decide(scores, probability), scores)
    names = YES_NO if scores.ndim == 1 else DIGITS
    plain = Evaluation(
        numbered_images(len(y)), predictions, {"test": (y, scores)}, names, probability, None,
        NO_POINTS, [], 0.95,
    )  # fmt: skip
    return replace(plain, **changed)


def with_validation(plain: Evaluation) -> Evaluation:
    y, scores = plain.scored["test"]
    return replace(plain, scored={"validation": (y[::2], scores[::2])} | plain.scored)


def test_figures_are_those_that_apply() -> None:
    digits, yes_no = evaluation(*ten_digits(), True), evaluation(*yes_or_no(), False)
    assert set(figures(digits)) == ALWAYS | {"reliability"}
    assert set(figures(replace(digits, has_probability=False))) == ALWAYS
    assert set(figures(yes_no)) == ALWAYS | {"thresholds", "roc"}
    both = ALWAYS | {"thresholds", "roc", "reliability"}
    assert set(figures(with_validation(yes_no))) == both
    points = {"shift": [Point(0, 0.9, 0.8, 1.0)], "rotation": [Point(0, 0.9, 0.8, 1.0)]}
    row = {"train_size": 100, "n": 50, "accuracy": 0.9, "low": 0.8, "high": 1.0}
    more = replace(digits, robustness=points, learning_curve=[row])
    assert set(figures(more)) == ALWAYS | {"reliability", "robustness", "learning_curve"}


@pytest.mark.parametrize("yes", [True, False])
def test_images_of_one_kind_have_no_roc(yes: bool) -> None:
    """A small data set may hold no image of the digit, or nothing else."""
    same = evaluation(np.full(30, yes), np.linspace(-1, 1, 30), False)
    assert set(figures(same)) == ALWAYS | ({"thresholds"} if yes else set())


def test_a_probability_of_its_own_is_the_certainty() -> None:
    y, scores = ten_digits()
    certainty, is_probability = certainties(evaluation(y, scores, True))
    np.testing.assert_array_equal(certainty, scores.max(axis=1))
    assert is_probability
    is_yes, scores = yes_or_no()
    certainty, is_probability = certainties(evaluation(is_yes, scores, True))
    np.testing.assert_array_equal(certainty, np.where(scores > 0.5, scores, 1 - scores))
    assert is_probability


def test_scores_are_calibrated_on_validation() -> None:
    y, scores = ten_digits()
    certainty, is_probability = certainties(with_validation(evaluation(y, scores, False)))
    fitted = fit_calibration(scores[::2], y[::2])
    np.testing.assert_allclose(certainty, softmax(fitted.slope * scores, axis=1).max(axis=1))
    assert is_probability
    is_yes, scores = yes_or_no()
    certainty, is_probability = certainties(
        with_validation(evaluation(is_yes, scores - 0.5, False))
    )
    fitted = fit_calibration(scores[::2] - 0.5, is_yes[::2])
    yes = expit(fitted.slope * (scores - 0.5) + fitted.offset)
    np.testing.assert_allclose(certainty, np.where(scores > 0.5, yes, 1 - yes))
    assert is_probability


def test_without_validation_scores_are_the_certainty() -> None:
    y, scores = ten_digits()
    certainty, is_probability = certainties(evaluation(y, scores, False))
    np.testing.assert_array_equal(certainty, scores.max(axis=1))
    assert not is_probability
    is_yes, scores = yes_or_no()
    certainty, is_probability = certainties(evaluation(is_yes, scores - 0.5, False))
    np.testing.assert_array_equal(certainty, np.abs(scores - 0.5))
    assert not is_probability


def test_error_rates_are_of_the_digits_that_there_are() -> None:
    y, scores = ten_digits()
    kept = np.isin(y, [2, 3, 7])
    predictions = evaluation(y[kept], scores[kept], True).predictions
    (axes,) = error_rates_of(predictions, DIGITS, 0.95).axes
    points, ends = error_bars(axes)
    labels = tick_labels(axes)[1]
    for place, digit in enumerate((2, 3, 7)):
        of_digit = y[kept] == digit
        n, errors = int(of_digit.sum()), int((~predictions.correct[of_digit]).sum())
        assert labels[place] == f"{digit}\n{n}"
        np.testing.assert_allclose(points[place], [place, 100 * errors / n])
        np.testing.assert_allclose(ends[place] / 100, wilson(errors, n, 1.959963984540054))
