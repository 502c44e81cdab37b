"""`python -m digits.workers [JOBS]`: work off the experiments that `dvc exp run --queue` has queued, several at a time."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import psutil
from dvc.repo import Repo
from dvc.repo.experiments.queue.base import QueueEntry
from dvc.repo.experiments.utils import EXEC_TMP_DIR, get_exp_rwlock
from dvc.rwlock import RWLOCK_FILE, RWLockFileCorruptedError
from tqdm import tqdm

from digits.errors import BadInput
from digits.machine import threads
from digits.revisions import check_repository

ROOT = Path(__file__).resolve().parent.parent
LOOK = 5  # seconds between two looks at the queue, each of which reads all messages of its workers: a while on a long queue
PATIENCE = 20  # seconds in which a worker should be there; to take up what waits it has thrice as long, on a busy machine


def main(jobs: str = "1") -> None:
    """Start workers and wait for them; say at the end what failed."""
    try:
        check_repository(ROOT)
        failed = work_off(ROOT, number_of(jobs))
    except BadInput as error:
        sys.exit(f"queue: {error}")
    if failed:
        sys.exit(f"{', '.join(failed)} failed: `dvc queue logs NAME` says why.")


def number_of(jobs: str) -> int:
    """How many workers. Raises BadInput."""
    if not jobs.isdecimal() or int(jobs) < 1:
        raise BadInput(f"JOBS is {jobs!r}, allowed is a whole number from 1.")
    return int(jobs)


class Queue(NamedTuple):
    """What waits and runs, as names by DVC's revisions, and whether any worker is there to run it."""

    waiting: dict[str, str]
    active: dict[str, str]
    workers: bool

    @property
    def left(self) -> dict[str, str]:
        """What is not done."""
        return self.waiting | self.active


def work_off(root: Path, jobs: int) -> list[str]:
    """Run all that is queued, and return the names of what failed. Each worker gets its share of the cores, not all of them.

    Raises BadInput when the workers cannot start or were stopped, and on Ctrl-C, which leaves them at work.
    """
    before = now = look(root)
    try:
        tend(root, jobs, before, begun=False)
        seen, left_then = time.monotonic(), set(before.left)
        with tqdm(total=len(before.left), unit="experiment", disable=None) as bar:
            while left := now.left.keys() & before.left:
                if now.active and now.workers:
                    seen = time.monotonic()
                elif time.monotonic() - seen > (3 * PATIENCE if now.workers else PATIENCE):
                    tend(root, jobs, now, begun=left != left_then)
                    seen, left_then = time.monotonic(), left
                bar.update(len(before.left) - len(left) - bar.n)
                time.sleep(LOOK)
                now = look(root)
            bar.update(len(before.left) - bar.n)
    except KeyboardInterrupt:
        going_on = "the workers go on: `dvc queue status` shows them, `dvc queue stop` ends them after what they are at."
        raise BadInput(going_on) from None
    failed = failures(root)
    return sorted(failed[one] for one in failed.keys() & before.left)


def tend(root: Path, jobs: int, queue: Queue, begun: bool) -> None:
    """Start workers for what waits, and have what was lost with a worker that was killed fail: DVC shows it as running for ever.

    Parameters: `begun`, whether workers have done something already. Raises BadInput when those were stopped.
    """
    if queue.active and not queue.workers:
        dvc(root, "queue", "kill", *queue.active.values())
    elif begun:
        waiting = ", ".join(queue.waiting.values())
        raise BadInput(f"{waiting} still wait, and no worker is left: `make queue` goes on with them.")
    if queue.waiting:
        mend_locks(root)
        dvc(root, "queue", "start", "--jobs", str(jobs), DIGITS_THREADS=str(max(threads() // jobs, 1)))


def mend_locks(root: Path) -> None:
    """Have DVC begin its list of locks anew when a kill left it half-written: with it, every experiment would fail."""
    with Repo(str(root)) as repo:
        try:
            with get_exp_rwlock(repo):
                pass
        except RWLockFileCorruptedError:
            Path(str(repo.tmp_dir), EXEC_TMP_DIR, RWLOCK_FILE).unlink(missing_ok=True)


def look(root: Path) -> Queue:
    """The queue as it is; one that begins to run meanwhile is in two of the sets rather than in none."""
    with Repo(str(root)) as repo:
        queue = repo.experiments.celery_queue
        waiting, active = [*queue.iter_queued()], [*queue.iter_active()]
        notes = [*Path(queue.wdir).glob("dvc-exp-worker-*.json")]
    return Queue(_names(waiting), _names(active), workers=any(map(_lives, notes)) or not notes)


def failures(root: Path) -> dict[str, str]:
    """What failed, as names by DVC's revisions. DVC reads all messages again for each experiment that is over: ask once."""
    with Repo(str(root)) as repo:
        return _names([done.entry for done in repo.experiments.celery_queue.iter_failed()])


def _names(entries: list[QueueEntry]) -> dict[str, str]:
    return {entry.stash_rev: entry.name or entry.stash_rev[:7] for entry in entries}


def _lives(note: Path) -> bool:
    """Whether a worker is there, by the note that DVC left of its process: asked over the queue, a busy one may answer late."""
    try:
        process = json.loads(note.read_text(encoding="utf-8"))["pid"]
        return "queue-worker" in psutil.Process(process).cmdline()
    except (OSError, ValueError, KeyError, psutil.Error):
        return False


def dvc(root: Path, *arguments: str, **environment: str) -> None:
    """Call DVC. Raises BadInput, with what it said, when it fails."""
    with TemporaryFile("w+", encoding="utf-8") as said:  # not a pipe, which the workers would keep open
        command = [sys.executable, "-m", "dvc", *arguments]
        if subprocess.run(command, cwd=root, env=os.environ | environment, stdout=said, stderr=said, check=False).returncode:
            said.seek(0)
            raise BadInput(f"`dvc {' '.join(arguments[:3])}` failed: {' '.join(said.read().split())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
