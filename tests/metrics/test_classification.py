"""Every metric against scikit-learn's own function, every choice against a search through all there is."""

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    roc_auc_score,
)

from digits.metrics.classification import by_class, fold_accuracies, metrics, rounded
from digits.metrics.curves import RECALL_LEVELS, at_threshold, operating_point, precision_by_recall
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions, decide

steady = settings(derandomize=True, deadline=None)


def ten_digits(n: int = 500, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Labels, and probabilities that are right in about two of three."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, n).astype(np.uint8)
    scores = rng.dirichlet(np.full(10, 0.3), n) + 0.4 * np.eye(10)[y]
    return y, scores / scores.sum(axis=1, keepdims=True)


def yes_or_no(
    n: int = 500, seed: int = 0, decimals: int = 2
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Answers, and probabilities with many draws."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.1
    return y, np.clip(rng.normal(0.3 + 0.4 * y, 0.2), 0, 1).round(decimals)


def answered(y: NDArray, scores: NDArray[np.float64], probability: bool = True) -> Predictions:
    """What a model with these scores says."""
    return Predictions(np.arange(len(y), dtype=np.int64), y, decide(scores, probability), scores)


def without_intervals(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not name.endswith(("_low", "_high"))}


def intervals_of(values: dict[str, float]) -> dict[str, tuple[float, float, float]]:
    """Low end, value and high end of every metric; none may be without its ends, and no ends without their metric."""
    named = without_intervals(
        {name: value for name, value in values.items() if name not in ("n", "errors")}
    )
    found = {
        name: (values[f"{name}_low"], value, values[f"{name}_high"])
        for name, value in named.items()
    }
    assert len(values) - len({"n", "errors"} & set(values)) == 3 * len(found)
    return found


def wilson(hits: int, n: int, z: float) -> tuple[float, float]:
    """The closed form of Wilson (1927)."""
    p = hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


# A yes/no test is a set of images: whether each is a yes, and its score.
answers = st.lists(st.tuples(st.booleans(), st.integers(-8, 8)), min_size=2, max_size=30).filter(
    lambda rows: any(yes for yes, _ in rows)
)


def arrays_of(rows: list[tuple[bool, int]]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.array([yes for yes, _ in rows]), np.array([score / 8 for _, score in rows])


def precision_and_recall(
    y: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float
) -> tuple[Fraction, Fraction]:
    found = scores >= threshold
    hits = int((found & y).sum())
    return Fraction(hits, int(found.sum())), Fraction(hits, int(y.sum()))


class TestMetrics:
    @pytest.mark.parametrize("seed", range(3))
    def test_of_digits_are_those_of_scikit_learn(self, seed: int) -> None:
        y, scores = ten_digits(seed=seed)
        predicted = scores.argmax(axis=1)
        accuracy = accuracy_score(y, predicted)
        low, high = wilson(int((y == predicted).sum()), len(y), z=1.959963984540054)
        expected = {
            "n": 500, "errors": round((1 - accuracy) * 500), "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high,
        }  # fmt: skip
        for name, score in (
            ("precision", precision_score),
            ("recall", recall_score),
            ("f1", f1_score),
        ):
            expected[f"macro_{name}"] = score(y, predicted, average="macro")
            expected |= {
                f"{name}_{digit}": score(y == digit, predicted == digit) for digit in range(10)
            }
        values = metrics(answered(y, scores))
        ends = {"accuracy_low": low, "accuracy_high": high}
        assert without_intervals(values) | ends == pytest.approx(expected, rel=0, abs=1e-9)
        assert {name: values[name] for name in ends} == pytest.approx(ends, rel=0, abs=1e-9)

    @pytest.mark.parametrize("probability", [True, False])
    @pytest.mark.parametrize("seed", range(3))
    def test_of_yes_and_no_are_those_of_scikit_learn(self, seed: int, probability: bool) -> None:
        y, scores = yes_or_no(seed=seed)
        if not probability:
            scores = scores - 0.6
        predicted = scores > (0.5 if probability else 0)
        accuracy = accuracy_score(y, predicted)
        low, high = wilson(int((y == predicted).sum()), len(y), z=1.959963984540054)
        expected = {
            "n": 500, "errors": round((1 - accuracy) * 500), "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high,
            "precision": precision_score(y, predicted), "recall": recall_score(y, predicted), "f1": f1_score(y, predicted),
            "roc_auc": roc_auc_score(y, scores), "average_precision": average_precision_score(y, scores),
        }  # fmt: skip
        values = metrics(answered(y, scores, probability))
        ends = {"accuracy_low": low, "accuracy_high": high}
        assert without_intervals(values) | ends == pytest.approx(expected, rel=0, abs=1e-9)
        assert {name: values[name] for name in ends} == pytest.approx(ends, rel=0, abs=1e-9)

    @pytest.mark.parametrize("data", [ten_digits(), yes_or_no()], ids=["digits", "yes or no"])
    def test_are_few_plain_numbers(self, data: tuple[NDArray, NDArray[np.float64]]) -> None:
        values = metrics(answered(*data))
        assert json.loads(json.dumps(values)) == values
        assert {type(value) for value in values.values()} == {int, float}
        assert len(without_intervals(values)) <= 45 and len(values) <= 110
        assert isinstance(values["n"], int) and isinstance(values["errors"], int)

    def test_have_the_confidence_asked_for(self) -> None:
        y, scores = ten_digits()
        widths = [
            [high - low for low, _, high in intervals_of(values).values()]
            for values in (metrics(answered(y, scores), level) for level in (0.5, 0.9, 0.95, 0.99))
        ]
        assert all(
            list(of_one) == sorted(of_one) and len(set(of_one)) == 4
            for of_one in zip(*widths, strict=True)
        )

    def test_a_digit_never_predicted_or_never_there_has_zeros(self) -> None:
        """And says so without a warning."""
        y = np.array([0, 0, 1, 1, 2], np.uint8)
        values = metrics(answered(y, np.eye(10)[[0, 0, 0, 0, 3]]))
        for digit in range(1, 10):
            assert (
                values[f"precision_{digit}"]
                == values[f"recall_{digit}"]
                == values[f"f1_{digit}"]
                == 0
            )
        assert (
            values["recall_0"] == 1
            and values["precision_0"] == 0.5
            and values["macro_recall"] == 0.1
        )

    def test_no_yes_at_all_is_precision_zero(self) -> None:
        values = metrics(answered(np.array([True, False]), np.array([0.2, 0.1])))
        assert values["precision"] == values["recall"] == values["f1"] == 0
        assert values["roc_auc"] == 1

    @pytest.mark.parametrize("yes", [True, False])
    def test_are_numbers_when_all_answers_are_the_same(self, yes: bool) -> None:
        """A small test set of one's own may hold no image of the digit asked for."""
        values = metrics(answered(np.full(4, yes), np.array([0.1, 0.2, 0.6, 0.9])))
        assert all(math.isfinite(value) for value in values.values())
        assert values["accuracy"] == 0.5

    def test_of_digits_that_are_not_there_are_zero_and_nothing_is_known_of_them(self) -> None:
        y = np.array([0, 0, 0, 1, 1, 1], np.uint8)
        values = metrics(answered(y, np.eye(10)[[0, 0, 0, 1, 1, 3]]))
        for name in ("precision_2", "recall_2", "recall_3", "f1_2"):
            assert (values[f"{name}_low"], values[name], values[f"{name}_high"]) == (0, 0, 1)
        with pytest.warns(UserWarning, match="ill-defined"):
            expected = precision_recall_fscore_support(
                y, [0, 0, 0, 1, 1, 3], labels=range(10), average="macro"
            )[:3]
        assert [values[f"macro_{name}"] for name in ("precision", "recall", "f1")] == pytest.approx(
            expected, abs=1e-9
        )

    @pytest.mark.parametrize("images_of_each", [1, 2, 20])
    def test_a_resample_without_a_digit_is_no_mistake(self, images_of_each: int) -> None:
        """Of a few images each, one resample in three misses some digit; a model without errors must not look worse for it."""
        y = np.repeat(np.arange(10), images_of_each).astype(np.uint8)
        values = metrics(answered(y, np.eye(10)[y]))
        assert all(values[f"macro_{name}_low"] == 1 for name in ("precision", "recall", "f1"))
        assert all(values[f"f1_{digit}_low"] == 1 for digit in range(10))

    @pytest.mark.parametrize("n", [40, 500, 3000])
    @pytest.mark.parametrize("seed", range(3))
    def test_lie_within_their_intervals(self, n: int, seed: int) -> None:
        for said in (answered(*ten_digits(n, seed)), answered(*yes_or_no(n, seed))):
            for name, (low, value, high) in intervals_of(metrics(said)).items():
                assert 0 <= low <= value <= high <= 1, name

    def test_proportions_have_the_intervals_of_wilson(self) -> None:
        y, scores = ten_digits()
        predicted, values = scores.argmax(axis=1), metrics(answered(y, scores), 0.9)
        for digit in range(10):
            hits = int(((y == digit) & (predicted == digit)).sum())
            for name, of in (("precision", predicted), ("recall", y)):
                found = (values[f"{name}_{digit}_low"], values[f"{name}_{digit}_high"])
                assert found == pytest.approx(
                    wilson(hits, int((of == digit).sum()), 1.6448536269514722), abs=1e-9
                )

    @pytest.mark.parametrize("data", [ten_digits(), yes_or_no()], ids=["digits", "yes or no"])
    def test_are_the_same_each_time(self, data: tuple[NDArray, NDArray[np.float64]]) -> None:
        assert metrics(answered(*data)) == metrics(answered(*data))


@pytest.mark.parametrize("undefined", [0.0, np.nan])
def test_by_class_is_that_of_scikit_learn_for_each_table(undefined: float) -> None:
    rng = np.random.default_rng(0)
    tables = (
        rng.integers(0, 3, (50, 4, 4))
        * rng.integers(0, 2, (50, 4, 1))
        * rng.integers(0, 2, (50, 1, 4))
    )
    tables[:, 0, 0] += 1
    truth, said = (each.ravel() for each in np.mgrid[:4, :4])
    ours = by_class(tables, undefined)
    for number, table in enumerate(tables):
        theirs = precision_recall_fscore_support(
            truth,
            said,
            labels=range(4),
            sample_weight=table.ravel(),
            average=None,
            zero_division=undefined,
        )
        for name, expected in zip(("precision", "recall", "f1"), theirs, strict=False):
            np.testing.assert_allclose(ours[name][number], expected, atol=1e-12, err_msg=name)


class TestInterval:
    def test_is_the_published_one(self) -> None:
        """2.95 % errors of MNIST's 10,000 test images."""
        assert [round(end, 4) for end in wilson_interval(9705, 10_000, 0.95)] == [0.9670, 0.9736]

    @pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (1, 10_000)])
    def test_stays_within_0_and_1(self, hits: int, n: int) -> None:
        low, high = wilson_interval(hits, n, 0.95)
        assert 0 <= low <= hits / n <= high <= 1


class TestOperatingPoint:
    @steady
    @given(answers, st.sampled_from([Fraction(k, 20) for k in range(1, 21)]))
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

    @steady
    @given(answers, st.integers(-9, 9))
    def test_precision_and_recall_at_a_threshold_are_those_of_scikit_learn(
        self, rows: list[tuple[bool, int]], at: int
    ) -> None:
        y, scores = arrays_of(rows)
        found = scores >= at / 8
        values = at_threshold(y, scores, at / 8, prefix="validation_")
        assert without_intervals(values) == pytest.approx(
            {
                "validation_precision_at_threshold": precision_score(y, found, zero_division=0),
                "validation_recall_at_threshold": recall_score(y, found, zero_division=0),
            }
        )
        assert all(low <= value <= high for low, value, high in intervals_of(values).values())

    def test_precision_and_recall_at_a_threshold_have_the_intervals_of_wilson(self) -> None:
        y, scores = yes_or_no()
        hits, found = int((y & (scores >= 0.5)).sum()), int((scores >= 0.5).sum())
        values = at_threshold(y, scores, 0.5, confidence=0.99)
        for name, n in (("precision", found), ("recall", int(y.sum()))):
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


def best_precision(y: NDArray[np.bool_], scores: NDArray[np.float64]) -> list[float]:
    """By trying every threshold, and the one that finds nothing and is never wrong, for every level, without rounding."""
    points = [
        (Fraction(1), Fraction(0)),
        *(precision_and_recall(y, scores, t) for t in np.unique(scores)),
    ]
    return [
        float(max(p for p, recall in points if recall >= Fraction(level, 50)))
        for level in range(51)
    ]


class TestPrecisionByRecall:
    @steady
    @given(answers)
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


class TestFolds:
    def test_accuracies_are_those_of_each_fold(self) -> None:
        y, scores = ten_digits()
        fold = np.random.default_rng(1).integers(1, 4, len(y)).astype(np.int8)
        expected = {
            f"fold_{k}": accuracy_score(y[fold == k], scores[fold == k].argmax(axis=1))
            for k in (1, 2, 3)
        }
        values = fold_accuracies(answered(y, scores), fold)
        assert without_intervals(values) == pytest.approx(expected, abs=1e-9)
        for k in (1, 2, 3):
            ends = values[f"fold_{k}_low"], values[f"fold_{k}_high"]
            n = int((fold == k).sum())
            assert ends == pytest.approx(
                wilson(round(expected[f"fold_{k}"] * n), n, 1.959963984540054), abs=1e-9
            )
        assert json.loads(json.dumps(values)) == values

    def test_accuracies_of_yes_and_no_use_the_right_threshold(self) -> None:
        y, fold = np.array([True, True, False, False]), np.array([0, 0, 1, 1], np.int8)
        scores = np.array([0.6, 0.3, 0.4, -0.1])
        assert without_intervals(fold_accuracies(answered(y, scores, True), fold)) == {
            "fold_0": 0.5,
            "fold_1": 1.0,
        }
        assert without_intervals(fold_accuracies(answered(y, scores, False), fold)) == {
            "fold_0": 1.0,
            "fold_1": 0.5,
        }


def test_rounding_gives_plain_numbers_of_ten_decimals() -> None:
    mixed: dict[str, Any] = {
        "a": np.float64(1 / 3),
        "b": np.float32(0.5),
        "c": np.int64(3),
        "d": 7,
        "e": 2.0,
    }
    values = rounded(mixed)
    assert values == {"a": 0.3333333333, "b": 0.5, "c": 3, "d": 7, "e": 2.0}
    assert [type(value) for value in values.values()] == [float, float, int, int, float]
