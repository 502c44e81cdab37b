"""Probabilities against scikit-learn and plain loops."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from digits.metrics.calibration import (
    Calibration,
    calibration_bins,
    calibration_error,
    fit_calibration,
    probabilities,
)


def answers(n: int = 3000) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities, and whether the answers were right, a little less often than that."""
    rng = np.random.default_rng(0)
    probability = rng.beta(5, 2, n)
    return probability, rng.random(n) < probability**1.4


def ten_classes(true_slope: float, n: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores, and labels drawn from the softmax of `true_slope` times them."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(n, 10))
    chance = softmax(true_slope * scores, axis=1).cumsum(axis=1)
    return scores, (rng.random((n, 1)) > chance).sum(axis=1).clip(0, 9)


@pytest.mark.parametrize("bins", [1, 5, 10, 15])
def test_bins_are_those_of_scikit_learn(bins: int) -> None:
    probability, correct = answers()
    mean, accuracy, n = calibration_bins(probability, correct, bins).T
    expected_accuracy, expected_mean = calibration_curve(correct, probability, n_bins=bins)
    np.testing.assert_allclose(accuracy, expected_accuracy)
    np.testing.assert_allclose(mean, expected_mean)
    assert n.sum() == len(correct) and n.min() > 0


def test_edges_belong_to_the_bin_below() -> None:
    table = calibration_bins(
        np.array([0.0, 0.5, 0.75, 1.0]), np.array([False, True, True, False]), 2
    )
    np.testing.assert_allclose(table, [[0.25, 0.5, 2], [0.875, 0.5, 2]])


def test_error_is_the_mean_distance_of_the_bins() -> None:
    probability, correct = answers(500)
    expected = 0.0
    for k in range(15):
        inside = (probability > k / 15) & (probability <= (k + 1) / 15)
        if inside.any():
            expected += (
                inside.sum() / 500 * abs(correct[inside].mean() - probability[inside].mean())
            )
    assert calibration_error(probability, correct) == pytest.approx(expected, abs=1e-12)
    assert expected > 0.02


def test_error_of_honest_and_of_boastful_answers() -> None:
    assert calibration_error(
        np.full(4, 0.75), np.array([True, True, True, False])
    ) == pytest.approx(0)
    assert calibration_error(np.ones(4), np.array([True, False, False, False])) == pytest.approx(
        0.75
    )


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e5])
@pytest.mark.parametrize("true_slope", [0.2, 3.0])
def test_temperature_is_the_best_of_a_grid(true_slope: float, unit: float) -> None:
    scores, y = ten_classes(true_slope)
    found = fit_calibration(scores * unit, y)
    grid = np.geomspace(true_slope / 1.25, true_slope * 1.25, 121)
    best = grid[
        np.argmin(
            [log_loss(y, softmax(slope * scores, axis=1), labels=range(10)) for slope in grid]
        )
    ]
    assert found.offset == 0
    assert found.slope * unit == pytest.approx(best, rel=0.005)
    assert found.slope * unit == pytest.approx(true_slope, rel=0.2)


def test_platt_is_logistic_regression_of_his_targets() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(-40, 30, 900)
    yes = rng.random(900) < 1 / (1 + np.exp(-(0.1 * scores + 2)))
    found = fit_calibration(scores, yes)
    # An image with a target t between 0 and 1 is a yes with weight t and a no with weight 1 - t.
    positives = yes.sum()
    target = np.where(yes, (positives + 1) / (positives + 2), 1 / (900 - positives + 2))
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    oracle.fit(
        np.tile(scores, 2)[:, None],
        np.repeat([True, False], 900),
        np.concatenate([target, 1 - target]),
    )
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert found.offset == pytest.approx(oracle.intercept_[0], rel=1e-4)
    np.testing.assert_allclose(
        probabilities(scores, found), oracle.predict_proba(scores[:, None])[:, 1], atol=1e-4
    )


def test_scores_that_separate_have_a_finite_calibration() -> None:
    scores = np.array([-3.0, -2, -1, 1, 2, 3])
    found = fit_calibration(scores, scores > 0)
    assert 0 < found.slope < 100
    both = np.column_stack([-scores, scores])
    assert np.isfinite(fit_calibration(both, (scores > 0).astype(int)).slope)


def test_huge_scores_are_safe_and_rows_add_up_to_one() -> None:
    scores = np.array([[1e6, -1e6, 0], [5, 5, 5]])
    answer = probabilities(scores, Calibration(1.0, 0.0))
    np.testing.assert_allclose(answer, np.array([[1.0, 0, 0], [1 / 3, 1 / 3, 1 / 3]]))
    np.testing.assert_allclose(
        probabilities(np.array([-1e6, 0.5, 1e6]), Calibration(2.0, -1.0)), [0, 0.5, 1]
    )
    assert np.isfinite(fit_calibration(scores, np.array([1, 0])).slope)


def test_scores_all_the_same_say_how_common_a_yes_is() -> None:
    found = fit_calibration(np.zeros(300), np.arange(300) < 100)
    np.testing.assert_allclose(probabilities(np.zeros(1), found), 1 / 3, atol=0.002)


def test_answers_do_not_change() -> None:
    scores, y = ten_classes(1.5)
    calibrated = probabilities(scores, fit_calibration(scores, y))
    np.testing.assert_array_equal(calibrated.argmax(axis=1), scores.argmax(axis=1))
    assert calibration_error(calibrated.max(axis=1), calibrated.argmax(axis=1) == y) < 0.03
