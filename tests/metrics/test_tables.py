"""The files of the metrics: few numbers to compare first, and a table that keeps all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.common.files import read_json
from digits.metrics.classification import fold_accuracies, metrics
from digits.metrics.curves import at_chosen_threshold
from digits.metrics.label_errors import without_disputed
from digits.metrics.tables import parse_table, read_metrics, write_metrics
from tests.scored import predictions_of, ten_digits, yes_or_no

DIGITS = predictions_of(*ten_digits(n=600))
YES_NO = predictions_of(*yes_or_no(n=600))
FOLDS = np.arange(600, dtype=np.int8) % 6
THRESHOLD = dict.fromkeys(("validation", "test"), (YES_NO.labels, YES_NO.scores))
# All that the stages measure.
MEASURED: dict[tuple[str, str], dict[str, Any]] = {
    ("digit", "validation"): metrics(DIGITS) | fold_accuracies(DIGITS, FOLDS),
    ("digit", "test"): metrics(DIGITS) | without_disputed(DIGITS, 0.95) | {"test_set": "0123abcd"},
    ("yes/no", "validation"): metrics(YES_NO) | fold_accuracies(YES_NO, FOLDS),
    ("yes/no", "test"): (
        metrics(YES_NO)
        | at_chosen_threshold(THRESHOLD, 0.6, 0.95)[1]
        | without_disputed(YES_NO, 0.95)
        | {"test_set": "0123abcd"}
    ),
}
ACCURACY = ["n", "errors", "accuracy", "accuracy_low", "accuracy_high"]
MACRO_F1 = ["macro_f1", "macro_f1_low", "macro_f1_high"]
OF_YES = ["precision", "recall", "f1", "roc_auc", "average_precision"]
AT_THRESHOLD = [
    "threshold", "precision_at_threshold", "recall_at_threshold",
    "validation_precision_at_threshold", "validation_recall_at_threshold",
]  # fmt: skip
EACH_FOLD = [f"fold_{number}" for number in range(6)]


@pytest.fixture
def out(tmp_path: Path) -> Callable[[str], Path]:
    """Where a file of these paths is written."""
    for folder in ("metrics", "plots"):
        (tmp_path / folder).mkdir()
    return lambda path: tmp_path / path


@pytest.mark.parametrize(("target", "part"), MEASURED)
def test_nothing_is_lost_to_the_last_digit(
    out: Callable[[str], Path], tmp_path: Path, target: str, part: str
) -> None:
    values = MEASURED[target, part]
    write_metrics(part, values, out)
    found = read_metrics(tmp_path, part)
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("target", "part", "expected"),
    [
        ("digit", "validation", [*ACCURACY, *MACRO_F1, *EACH_FOLD]),
        ("digit", "test", [*ACCURACY, *MACRO_F1, "test_set"]),
        ("yes/no", "validation", [*ACCURACY, *OF_YES, *EACH_FOLD]),
        ("yes/no", "test", [*ACCURACY, *OF_YES, *AT_THRESHOLD, "test_set"]),
    ],
)
def test_what_people_compare_first_is_few_numbers(
    out: Callable[[str], Path], target: str, part: str, expected: list[str]
) -> None:
    """Of six folds and ten digits `dvc metrics diff` has a head and at most 23 lines."""
    values = MEASURED[target, part]
    write_metrics(part, values, out)
    first = read_json(out(f"metrics/{part}.json"))
    assert list(first) == expected
    assert first == {name: values[name] for name in expected}


def test_the_table_has_a_row_for_each_digit(out: Callable[[str], Path]) -> None:
    values = MEASURED["digit", "validation"]
    write_metrics("validation", values, out)
    lines = out("plots/metrics_validation.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["metric,digit,value,low,high", "n,,600,,"]
    for name, start in (("recall_3", "recall,3"), ("macro_recall", "macro_recall,")):
        ends = [values[f"{name}_low"], values[f"{name}_high"]]
        assert ",".join([start, *map(str, [values[name], *ends])]) in lines
    assert [line for line in lines if line.startswith("fold_5,,")]
    assert len(lines) == 1 + 6 + 3 * 10 + 6


def test_without_validation_the_table_is_its_header(
    out: Callable[[str], Path], tmp_path: Path
) -> None:
    write_metrics("validation", {"n": 0}, out)
    table = out("plots/metrics_validation.csv").read_text(encoding="utf-8")
    assert table == "metric,digit,value,low,high\n"
    assert read_metrics(tmp_path, "validation") == {"n": 0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<<<<<<< HEAD\n",
        "metric,value\nn,3\n",
        "metric,digit,value,low,high\nn\n",
        "metric,digit,value,low,high\nn,,three,,\n",
        "metric,digit,value,low,high\nn,,3,,,,\n",
    ],
)
def test_what_is_no_table_is_named(text: str) -> None:
    with pytest.raises(BadInput, match=r"^my\.csv cannot be read as a table of metrics \(.*repro"):
        parse_table(text, "my.csv")


def test_a_table_that_is_missing_is_named(out: Callable[[str], Path], tmp_path: Path) -> None:
    write_metrics("test", MEASURED["digit", "test"], out)
    out("plots/metrics_test.csv").unlink()
    with pytest.raises(BadInput, match=r"metrics_test\.csv cannot be read .*`dvc repro`"):
        read_metrics(tmp_path, "test")
