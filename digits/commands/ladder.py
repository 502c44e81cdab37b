"""`python -m digits ladder`: the experiments of ladder.yaml, measured against published numbers.

Each rung is a DVC experiment under its own name: `dvc exp show` lists them, `dvc exp apply NAME`
brings one into the workspace.
"""

import argparse

from digits.commands.options import add_jobs
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

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
    """Run what has not run, then write and print the table."""
    from digits.experiments import ladder
    from digits.experiments.revisions import check_repository

    check_repository(ROOT)
    rungs_file, table_file = ROOT / "ladder.yaml", ROOT / "docs" / "ladder.md"
    plan = ladder.read_ladder(rungs_file)
    rungs = ladder.chosen(plan, " ".join(arguments.rungs))
    ladder.run(plan, rungs, arguments.jobs)
    experiments = ladder.found(plan)
    results = {
        rung.name: ladder.measured(experiments[rung.name])
        for rung in plan.rungs
        if rung.name in experiments
    }
    before = {}
    if table_file.exists():
        before = ladder.read_table(table_file.read_text(encoding="utf-8"))
    costs, steps = ladder.costs(plan, experiments), ladder.steps(plan, experiments)
    text = ladder.table(plan, results, costs, steps, before)
    table_file.write_text(text, encoding="utf-8", newline="\n")
    print(text.partition("###")[0])
    if failed := [rung.name for rung in rungs if rung.name not in experiments]:
        raise BadInput(
            f"{', '.join(failed)} did not finish: "
            "`dvc queue status` and `dvc queue logs NAME` say why."
        )
