"""What the report says in Markdown, and its table of metrics by digit.

Every name and value that is not this project's stands in a code span.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from digits.commands.output import code_span, percent, text_table
from digits.common.errors import BadInput
from digits.common.files import read_json
from digits.experiments.git import branch_name, short_head_commit, try_git
from digits.metrics.tables import first_path, read_metrics, table_path
from digits.params.nested import flatten
from digits.params.schema import Params, read_params

PARTS = ("validation", "test")

_PER_DIGIT = re.compile(r"(recall|precision|f1)_(\d)")


class DigitTable(NamedTuple):
    """The metrics of each digit: cells are a value and its interval, by part and then metric."""

    parts: tuple[str, ...]
    metrics: list[str]
    rows: list[tuple[str, list[tuple[str, str]]]]


def sections(root: Path) -> dict[str, Any]:
    """What the report on the workspace says.

    Returns
    -------
    dict
        Markdown by name: title, headline, experiment, metrics and notes. And `digits`, a
        DigitTable.

    Raises
    ------
    BadInput
        When params.yaml or the metrics cannot be read.
    """
    params = read_params(root / "params.yaml")
    validation, test = (_read_metrics(root, part) for part in PARTS)
    return {
        "title": _title(root),
        "headline": _headline(params, validation, test),
        "experiment": _params_table(params),
        "metrics": _metrics_table(validation, test),
        "notes": _notes(params, test),
        "digits": _digit_table(validation, test),
    }


def _digit_table(validation: dict[str, Any], test: dict[str, Any]) -> DigitTable:
    """Without rows for a yes/no target."""
    matches = [match for name in test | validation if (match := _PER_DIGIT.fullmatch(name))]
    metrics = list(dict.fromkeys(match[1] for match in matches))
    rows = [
        (
            digit,
            [
                _cells(values, f"{metric}_{digit}")
                for values in (validation, test)
                for metric in metrics
            ],
        )
        for digit in sorted({match[2] for match in matches})
    ]
    return DigitTable(PARTS, metrics, rows)


def _read_metrics(root: Path, part: str) -> dict[str, Any]:
    for path in (first_path(part), table_path(part)):
        if not (root / path).is_file():
            raise BadInput(
                f"{path} is missing, so there is nothing to report yet: `dvc repro` makes it."
            )
    values = read_json(root / first_path(part))
    not_validated = part == "validation" and values.get("n") == 0
    if not not_validated and not {"n", "errors", "accuracy"} <= values.keys():
        raise BadInput(
            f"{first_path(part)} has no n, errors and accuracy: `dvc repro` makes it again."
        )
    return read_metrics(root, part)


def _title(root: Path) -> str:
    names = [code_span(name) for name in (branch_name(root), short_head_commit(root)) if name]
    is_changed = try_git(root, "status", "--porcelain", "--untracked-files=no")
    changed = ", with changes not committed" if is_changed else ""
    return f"Report on {' at '.join(names) or code_span('no commit')}{changed}"


def _headline(params: Params, validation: dict[str, Any], test: dict[str, Any]) -> str:
    target = "which digit" if params.target == "digit" else f"whether it is a {params.target}"
    on_test = (
        f"**{percent(test['accuracy'], '.2f')}** of {test['n']:,} test images are read right "
        f"({target}): {test['errors']:,} errors{_within(test, params.evaluate.confidence)}."
    )
    if not validation["n"]:
        return f"{on_test} Not validated (`train.validate` is `none`)."
    return (
        f"{on_test} On validation **{percent(validation['accuracy'], '.2f')}** of "
        f"{validation['n']:,}: {validation['errors']:,} errors{_within(validation, 0.95)}."
    )


def _within(values: Mapping[str, Any], confidence: float) -> str:
    if "accuracy_low" not in values:
        return ""
    low, high = 100 * values["accuracy_low"], percent(values["accuracy_high"], ".2f")
    return f", {percent(confidence)} interval {low:.2f} to {high}"


def _params_table(params: Params) -> str:
    rows = []
    for section, values in params.effective().items():
        name = section
        if section == "models":
            ((model, values),) = values.items()
            name = f"models.{model}"
        leaves = flatten(values) if isinstance(values, Mapping) else {"": values}
        texts = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in leaves.items()
        }
        settings = [code_span(f"{key}={text}" if key else text) for key, text in texts.items()]
        rows.append([code_span(name), " ".join(settings)])
    return text_table(["params", ""], rows, "ll", markdown=True)


def _metrics_table(validation: dict[str, Any], test: dict[str, Any]) -> str:
    names = [name for name in _metric_names(test | validation) if not _PER_DIGIT.fullmatch(name)]
    rows = [[code_span(name), *_cells(validation, name), *_cells(test, name)] for name in names]
    header = ["metric", "validation", "interval", "test", "interval"]
    return text_table(header, rows, "lrrrr", markdown=True)


def _metric_names(values: Mapping[str, Any]) -> Iterator[str]:
    """The metrics without the ends of their intervals and without the digest of the test set."""
    for name in values:
        end = re.fullmatch("(.+)_(low|high)", name)
        if not (end and end[1] in values) and name != "test_set":
            yield name


def _cells(values: Mapping[str, Any], name: str) -> tuple[str, str]:
    """A metric and its interval; empty where there is none."""
    if name not in values:
        return "", ""
    low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
    interval = "" if low is None or high is None else f"{_cell(low)} to {_cell(high)}"
    return _cell(values[name]), interval


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else code_span(str(value))


def _notes(params: Params, test: Mapping[str, Any]) -> str:
    level = percent(params.evaluate.confidence)
    notes = [f"- Intervals have {percent(0.95)} confidence on validation, {level} on test."]
    if "test_set" in test:
        digest = code_span(str(test["test_set"])[:12])
        notes.append(f"- The test set's SHA-256 begins with {digest}.")
    return "\n".join(notes)
