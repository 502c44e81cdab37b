"""DVC's queue of experiments, run by several workers that share the cores."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import psutil
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.experiments.queue.base import QueueEntry
from dvc.repo.experiments.utils import EXEC_TMP_DIR, get_exp_rwlock
from dvc.rwlock import RWLOCK_FILE, RWLockFileCorruptedError
from dvc.scm import map_scm_exception
from tqdm import tqdm

from digits.common.errors import BadInput
from digits.common.resources import n_threads
from digits.experiments.code import check_experiments_can_run
from digits.experiments.repository import open_repo

NOTHING = "Nothing is queued: `dvc exp run --queue` queues experiments."

# Reading the queue reads all messages of its workers, which takes a while on a long queue.
POLL_SECONDS = 5

# Seconds in which a worker should have started. To take up an experiment it has three times as
# long, on a busy machine.
START_TIMEOUT = 20


def queue_experiment(repo: Repo, name: str, overrides: list[str]) -> None:
    """Queue an experiment in this process: a command of DVC takes a second to start.

    Parameters
    ----------
    repo : Repo
        As `open_repo` opens it.
    name : str
        The experiment's name.
    overrides : list of str
        What it changes in params.yaml, each as `dvc exp run --set-param` takes it.

    Raises
    ------
    BadInput
        When DVC cannot queue it.
    """
    try:
        with map_scm_exception():
            repo.experiments.run(queue=True, name=name, params=overrides)
    except DvcException as error:
        raise BadInput(f"{name} cannot be queued: {error}") from error


class Queue(NamedTuple):
    """The experiments that are not done, and what the workers are at.

    Attributes
    ----------
    waiting, active : dict of str to str
        The experiments' names by DVC's revisions.
    has_workers : bool
        Whether any worker is alive.
    is_at_work : bool
        Whether any worker has started a process, as for an experiment.
    """

    waiting: dict[str, str]
    active: dict[str, str]
    has_workers: bool
    is_at_work: bool

    @property
    def left(self) -> dict[str, str]:
        """What is not done."""
        return self.waiting | self.active


def run_queue(root: Path, jobs: int) -> list[str]:
    """Run all experiments that are queued, and wait for them.

    Parameters
    ----------
    root : Path
        The repository.
    jobs : int
        How many run at a time, each on its part of the cores.

    Returns
    -------
    list of str
        The names of those that failed.

    Raises
    ------
    BadInput
        When the workers cannot start or were stopped, and on Ctrl-C, which leaves them at work.
        When anything waits, as `check_experiments_can_run`.
    """
    queue = read_queue(root)
    to_do = queue.left
    if not to_do:
        print(NOTHING)
        return []
    if queue.waiting:
        check_experiments_can_run(root)
    try:
        start_workers(root, jobs, queue)
        last_active, left_at_start = time.monotonic(), set(to_do)
        over: set[str] = set()
        with progress(len(to_do)) as say_over:
            while True:
                left = queue.left.keys() & to_do
                for revision in to_do.keys() - left - over:
                    over.add(revision)
                    say_over(to_do[revision])
                if not left:
                    break
                timeout = 3 * START_TIMEOUT if queue.has_workers else START_TIMEOUT
                if queue.active and queue.is_at_work:
                    last_active = time.monotonic()
                elif time.monotonic() - last_active > timeout:
                    have_begun = left != left_at_start
                    start_workers(root, jobs, queue, have_waited=True, have_begun=have_begun)
                    last_active, left_at_start = time.monotonic(), left
                time.sleep(POLL_SECONDS)
                queue = read_queue(root)
    except KeyboardInterrupt:
        raise BadInput(
            "the workers go on: `dvc queue status` shows them, "
            "`dvc queue stop` ends them after what they are at."
        ) from None
    failed = read_failures(root)
    return sorted(failed[revision] for revision in failed.keys() & to_do)


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show how many experiments are over: a bar, and a line for each, without a terminal too.

    Yields
    ------
    callable
        To be called with the name of each experiment that is over, whether it failed or not.
    """
    number = count(1)
    with tqdm(total=total, unit="experiment", disable=None) as bar:

        def say_over(name: str) -> None:
            tqdm.write(f"{name} is over, {next(number)} of {total}", file=sys.stderr)
            bar.update()

        yield say_over


def start_workers(
    root: Path, jobs: int, queue: Queue, *, have_waited: bool = False, have_begun: bool = False
) -> None:
    """Start workers for the experiments that wait.

    What a worker took and is not at any more, as when it was killed, is made to fail: DVC would
    show it as running for ever.

    Parameters
    ----------
    root : Path
        The repository.
    jobs : int
        How many workers.
    queue : Queue
        As it is now.
    have_waited : bool
        Whether no worker has been at work for as long as one may take to begin.
    have_begun : bool
        Whether earlier workers have done something.

    Raises
    ------
    BadInput
        When those were stopped, or DVC cannot start workers.
    """
    if queue.active and (have_waited or not queue.has_workers):
        run_dvc(root, "queue", "kill", *queue.active.values())
    elif have_begun:
        waiting = ", ".join(queue.waiting.values())
        raise BadInput(
            f"{waiting} still wait, and no worker is left: `make queue` goes on with them."
        )
    if queue.waiting:
        repair_locks(root)
        per_worker = str(max(n_threads() // jobs, 1))
        run_dvc(root, "queue", "start", "--jobs", str(jobs), DIGITS_THREADS=per_worker)


def repair_locks(root: Path) -> None:
    """Remove DVC's list of locks if a kill left it half-written: all experiments would fail."""
    with open_repo(root) as repo:
        try:
            with get_exp_rwlock(repo):
                pass
        except RWLockFileCorruptedError:
            Path(str(repo.tmp_dir), EXEC_TMP_DIR, RWLOCK_FILE).unlink(missing_ok=True)


def read_queue(root: Path) -> Queue:
    """The queue as it is now.

    An experiment that starts meanwhile is both waiting and active, rather than neither.
    """
    with open_repo(root) as repo:
        queue = repo.experiments.celery_queue
        waiting, active = _names(queue.iter_queued()), _names(queue.iter_active())
        process_files = [*Path(queue.wdir).glob("dvc-exp-worker-*.json")]
    workers = [worker for file in process_files if (worker := _worker_of(file))]
    has_workers = bool(workers) or not process_files
    return Queue(waiting, active, has_workers, any(map(_has_children, workers)))


def read_failures(root: Path) -> dict[str, str]:
    """The names of the experiments that failed, by DVC's revisions.

    Ask once: for each experiment that is over, DVC reads all messages again.
    """
    with open_repo(root) as repo:
        return _names(done.entry for done in repo.experiments.celery_queue.iter_failed())


def _names(entries: Iterable[QueueEntry]) -> dict[str, str]:
    return {entry.stash_rev: entry.name or entry.stash_rev[:7] for entry in entries}


def _worker_of(process_file: Path) -> psutil.Process | None:
    """The worker that runs, by the file that DVC wrote about its process; None if it is gone.

    A busy worker that is asked over the queue may answer late.
    """
    try:
        process = psutil.Process(json.loads(process_file.read_text(encoding="utf-8"))["pid"])
        return process if "queue-worker" in process.cmdline() else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def _has_children(worker: psutil.Process) -> bool:
    try:
        return bool(worker.children())
    except psutil.Error:
        return False


def run_dvc(root: Path, *arguments: str, **environment: str) -> None:
    """Run a DVC command. Raises BadInput with what it printed when it fails."""
    command = [sys.executable, "-m", "dvc", *arguments]
    # DVC's workers, and the stages in them, are called by the names `dvc` and `python`.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    # Not a pipe, which the workers would keep open.
    with TemporaryFile("w+", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=root,
            env=os.environ | {"PATH": path} | environment,
            stdout=output,
            stderr=output,
            check=False,
        )
        if done.returncode:
            output.seek(0)
            reason = " ".join(output.read().split())
            raise BadInput(f"`dvc {' '.join(arguments[:3])}` failed: {reason}")
