"""`python -m digits.workers [JOBS]`: work off the experiments that `dvc exp run --queue` has queued, several at a time."""

import sys

from digits.common.errors import BadInput
from digits.experiments.git import ROOT
from digits.experiments.queue import run_queue
from digits.experiments.revisions import check_repository


def main(jobs: str = "1") -> None:
    """Start workers and wait for them; say at the end what failed."""
    try:
        check_repository(ROOT)
        failed = run_queue(ROOT, number_of(jobs))
    except BadInput as error:
        sys.exit(f"queue: {error}")
    if failed:
        sys.exit(f"{', '.join(failed)} failed: `dvc queue logs NAME` says why.")


def number_of(jobs: str) -> int:
    """How many workers. Raises BadInput."""
    if not jobs.isdecimal() or int(jobs) < 1:
        raise BadInput(f"JOBS is {jobs!r}, allowed is a whole number from 1.")
    return int(jobs)
