"""`python -m digits.ladder [RUNGS] [JOBS]`: run the experiments of ladder.yaml that have not run yet, and write docs/ladder.md.

RUNGS is all, quick, or names with commas or blanks between them. Each rung is a DVC experiment under its own name: `dvc exp show`
lists them, `dvc exp apply NAME` brings one into the workspace.
"""

import sys

from digits.commands.queue import number_of
from digits.common.errors import BadInput
from digits.experiments.git import ROOT
from digits.experiments.ladder import (
    chosen,
    costs,
    found,
    measured,
    read_ladder,
    read_table,
    run,
    steps,
    table,
)
from digits.experiments.revisions import check_repository


def main(which: str = "all", jobs: str = "1") -> None:
    """Run what has not run, and write and print the table."""
    file = ROOT / "docs" / "ladder.md"
    try:
        check_repository(ROOT)
        ladder = read_ladder(ROOT / "ladder.yaml")
        workers = number_of(jobs)
        rungs = chosen(ladder, which)
        run(ladder, rungs, workers)
        there = found(ladder)
        results = {
            rung.name: measured(there[rung.name]) for rung in ladder.rungs if rung.name in there
        }
        before = read_table(file.read_text(encoding="utf-8")) if file.exists() else {}
        text = table(ladder, results, costs(ladder, there), steps(ladder, there), before)
        file.write_text(text, encoding="utf-8", newline="\n")
        print(text.partition("###")[0])
        if failed := [rung.name for rung in rungs if rung.name not in there]:
            raise BadInput(
                f"{', '.join(failed)} did not finish: `dvc queue status` and `dvc queue logs NAME` say why."
            )
    except BadInput as error:
        sys.exit(f"ladder: {error}")
