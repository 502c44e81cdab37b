"""`python -m digits queue`: run the experiments that `dvc exp run --queue` has queued.

With DASK_SCHEDULER_ADDRESS set, the workers of a Dask cluster run them (docs/growing.md).
"""

import argparse

from digits.commands.options import add_jobs
from digits.common.errors import BadInput
from digits.experiments.git import ROOT, check_repository

HELP = "run the experiments that `dvc exp run --queue` has queued, several at a time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many at a time."""
    add_jobs(parser)


def run(arguments: argparse.Namespace) -> None:
    """Start workers and wait for them; in the end say what failed."""
    from digits.experiments.cluster import run_queued, why_failed

    check_repository(ROOT)
    if failed := run_queued(ROOT, arguments.jobs):
        raise BadInput(f"{', '.join(failed)} failed: {why_failed()}")
