"""Tables of curves, row by row against scikit-learn's own curves and plain counts."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from digits.metrics.curves import (
    LEVELS,
    RECALL_LEVELS,
    Scored,
    Table,
    precision_recall_table,
    roc_curves,
    roc_table,
    threshold_curves,
    threshold_table,
)


def yes_or_no(n: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels, and scores of which many are equal."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.2
    return y, rng.normal(1.5 * y).round(1).clip(-3, 3)


def ten_digits(n: int = 300) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, n).astype(np.uint8)
    return y, rng.random((n, 10)) + 0.5 * np.eye(10)[y]


BOTH: Scored = {"validation": yes_or_no(900, 0), "test": yes_or_no(400, 1)}
ALONE: Scored = {"test": BOTH["test"]}
DIGITS: Scored = {"validation": ten_digits(), "test": ten_digits()}
columns_of_both = pytest.mark.parametrize(("column", "part"), [(1, "validation"), (2, "test")])


def column_of(rows: list[list[float | None]], column: int) -> list[float]:
    values = [row[column] for row in rows]
    assert all(type(value) is float for value in values)
    return [value for value in values if value is not None]


class TestCurves:
    def test_thresholds_have_the_precision_and_recall_of_scikit_learn(self) -> None:
        for part, (at, precision, recall) in threshold_curves(BOTH).items():
            y, scores = BOTH[part]
            np.testing.assert_array_equal(at, np.unique(scores))
            np.testing.assert_allclose(
                precision[:-1], [precision_score(y, scores >= t) for t in at], atol=1e-12
            )
            np.testing.assert_allclose(
                recall[:-1], [recall_score(y, scores >= t) for t in at], atol=1e-12
            )

    def test_roc_is_that_of_scikit_learn(self) -> None:
        found = roc_curves(BOTH)
        assert list(found) == ["validation", "test"]
        for part, (false, true, area) in found.items():
            expected = roc_curve(*BOTH[part])
            np.testing.assert_array_equal(false, expected[0])
            np.testing.assert_array_equal(true, expected[1])
            assert area == pytest.approx(np.trapezoid(true, false)) == roc_auc_score(*BOTH[part])

    @pytest.mark.parametrize("yes", [True, False])
    def test_there_is_no_roc_where_all_answers_are_the_same(self, yes: bool) -> None:
        same: Scored = {"validation": BOTH["validation"], "test": (np.full(3, yes), np.arange(3.0))}
        assert list(roc_curves(same)) == ["validation"]
        header, rows = roc_table(same)
        assert header == ["false_positive_rate", "validation", "test"] and {
            row[2] for row in rows
        } == {None}


class TestPrecisionRecallTable:
    @columns_of_both
    def test_is_the_best_precision_with_such_a_recall(self, column: int, part: str) -> None:
        header, rows = precision_recall_table(BOTH)
        precision, recall, _ = precision_recall_curve(*BOTH[part])
        assert header == ["recall", "validation", "test"]
        assert column_of(rows, 0) == pytest.approx(RECALL_LEVELS)
        expected = [max(precision[recall >= level - 1e-12]) for level in RECALL_LEVELS]
        assert column_of(rows, column) == pytest.approx(expected, abs=1e-6)

    def test_of_digits_is_the_mean_over_them(self) -> None:
        y, scores = DIGITS["test"]
        curves = [precision_recall_curve(y == digit, scores[:, digit]) for digit in range(10)]
        expected = [
            np.mean([max(p[r >= level - 1e-12]) for p, r, _ in curves]) for level in RECALL_LEVELS
        ]
        assert column_of(precision_recall_table(DIGITS)[1], 2) == pytest.approx(expected, abs=1e-6)


class TestRocTable:
    @columns_of_both
    def test_is_the_line_through_the_points_of_scikit_learn(self, column: int, part: str) -> None:
        header, rows = roc_table(BOTH)
        false, true, _ = roc_curve(*BOTH[part], drop_intermediate=False)
        assert header == ["false_positive_rate", "validation", "test"]
        assert column_of(rows, 0) == pytest.approx(LEVELS)
        for level, found in zip(LEVELS, column_of(rows, column), strict=True):
            # The highest point of those that stand above each other.
            left = np.flatnonzero(false <= level)[-1]
            right = min(left + 1, len(false) - 1)
            part_way = (level - false[left]) / (false[right] - false[left]) if right > left else 0
            assert found == pytest.approx(
                true[left] + part_way * (true[right] - true[left]), abs=1e-6
            )


class TestThresholdTable:
    @pytest.mark.parametrize(("scored", "first"), [(BOTH, "validation"), (ALONE, "test")])
    def test_has_the_precision_and_recall_of_each_threshold(
        self, scored: Scored, first: str
    ) -> None:
        header, rows = threshold_table(scored)
        names = [
            f"{part}_{name}" for part in ("validation", "test") for name in ("precision", "recall")
        ]
        assert header == ["threshold", *names]
        at = column_of(rows, 0)
        assert (
            at == sorted(set(at))
            and set(at) <= set(scored[first][1].tolist())
            and at[0] == scored[first][1].min()
        )
        # Each cuts off at most one more per cent than the one before, or all images of one score.
        ascending = np.sort(scored[first][1])
        assert len(at) == len({ascending[(len(ascending) - 1) * k // 100] for k in range(100)})
        for part, (y, scores) in scored.items():
            for number, score in enumerate((precision_score, recall_score)):
                expected = [score(y, scores >= level) for level in at]
                assert column_of(rows, header.index(f"{part}_precision") + number) == pytest.approx(
                    expected, abs=1e-6
                )

    def test_at_a_threshold_between_two_scores_counts_those_above(self) -> None:
        y, at = np.array([True, False, True, False]), np.array([0.1, 0.35, 0.6, 0.9])
        scored: Scored = {
            "validation": (y, at),
            "test": (np.array([False, True, True, False]), np.array([0.2, 0.3, 0.5, 0.95])),
        }
        _, rows = threshold_table(scored)
        assert [row[0] for row in rows] == [0.1, 0.35, 0.6]
        assert [row[3:] for row in rows] == [[0.5, 1.0], [0.5, 0.5], [0.0, 0.0]]

    def test_beyond_the_highest_score_of_the_test_images_none_is_a_yes(self) -> None:
        y = np.array([False, True, True])
        scored: Scored = {
            "validation": (y, np.array([1.0, 3.0, 4.0])),
            "test": (y, np.array([0.0, 1.0, 2.0])),
        }
        _, rows = threshold_table(scored)
        assert rows[-1] == [3.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("table", [roc_table, threshold_table])
def test_ten_digits_have_a_header_only(table: Callable[[Scored], Table]) -> None:
    header, rows = table(DIGITS)
    assert header == table(BOTH)[0] and rows == []


@pytest.mark.parametrize("table", [precision_recall_table, roc_table, threshold_table])
def test_without_validation_its_columns_are_empty(table: Callable[[Scored], Table]) -> None:
    header, rows = table(ALONE)
    assert header == table(BOTH)[0]
    for number, name in enumerate(header):
        assert {row[number] is None for row in rows} == {name.startswith("validation")}
