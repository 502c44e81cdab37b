"""Operating points and precision by recall against a search through all thresholds."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import precision_score, recall_score

from digits.metrics.curves import (
    RECALL_LEVELS,
    at_chosen_threshold,
    at_threshold,
    operating_point,
    precision_by_recall,
)
from tests.scored import (
    arrays_of,
    intervals_of,
    precision_and_recall,
    ten_digits,
    wilson,
    without_intervals,
    yes_no_images,
    yes_or_no,
)


class TestOperatingPoint:
    @given(yes_no_images, st.sampled_from([Fraction(k, 20) for k in range(1, 21)]))
    def test_is_the_lowest_threshold_that_is_precise_enough(
        self, rows: list[tuple[bool, int]], target: Fraction
    ) -> None:
        y, scores = arrays_of(rows)
        reached = [t for t in np.unique(scores) if precision_and_recall(y, scores, t)[0] >= target]
        assert operating_point(y, scores, float(target)) == (min(reached) if reached else None)

    def test_is_none_when_no_threshold_is_precise_enough(self) -> None:
        y, scores = np.array([False, True, False]), np.array([0.9, 0.5, 0.1])
        assert operating_point(y, scores, 0.9) is None
        assert operating_point(y, scores, 0.5) == 0.5

    @pytest.mark.parametrize("target", [0.3, 0.6, 0.9])
    def test_keeps_its_promise_on_the_scores_it_was_chosen_on(self, target: float) -> None:
        y, scores = yes_or_no()
        threshold = operating_point(y, scores, target)
        assert threshold is not None and type(threshold) is float
        assert at_threshold(y, scores, threshold)["precision_at_threshold"] >= target

    @given(yes_no_images, st.integers(-9, 9))
    def test_precision_and_recall_at_a_threshold_are_those_of_scikit_learn(
        self, rows: list[tuple[bool, int]], at: int
    ) -> None:
        y, scores = arrays_of(rows)
        predicted = scores >= at / 8
        values = at_threshold(y, scores, at / 8, prefix="validation_")
        assert without_intervals(values) == pytest.approx(
            {
                "validation_precision_at_threshold": precision_score(y, predicted, zero_division=0),
                "validation_recall_at_threshold": recall_score(y, predicted, zero_division=0),
            }
        )
        assert all(low <= value <= high for low, value, high in intervals_of(values).values())

    def test_precision_and_recall_at_a_threshold_have_the_intervals_of_wilson(self) -> None:
        y, scores = yes_or_no()
        hits, predicted = int((y & (scores >= 0.5)).sum()), int((scores >= 0.5).sum())
        values = at_threshold(y, scores, 0.5, confidence=0.99)
        for name, n in (("precision", predicted), ("recall", int(y.sum()))):
            ends = values[f"{name}_at_threshold_low"], values[f"{name}_at_threshold_high"]
            assert ends == pytest.approx(wilson(hits, n, 2.5758293035489004), abs=1e-9)

    def test_a_threshold_above_all_scores_finds_nothing(self) -> None:
        nothing = {"precision_at_threshold": 0.0, "recall_at_threshold": 0.0}
        values = at_threshold(np.array([True, False]), np.array([0.1, 0.2]), 0.3)
        assert without_intervals(values) == nothing
        assert (values["precision_at_threshold_low"], values["precision_at_threshold_high"]) == (
            0,
            1,
        )


class TestChosenThreshold:
    def test_is_chosen_on_validation_and_measured_on_both(self) -> None:
        scored = {"validation": yes_or_no(seed=0), "test": yes_or_no(seed=1)}
        threshold, values = at_chosen_threshold(scored, 0.6, 0.9)
        assert threshold is not None
        assert threshold == operating_point(*scored["validation"], 0.6)
        assert threshold != operating_point(*scored["test"], 0.6)
        of_test = at_threshold(*scored["test"], threshold, "", 0.9)
        of_validation = at_threshold(*scored["validation"], threshold, "validation_", 0.9)
        assert values == {"threshold": threshold} | of_test | of_validation

    def test_is_none_for_digits_without_validation_and_where_none_is_precise_enough(self) -> None:
        y, scores = np.array([False, True, False]), np.array([0.9, 0.5, 0.1])
        imprecise = {"validation": (y, scores), "test": (y, scores)}
        alone = {"test": yes_or_no()}
        digits = {"validation": ten_digits(), "test": ten_digits()}
        for scored in (imprecise, alone, digits):
            assert at_chosen_threshold(scored, 0.9, 0.95) == (None, {})


def best_precision(y: NDArray[np.bool_], scores: NDArray[np.float64]) -> list[float]:
    """By trying every threshold, and the one beyond all scores, without rounding."""
    points = [
        (Fraction(1), Fraction(0)),
        *(precision_and_recall(y, scores, t) for t in np.unique(scores)),
    ]
    return [
        float(max(p for p, recall in points if recall >= Fraction(level, 50)))
        for level in range(51)
    ]


class TestPrecisionByRecall:
    @given(yes_no_images)
    def test_is_the_best_of_all_thresholds(self, rows: list[tuple[bool, int]]) -> None:
        y, scores = arrays_of(rows)
        np.testing.assert_allclose(
            precision_by_recall(y, scores), best_precision(y, scores), rtol=0, atol=1e-12
        )

    @pytest.mark.parametrize("n_yes", [1, 3, 7, 10, 25, 50, 100, 150])
    def test_reaches_levels_that_are_hit_exactly(self, n_yes: int) -> None:
        """A recall of 7/50 is one of at least 0.14, whatever the last bit of 0.14 is."""
        rng = np.random.default_rng(n_yes)
        y = rng.permutation(np.arange(4 * n_yes) < n_yes)
        scores = rng.normal(y * 1.0)
        np.testing.assert_allclose(
            precision_by_recall(y, scores), best_precision(y, scores), rtol=0, atol=1e-12
        )

    def test_of_digits_is_the_mean_over_each_against_the_rest(self) -> None:
        y, scores = ten_digits()
        expected = np.mean(
            [best_precision(y == digit, scores[:, digit]) for digit in range(10)], axis=0
        )
        np.testing.assert_allclose(precision_by_recall(y, scores), expected, rtol=0, atol=1e-12)

    def test_has_a_value_for_each_level(self) -> None:
        np.testing.assert_allclose(RECALL_LEVELS, [level / 50 for level in range(51)])
        curve = precision_by_recall(*yes_or_no())
        assert curve.shape == (51,) and curve[0] == 1
        assert (np.diff(curve) <= 0).all()
