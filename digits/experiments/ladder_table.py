"""docs/ladder.md: the table of published and measured results, and what each rung is."""

import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from digits.common.errors import BadInput
from digits.experiments.comparison import compare
from digits.experiments.ladder import Ladder, Rung, assignment
from digits.experiments.revisions import Revision, read_revision
from digits.metrics.intervals import wilson_interval

NOT_RUN = "not run yet"

HEAD = """# The ladder: published results, and those of this pipeline

Written by `make ladder` from `ladder.yaml`. Each row is a DVC experiment on the 60,000 training and
10,000 test images of MNIST. The verdict says how the measured number compares with the published
one. *Exact*: equal to its last printed digit. *Within*: inside the 95 % interval (Wilson) of the
published accuracy. *Better* and *missed*: above and below that. The test accuracy has its own 95 %
interval. Seconds and MiB are what `train` took, validation and final fit together, on the machine
that ran it, perhaps beside other experiments. The last column compares a rung with the one above
it, image by image, by McNemar's exact test, where both answer the same question. A rung that
`make ladder RUNGS=...` leaves out keeps the numbers of its last run.
"""


class Row(NamedTuple):
    """The cells of one rung, as they are printed."""

    rung: str
    chapter: str
    published: str
    measured: str
    verdict: str
    test_accuracy: str
    errors: str
    seconds: str
    memory: str
    compared: str

    @property
    def name(self) -> str:
        """Of the rung, which is a link in the table."""
        return self.rung[1:].partition("]")[0]

    @property
    def results(self) -> tuple[str, ...]:
        """What was measured; the verdict on it depends on what was published, too."""
        return self.measured, self.test_accuracy, self.errors


HEADER = Row(
    rung="rung",
    chapter="chapter",
    published="published",
    measured="measured",
    verdict="verdict",
    test_accuracy="test accuracy",
    errors="errors",
    seconds="seconds",
    memory="MiB",
    compared="against the rung above",
)


def published_verdict(rung: Rung, results: Mapping[str, Any]) -> str:
    """How the measured numbers of a rung compare with the published ones.

    Parameters
    ----------
    rung : Rung
        With its published numbers.
    results : mapping of str to number
        The measured ones by name, such as `test.accuracy`.

    Returns
    -------
    str
        `exact`: the same to the last printed digit. `within`: inside the published accuracy's own
        95 % interval. Else `missed` or `better`. Of several numbers the first of missed, better,
        within, exact that is true of one; nothing where there is no published number.

    Raises
    ------
    BadInput
        When one of the published numbers is of nothing that was measured.
    """
    if unknown := [name for name in rung.published if name not in results]:
        raise BadInput(
            f"ladder.yaml: {rung.name}: published has {', '.join(unknown)}, which this rung does "
            "not measure: allowed are test.accuracy and the like (plots/metrics_*.csv have all)."
        )
    verdicts = {
        _verdict(printed, results[name], _n_images(name, results))
        for name, printed in rung.published.items()
    }
    order = ("missed", "better", "within", "exact")
    return next((verdict for verdict in order if verdict in verdicts), "")


def _verdict(printed: str, measured: float, n: int) -> str:
    """The verdict on one number; `n` images have an accuracy, 0 what is none."""
    published = float(printed)
    if round(measured, _decimals(printed)) == published:
        return "exact"
    low = high = published
    if n:
        low, high = wilson_interval(round(published * n), n, 0.95)
    if low <= measured <= high:
        return "within"
    return "better" if measured > high else "missed"


def _n_images(name: str, results: Mapping[str, Any]) -> int:
    """On how many images an accuracy was measured; 0 for what is no accuracy."""
    if name.startswith("validation.fold_"):
        # Each fold has a _low and a _high too.
        folds = [key for key in results if re.fullmatch(r"validation\.fold_\d+", key)]
        return int(results["validation.n"]) // len(folds)
    return int(results["test.n"]) if name == "test.accuracy" else 0


def _decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def compare_neighbours(root: Path, ladder: Ladder, commits: Mapping[str, str]) -> dict[str, str]:
    """Each rung's test accuracy against that of the rung above it, as a verdict and a p-value.

    Parameters
    ----------
    root : Path
        The repository.
    ladder : Ladder
        All rungs.
    commits : mapping of str to str
        The experiments by the rung's name, as `find_experiments` returns them.

    Returns
    -------
    dict of str to str
        By the rung's name; without those that answer another question than the rung above, or whose
        predictions are not on this machine.
    """
    verdicts: dict[str, str] = {}
    above: Revision | None = None
    for rung in ladder.rungs:
        revision = None
        with suppress(BadInput):  # another question, or not on this machine
            if rung.name in commits:
                revision = read_revision(root, commits[rung.name])
            if revision and above:
                accuracy = compare(above, revision).accuracy
                verdicts[rung.name] = f"{accuracy.verdict}, p = {accuracy.exact_p_value:.2g}"
        above = revision
    return verdicts


def ladder_markdown(
    ladder: Ladder,
    results: Mapping[str, Mapping[str, Any]],
    costs: Mapping[str, Mapping[str, float]],
    comparisons: Mapping[str, str],
    before: Mapping[str, Row],
) -> str:
    """The text of docs/ladder.md.

    Parameters
    ----------
    ladder : Ladder
        All rungs.
    results : mapping of str to mapping
        The metrics by the rung's name, as `read_results` returns them.
    costs : mapping of str to mapping
        `train_seconds` and `peak_memory_mib` by the rung's name, as far as they are known.
    comparisons : mapping of str to str
        What `compare_neighbours` returns.
    before : mapping of str to Row
        The table so far (`read_table`). What is not known now stays, unless it was of other
        results: a cost is of the rung's own, a comparison of those of the rung above too.
    """
    rows = {
        rung.name: _row(rung, results.get(rung.name), costs.get(rung.name, {}))
        for rung in ladder.rungs
    }
    # Rungs whose results are those of the table so far, and rungs that are no longer in the ladder.
    unchanged = {
        name
        for name, old in before.items()
        if name not in results or name not in rows or rows[name].results == old.results
    }
    neighbours_before = {*pairwise(before)}
    lines, above = [], ""
    for name, row in rows.items():
        if name in unchanged:
            row = _filled(row, before[name], has_run=name in results)
            if (
                row.measured != NOT_RUN
                and (above, name) in neighbours_before
                and above in unchanged
            ):
                row = row._replace(compared=before[name].compared)
        row = row._replace(compared=comparisons.get(name) or row.compared)
        lines.append(_line(row))
        above = name
    table = [_line(HEADER), "|" + "---|" * len(HEADER), *lines]
    return "\n".join([HEAD, *table, "", *map(_description, ladder.rungs)])


def _row(rung: Rung, results: Mapping[str, Any] | None, cost: Mapping[str, float]) -> Row:
    """What is known now."""
    published = [f"{name.partition('.')[2]} {text}" for name, text in rung.published.items()]
    seconds, memory = (
        f"{cost[name]:,.0f}" if name in cost else ""
        for name in ("train_seconds", "peak_memory_mib")
    )
    return Row(
        f"[{rung.name}](#{rung.name})",
        str(rung.chapter or ""),
        "<br>".join(published),
        *((NOT_RUN, "", "", "") if results is None else _result_cells(rung, results)),
        seconds,
        memory,
        compared="",
    )


def _result_cells(rung: Rung, results: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """The measured numbers as many digits long as printed, the verdict, test accuracy, errors."""
    verdict = published_verdict(rung, results)
    measured = "<br>".join(
        f"{results[name]:.{_decimals(printed)}f}" for name, printed in rung.published.items()
    )
    accuracy, low, high = (f"{results[f'test.accuracy{end}']:.4f}" for end in ("", "_low", "_high"))
    return measured, verdict, f"{accuracy} ({low} to {high})", str(results["test.errors"])


def _filled(row: Row, old: Row, has_run: bool) -> Row:
    """The row with the old one's numbers where there are no new ones.

    A verdict on what was published otherwise is not kept, nor what it was on.
    """
    if not has_run and row.published != old.published:
        return row
    if not has_run:
        row = row._replace(
            measured=old.measured,
            verdict=old.verdict,
            test_accuracy=old.test_accuracy,
            errors=old.errors,
        )
    return row._replace(seconds=row.seconds or old.seconds, memory=row.memory or old.memory)


def _line(row: Row) -> str:
    return f"| {' | '.join(row)} |"


def _settings(rung: Rung) -> str:
    return " ".join(f"`{assignment(name, value)}`" for name, value in rung.set.items())


def _description(rung: Rung) -> str:
    parts = [f"### {rung.name}", rung.what, _settings(rung), f"Published: {rung.source}."]
    return "\n\n".join([*parts, *([rung.note] if rung.note else [])]) + "\n"


def read_table(text: str, ladder: Ladder) -> dict[str, Row]:
    """The rows of docs/ladder.md that have results of today's settings, by the rung's name."""
    rows: dict[str, Row] = {}
    settings = {rung.name: _settings(rung) for rung in ladder.rungs}
    settings_before = dict(re.findall(r"^### (\S+)\n\n.*\n\n(.*)$", text, re.MULTILINE))
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| [") and len(cells) == len(Row._fields):
            row = Row(*cells)
            was_edited = row.name in settings and (
                settings[row.name] != settings_before.get(row.name)
            )
            if row.measured != NOT_RUN and not was_edited:
                rows[row.name] = row
    return rows
