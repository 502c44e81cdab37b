"""`python -m digits ladder`: the experiments of ladder.yaml, measured against published numbers.

Each rung is a DVC experiment under its own name: `dvc exp show` lists them, `dvc exp apply NAME`
brings one into the workspace.
"""

import argparse
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from digits.commands.options import add_jobs
from digits.commands.output import text_table
from digits.common.errors import BadInput
from digits.experiments.git import ROOT, check_repository

if TYPE_CHECKING:
    from digits.experiments.ladder import Rung
    from digits.experiments.ladder_table import Row

HELP = "run the experiments of ladder.yaml that have not run yet, and write docs/ladder.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which rungs to run, and how many at a time."""
    parser.add_argument(
        "rungs",
        nargs="*",
        metavar="RUNG",
        default=["all"],
        help="all (the default), quick, or names with blanks or commas between them",
    )
    add_jobs(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run what has not run, write the table, and print its rows of the rungs asked for."""
    from digits.experiments.cluster import why_failed
    from digits.experiments.ladder import choose_rungs, read_ladder
    from digits.experiments.ladder_runs import find_experiments, read_results, run_rungs
    from digits.experiments.ladder_table import compare_neighbours, ladder_markdown, read_table

    check_repository(ROOT)
    ladder = read_ladder(ROOT / "ladder.yaml")
    rungs = choose_rungs(ladder, " ".join(arguments.rungs))
    table_file = ROOT / "docs" / "ladder.md"
    page = table_file.read_text(encoding="utf-8") if table_file.exists() else ""
    before = read_table(page, ladder)
    commits = find_experiments(ROOT, ladder)
    if missing := [rung for rung in rungs if rung.name not in commits]:
        seconds = _seconds(before)
        print(_forecast([rung.name for rung in missing], seconds), flush=True)
        run_rungs(ROOT, ladder, _longest_first(missing, seconds), arguments.jobs)
        commits = find_experiments(ROOT, ladder)
    results = {name: read_results(ROOT, commit) for name, commit in commits.items()}
    comparisons = compare_neighbours(ROOT, ladder, commits)
    text = ladder_markdown(ladder, results, _training_costs(commits), comparisons, before)
    table_file.write_text(text, encoding="utf-8", newline="\n")
    rows = read_table(text, ladder)
    print(_rows_text(rows[rung.name] for rung in rungs if rung.name in rows))
    if failed := [rung.name for rung in rungs if rung.name not in commits]:
        raise BadInput(f"{', '.join(failed)} did not finish: {why_failed()}")


def _seconds(before: Mapping[str, "Row"]) -> dict[str, int]:
    """How long rungs trained when the table was written, by name."""
    seconds = {name: row.seconds.replace(",", "") for name, row in before.items()}
    return {name: int(text) for name, text in seconds.items() if text}


def _longest_first(rungs: list["Rung"], seconds: Mapping[str, int]) -> list["Rung"]:
    """Rungs in an order in which no long one runs alone at the end, on a part of the cores.

    One of which nothing is known may be the longest.
    """
    return sorted(rungs, key=lambda rung: seconds.get(rung.name, math.inf), reverse=True)


def _forecast(names: list[str], seconds: Mapping[str, int]) -> str:
    """Which rungs will run, and how long they trained when the table was written."""
    known = sum(seconds.get(name, 0) for name in names)
    past = f" Training took {known:,} seconds when docs/ladder.md was written." if known else ""
    return f"Running {', '.join(names)}.{past}"


def _rows_text(rows: Iterable["Row"]) -> str:
    """Rows of the table as text for a terminal, and where the whole table is."""
    header = ("rung", "published", "measured", "verdict", "test accuracy", "errors", "seconds")
    cells = [
        [
            row.name,
            row.published.replace("<br>", "\n"),
            row.measured.replace("<br>", "\n"),
            row.verdict,
            row.test_accuracy,
            row.errors,
            row.seconds,
        ]
        for row in rows
    ]
    return f"{text_table(header, cells, 'lllllrr')}\n\nAll rungs: docs/ladder.md"


def _training_costs(commits: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Seconds and MiB of training, by rung, of the newest run in MLflow with the rung's model."""
    from digits.experiments.revisions import read_hash
    from digits.tracking.lookup import store_folder
    from digits.tracking.store import Store

    by_model: dict[str, dict[str, float]] = {}
    for run in reversed(Store(store_folder(ROOT)).runs("attributes.status = 'FINISHED'")):
        if "cost/train_seconds" in run.data.metrics:
            cost = {name.removeprefix("cost/"): value for name, value in run.data.metrics.items()}
            by_model[run.data.tags.get("dvc.models", "")] = cost
    models = {name: read_hash(ROOT, commit, "models") for name, commit in commits.items()}
    return {name: by_model[model] for name, model in models.items() if model in by_model}
