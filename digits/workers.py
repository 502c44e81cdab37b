"""`python -m digits.workers [JOBS]`: work off the experiments that `dvc exp run --queue` has queued, several at a time."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from dvc.repo import Repo
from tqdm import tqdm

from digits.errors import BadInput
from digits.machine import threads

ROOT = Path(__file__).resolve().parent.parent
LOOK = 2  # seconds between two looks at the queue


def main(jobs: str = "1") -> None:
    """Start workers and wait for them; say at the end what failed."""
    try:
        failed = work_off(ROOT, number_of(jobs))
    except BadInput as error:
        sys.exit(f"queue: {error}")
    except KeyboardInterrupt:
        sys.exit("\nThe workers go on: `dvc queue status` shows them, `dvc queue stop` ends them after what they are at.")
    if failed:
        sys.exit(f"{', '.join(failed)} failed: `dvc queue logs NAME` says why.")


def number_of(jobs: str) -> int:
    """How many workers. Raises BadInput."""
    if not jobs.isdecimal() or int(jobs) < 1:
        raise BadInput(f"JOBS is {jobs!r}, allowed is a whole number from 1.")
    return int(jobs)


class Queue(NamedTuple):
    """The names of the experiments that wait, that run, and that failed."""

    waiting: set[str]
    active: set[str]
    failed: set[str]


def work_off(root: Path, jobs: int) -> list[str]:
    """Run all that is queued, and return the names of what failed. Each worker gets its share of the cores, not all of them."""
    before = look(root)
    todo = before.waiting | before.active
    if before.waiting:
        command = [sys.executable, "-m", "dvc", "queue", "start", "--jobs", str(jobs)]
        environment = os.environ | {"DIGITS_THREADS": str(max(threads() // jobs, 1))}
        if subprocess.run(command, cwd=root, env=environment, check=False).returncode:
            raise BadInput("`dvc queue start` failed, see above.")
    now = before
    with tqdm(total=len(todo), unit="experiment", disable=None) as bar:
        while left := (now.waiting | now.active) & todo:
            bar.update(len(todo) - len(left) - bar.n)
            time.sleep(LOOK)
            now = look(root)
        bar.update(len(todo) - bar.n)
    return sorted((now.failed - before.failed) & todo)


def look(root: Path) -> Queue:
    """The queue as it is; one that begins to run meanwhile is in two of the sets rather than in none."""
    with Repo(str(root)) as repo:
        queue = repo.experiments.celery_queue
        waiting, active = [*queue.iter_queued()], [*queue.iter_active()]
        failed = [done.entry for done in queue.iter_failed()]
    return Queue(*({entry.name or entry.stash_rev[:7] for entry in part} for part in (waiting, active, failed)))


if __name__ == "__main__":
    main(*sys.argv[1:])
