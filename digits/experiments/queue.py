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

from digits.common.errors import BadInput
from digits.common.resources import threads

POLL_SECONDS = 5  # seconds between two looks at the queue, each of which reads all messages of its workers: a while on a long queue

START_TIMEOUT = 20  # seconds in which a worker should be there; to take up what waits it has thrice as long, on a busy machine


class Queue(NamedTuple):
    """What waits and runs, as names by DVC's revisions, and whether any worker is there to run it."""

    waiting: dict[str, str]
    active: dict[str, str]
    workers: bool

    @property
    def left(self) -> dict[str, str]:
        """What is not done."""
        return self.waiting | self.active


def run_queue(root: Path, jobs: int) -> list[str]:
    """Run all that is queued, and return the names of what failed. Each worker gets its share of the cores, not all of them.

    Raises BadInput when the workers cannot start or were stopped, and on Ctrl-C, which leaves them at work.
    """
    before = now = read_queue(root)
    try:
        start_workers(root, jobs, before, begun=False)
        seen, left_then = time.monotonic(), set(before.left)
        with tqdm(total=len(before.left), unit="experiment", disable=None) as bar:
            while left := now.left.keys() & before.left:
                if now.active and now.workers:
                    seen = time.monotonic()
                elif time.monotonic() - seen > (
                    3 * START_TIMEOUT if now.workers else START_TIMEOUT
                ):
                    start_workers(root, jobs, now, begun=left != left_then)
                    seen, left_then = time.monotonic(), left
                bar.update(len(before.left) - len(left) - bar.n)
                time.sleep(POLL_SECONDS)
                now = read_queue(root)
            bar.update(len(before.left) - bar.n)
    except KeyboardInterrupt:
        going_on = "the workers go on: `dvc queue status` shows them, `dvc queue stop` ends them after what they are at."
        raise BadInput(going_on) from None
    failed = failures(root)
    return sorted(failed[one] for one in failed.keys() & before.left)


def start_workers(root: Path, jobs: int, queue: Queue, begun: bool) -> None:
    """Start workers for what waits, and have what was lost with a worker that was killed fail: DVC shows it as running for ever.

    Parameters: `begun`, whether workers have done something already. Raises BadInput when those were stopped.
    """
    if queue.active and not queue.workers:
        run_dvc(root, "queue", "kill", *queue.active.values())
    elif begun:
        waiting = ", ".join(queue.waiting.values())
        raise BadInput(
            f"{waiting} still wait, and no worker is left: `make queue` goes on with them."
        )
    if queue.waiting:
        repair_locks(root)
        run_dvc(
            root,
            "queue",
            "start",
            "--jobs",
            str(jobs),
            DIGITS_THREADS=str(max(threads() // jobs, 1)),
        )


def repair_locks(root: Path) -> None:
    """Have DVC begin its list of locks anew when a kill left it half-written: with it, every experiment would fail."""
    with Repo(str(root)) as repo:
        try:
            with get_exp_rwlock(repo):
                pass
        except RWLockFileCorruptedError:
            Path(str(repo.tmp_dir), EXEC_TMP_DIR, RWLOCK_FILE).unlink(missing_ok=True)


def read_queue(root: Path) -> Queue:
    """The queue as it is; one that begins to run meanwhile is in two of the sets rather than in none."""
    with Repo(str(root)) as repo:
        queue = repo.experiments.celery_queue
        waiting, active = [*queue.iter_queued()], [*queue.iter_active()]
        notes = [*Path(queue.wdir).glob("dvc-exp-worker-*.json")]
    return Queue(_names(waiting), _names(active), workers=any(map(_is_alive, notes)) or not notes)


def failures(root: Path) -> dict[str, str]:
    """What failed, as names by DVC's revisions. DVC reads all messages again for each experiment that is over: ask once."""
    with Repo(str(root)) as repo:
        return _names([done.entry for done in repo.experiments.celery_queue.iter_failed()])


def _names(entries: list[QueueEntry]) -> dict[str, str]:
    return {entry.stash_rev: entry.name or entry.stash_rev[:7] for entry in entries}


def _is_alive(note: Path) -> bool:
    """Whether a worker is there, by the note that DVC left of its process: asked over the queue, a busy one may answer late."""
    try:
        process = json.loads(note.read_text(encoding="utf-8"))["pid"]
        return "queue-worker" in psutil.Process(process).cmdline()
    except (OSError, ValueError, KeyError, psutil.Error):
        return False


def run_dvc(root: Path, *arguments: str, **environment: str) -> None:
    """Call DVC. Raises BadInput, with what it said, when it fails."""
    with TemporaryFile(
        "w+", encoding="utf-8"
    ) as said:  # not a pipe, which the workers would keep open
        command = [sys.executable, "-m", "dvc", *arguments]
        if subprocess.run(
            command, cwd=root, env=os.environ | environment, stdout=said, stderr=said, check=False
        ).returncode:
            said.seek(0)
            raise BadInput(
                f"`dvc {' '.join(arguments[:3])}` failed: {' '.join(said.read().split())}"
            )
