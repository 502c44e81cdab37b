"""Every metric against scikit-learn's own function, and its interval against the closed form."""

import json
import math
from typing import Any

import numpy as np
import pytest
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

from digits.metrics.classification import METRICS, by_class, fold_accuracies, metrics, rounded
from tests.scored import (
    intervals_of,
    predictions_of,
    ten_digits,
    wilson,
    without_intervals,
    yes_or_no,
)

Z_95, Z_90 = 1.959963984540054, 1.6448536269514722  # of the normal distribution


class TestMetrics:
    @pytest.mark.parametrize("seed", range(3))
    def test_of_digits_are_those_of_scikit_learn(self, seed: int) -> None:
        y, scores = ten_digits(seed=seed)
        predicted = scores.argmax(axis=1)
        accuracy = accuracy_score(y, predicted)
        low, high = wilson(int((y == predicted).sum()), len(y), z=Z_95)
        expected = {
            "n": 500, "errors": round((1 - accuracy) * 500),
            "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high,
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
        values = metrics(predictions_of(y, scores))
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
        low, high = wilson(int((y == predicted).sum()), len(y), z=Z_95)
        expected = {
            "n": 500, "errors": round((1 - accuracy) * 500),
            "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high,
            "precision": precision_score(y, predicted), "recall": recall_score(y, predicted),
            "f1": f1_score(y, predicted), "roc_auc": roc_auc_score(y, scores),
            "average_precision": average_precision_score(y, scores),
        }  # fmt: skip
        values = metrics(predictions_of(y, scores, probability))
        ends = {"accuracy_low": low, "accuracy_high": high}
        assert without_intervals(values) | ends == pytest.approx(expected, rel=0, abs=1e-9)
        assert {name: values[name] for name in ends} == pytest.approx(ends, rel=0, abs=1e-9)

    def test_are_those_of_the_table(self) -> None:
        """In its order; of ten digits first all means, then each digit."""
        by_target = {"digit": ten_digits(), "yes/no": yes_or_no()}
        for target, data in by_target.items():
            table = [metric.name for metric in METRICS if metric.target in (target, "any")]
            assert table[0] == "accuracy"
            if target == "digit":
                each = [f"{name}_{digit}" for name in table[1:] for digit in range(10)]
                table = [table[0], *(f"macro_{name}" for name in table[1:]), *each]
            values = metrics(predictions_of(*data))
            assert list(without_intervals(values)) == ["n", "errors", *table]

    @pytest.mark.parametrize("data", [ten_digits(), yes_or_no()], ids=["digits", "yes or no"])
    def test_are_few_plain_numbers(self, data: tuple[NDArray, NDArray[np.float64]]) -> None:
        values = metrics(predictions_of(*data))
        assert json.loads(json.dumps(values)) == values
        assert {type(value) for value in values.values()} == {int, float}
        assert len(without_intervals(values)) <= 45 and len(values) <= 110
        assert isinstance(values["n"], int) and isinstance(values["errors"], int)

    def test_have_the_confidence_asked_for(self) -> None:
        y, scores = ten_digits()
        widths = [
            [high - low for low, _, high in intervals_of(values).values()]
            for values in (
                metrics(predictions_of(y, scores), level) for level in (0.5, 0.9, 0.95, 0.99)
            )
        ]
        assert all(
            list(of_one) == sorted(of_one) and len(set(of_one)) == 4
            for of_one in zip(*widths, strict=True)
        )

    def test_a_digit_never_predicted_or_never_there_has_zeros(self) -> None:
        """And says so without a warning."""
        y = np.array([0, 0, 1, 1, 2], np.uint8)
        values = metrics(predictions_of(y, np.eye(10)[[0, 0, 0, 0, 3]]))
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
        values = metrics(predictions_of(np.array([True, False]), np.array([0.2, 0.1])))
        assert values["precision"] == values["recall"] == values["f1"] == 0
        assert values["roc_auc"] == 1

    @pytest.mark.parametrize("yes", [True, False])
    def test_are_numbers_when_all_answers_are_the_same(self, yes: bool) -> None:
        """A small test set of one's own may hold no image of the digit asked for."""
        values = metrics(predictions_of(np.full(4, yes), np.array([0.1, 0.2, 0.6, 0.9])))
        assert all(math.isfinite(value) for value in values.values())
        assert values["accuracy"] == 0.5

    def test_of_digits_that_are_not_there_are_zero_and_nothing_is_known_of_them(self) -> None:
        y = np.array([0, 0, 0, 1, 1, 1], np.uint8)
        values = metrics(predictions_of(y, np.eye(10)[[0, 0, 0, 1, 1, 3]]))
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
        """Of a few images each, one resample in three misses some digit, which is no error."""
        y = np.repeat(np.arange(10), images_of_each).astype(np.uint8)
        values = metrics(predictions_of(y, np.eye(10)[y]))
        assert all(values[f"macro_{name}_low"] == 1 for name in ("precision", "recall", "f1"))
        assert all(values[f"f1_{digit}_low"] == 1 for digit in range(10))

    @pytest.mark.parametrize("n", [40, 500, 3000])
    @pytest.mark.parametrize("seed", range(3))
    def test_lie_within_their_intervals(self, n: int, seed: int) -> None:
        for predictions in (
            predictions_of(*ten_digits(n, seed)),
            predictions_of(*yes_or_no(n, seed)),
        ):
            for name, (low, value, high) in intervals_of(metrics(predictions)).items():
                assert 0 <= low <= value <= high <= 1, name

    def test_proportions_have_the_intervals_of_wilson(self) -> None:
        y, scores = ten_digits()
        predicted, values = scores.argmax(axis=1), metrics(predictions_of(y, scores), 0.9)
        for digit in range(10):
            hits = int(((y == digit) & (predicted == digit)).sum())
            for name, of in (("precision", predicted), ("recall", y)):
                found = (values[f"{name}_{digit}_low"], values[f"{name}_{digit}_high"])
                assert found == pytest.approx(
                    wilson(hits, int((of == digit).sum()), Z_90), abs=1e-9
                )

    @pytest.mark.parametrize("data", [ten_digits(), yes_or_no()], ids=["digits", "yes or no"])
    def test_are_the_same_each_time(self, data: tuple[NDArray, NDArray[np.float64]]) -> None:
        assert metrics(predictions_of(*data)) == metrics(predictions_of(*data))


@pytest.mark.parametrize("undefined", [0.0, np.nan])
def test_by_class_is_that_of_scikit_learn_for_each_table(undefined: float) -> None:
    rng = np.random.default_rng(0)
    tables = (
        rng.integers(0, 3, (50, 4, 4))
        * rng.integers(0, 2, (50, 4, 1))
        * rng.integers(0, 2, (50, 1, 4))
    )
    tables[:, 0, 0] += 1
    truth, predicted = (column.ravel() for column in np.mgrid[:4, :4])
    ours = by_class(tables, undefined)
    for number, table in enumerate(tables):
        theirs = precision_recall_fscore_support(
            truth,
            predicted,
            labels=range(4),
            sample_weight=table.ravel(),
            average=None,
            zero_division=undefined,
        )
        for name, expected in zip(("precision", "recall", "f1"), theirs, strict=False):
            np.testing.assert_allclose(ours[name][number], expected, atol=1e-12, err_msg=name)


class TestFolds:
    def test_accuracies_are_those_of_each_fold(self) -> None:
        y, scores = ten_digits()
        fold = np.random.default_rng(1).integers(1, 4, len(y)).astype(np.int8)
        expected = {
            f"fold_{k}": accuracy_score(y[fold == k], scores[fold == k].argmax(axis=1))
            for k in (1, 2, 3)
        }
        values = fold_accuracies(predictions_of(y, scores), fold)
        assert without_intervals(values) == pytest.approx(expected, abs=1e-9)
        for k in (1, 2, 3):
            ends = values[f"fold_{k}_low"], values[f"fold_{k}_high"]
            n = int((fold == k).sum())
            assert ends == pytest.approx(
                wilson(round(expected[f"fold_{k}"] * n), n, Z_95), abs=1e-9
            )
        assert json.loads(json.dumps(values)) == values

    def test_accuracies_of_yes_and_no_use_the_right_threshold(self) -> None:
        y, fold = np.array([True, True, False, False]), np.array([0, 0, 1, 1], np.int8)
        scores = np.array([0.6, 0.3, 0.4, -0.1])
        assert without_intervals(fold_accuracies(predictions_of(y, scores, True), fold)) == {
            "fold_0": 0.5,
            "fold_1": 1.0,
        }
        assert without_intervals(fold_accuracies(predictions_of(y, scores, False), fold)) == {
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
