"""The metrics as files: the few that people compare first, and a table of all of them."""

import csv
import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from digits.common.errors import BadInput
from digits.common.files import read_json, write_csv, write_json

log = logging.getLogger(__name__)

HEADER = ("metric", "digit", "value", "low", "high")

# What people compare first. Of the intervals those of accuracy and macro F1 alone: a number is a
# line of `dvc metrics diff`, and a column of `dvc exp show`.
_FIRST = re.compile(
    r"n|errors|test_set|(accuracy|macro_f1)(_low|_high)?|fold_\d+"
    r"|precision|recall|f1|roc_auc|average_precision"
    r"|threshold|(validation_)?(precision|recall)_at_threshold"
)

_OF_DIGIT = re.compile(r"(?!fold_)(\w+)_(\d)")


def first_path(part: str) -> str:
    """Where the metrics that people compare first are, of "validation" or "test"."""
    return f"metrics/{part}.json"


def table_path(part: str) -> str:
    """Where the table of all metrics is, of "validation" or "test"."""
    return f"plots/metrics_{part}.csv"


def write_metrics(part: str, values: Mapping[str, Any], out: Callable[[str], Path]) -> None:
    """Write those metrics that people compare first as JSON, the table of all as CSV, and a line.

    The table has a row for each metric, and of the metrics of a digit one for each digit; low and
    high are the ends of its interval. There is only the header where no image was predicted.

    Parameters
    ----------
    part : str
        "validation" or "test".
    values : mapping
        All metrics, by the names that `classification.metrics` gives them.
    out : callable
        Returns where to write the file that will be at a path.
    """
    first = {name: value for name, value in values.items() if _FIRST.fullmatch(name)}
    write_json(out(first_path(part)), first)
    write_csv(out(table_path(part)), HEADER, _rows(values) if values["n"] else [])
    if values["n"]:
        errors, n, accuracy = (values[name] for name in ("errors", "n", "accuracy"))
        log.info("%s: %d errors in %d, accuracy %.4f", part, errors, n, accuracy)


def _rows(values: Mapping[str, Any]) -> list[list[Any]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, str) or name.endswith(("_low", "_high")):
            continue
        of_digit = _OF_DIGIT.fullmatch(name)
        metric, digit = of_digit.groups() if of_digit else (name, None)
        rows.append([metric, digit, value, values.get(f"{name}_low"), values.get(f"{name}_high")])
    return rows


def parse_table(text: str, source: str) -> dict[str, float | int]:
    """All metrics by their names, from the text of the table that `write_metrics` wrote.

    Raises BadInput with the name `source` when it is no such table.
    """
    values: dict[str, float | int] = {}
    try:
        header, *rows = csv.reader(text.splitlines())
        if tuple(header) != HEADER:
            raise ValueError(f"its columns are {','.join(header)}")
        for metric, digit, *numbers in rows:
            name = f"{metric}_{digit}" if digit else metric
            names = (name, f"{name}_low", f"{name}_high")
            pairs = zip(names, numbers, strict=True)
            values |= {name: json.loads(number) for name, number in pairs if number}
    except ValueError as error:
        raise BadInput(
            f"{source} cannot be read as a table of metrics ({error}); `dvc repro` makes it again."
        ) from error
    return values


def read_metrics(root: Path, part: str) -> dict[str, Any]:
    """All metrics of one part that `write_metrics` wrote, by their names.

    Parameters
    ----------
    root : Path
        The project's folder.
    part : str
        "validation" or "test".

    Raises
    ------
    BadInput
        When one of the two files is missing, or holds anything else.
    """
    table = root / table_path(part)
    try:
        text = table.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BadInput(f"{table} cannot be read ({error}); `dvc repro` makes it again.") from error
    return parse_table(text, str(table)) | read_json(root / first_path(part))
