"""The queue of experiments, run by the workers of a Dask cluster.

An experiment travels as the commit in which DVC has queued it, by a ref on the git remote. The
worker that has run it pushes its cache, then the experiment and the mark that it is done, both at
once. All that a sender or a worker must remember stands there: either can be killed at any time.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from dvc.exceptions import DvcException
from dvc.repo.experiments.queue.base import QueueEntry

from digits.common.cluster import cluster_address, connect, other_versions_here
from digits.common.errors import BadInput
from digits.common.locks import hold
from digits.experiments import cluster_worker
from digits.experiments.cluster_checks import Remotes, check_remotes, check_workers, runs_server
from digits.experiments.cluster_refs import RemoteQueue
from digits.experiments.cluster_worker import Job, run_job
from digits.experiments.code import check_experiments_can_run
from digits.experiments.git import baseline_ref
from digits.experiments.queue import NOTHING, POLL_SECONDS, progress, read_queue, run_dvc, run_queue
from digits.experiments.repository import open_repo

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

# Of a worker that dies, the experiment goes to another by itself. One that fails is tried so often
# again.
RETRIES = 1

_LOGS = Path(".dvc", "tmp", "exps", "cluster")


def why_failed() -> str:
    """Where a person finds why experiments failed, as the end of a sentence."""
    if cluster_address():
        return (
            f"`cat {_LOGS / 'NAME.log'}` says why. They stay queued: the next time they are "
            "tried again, and `dvc queue remove NAME` gives one up."
        )
    return "`dvc queue logs NAME` says why."


def run_queued(root: Path, jobs: int) -> list[str]:
    """Run all experiments that are queued, on the cluster if there is one, and wait for them.

    Parameters
    ----------
    root : Path
        The repository.
    jobs : int
        How many run at a time on this machine. On a cluster its workers decide.

    Returns
    -------
    list of str
        The names of those that failed.

    Raises
    ------
    BadInput
        As `run_queue` and `run_on_cluster`.
    """
    address = cluster_address()
    return run_on_cluster(root, address) if address else run_queue(root, jobs)


def run_on_cluster(root: Path, address: str) -> list[str]:
    """Have all experiments that are queued run by Dask workers, and fetch them as they end.

    Parameters
    ----------
    root : Path
        The repository.
    address : str
        Of the scheduler.

    Returns
    -------
    list of str
        The names of those that failed. They stay queued, and their logs are kept.

    Raises
    ------
    BadInput
        When something is missing, before any work; when the scheduler goes away, and on Ctrl-C.
        Then the workers go on, and the next call fetches what they have finished.
    """
    folder = root / _LOGS
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder / "lock", blocking=False) as is_alone:
        if not is_alone:
            raise BadInput("another process sends this queue to the cluster: wait for its end.")
        entries = _read_entries(root)
        if not entries:
            print(NOTHING)
            return []
        with connect(address, cluster_worker) as client:
            check_experiments_can_run(root)
            remotes = check_remotes(root)
            try:
                versions = check_workers(root, client, remotes)
                return _Sender(root, remotes, versions).run(client, entries)
            except KeyboardInterrupt:
                raise BadInput(
                    "stopped: the workers go on with what they were sent, and the next "
                    "`make queue` fetches what they have finished."
                ) from None
            except OSError as error:  # Dask's too
                reason = " ".join(str(error).split())
                raise BadInput(
                    f"the connection to the Dask cluster broke ({reason}): `make queue` goes on "
                    "with what is not done."
                ) from error


def _read_entries(root: Path) -> dict[str, QueueEntry]:
    """The experiments that wait, by their stash commits."""
    queue = read_queue(root)
    if queue.active and queue.has_workers:
        raise BadInput(
            "DVC's own workers are at work on this queue: `dvc queue stop` ends them after what "
            "they are at, or unset DASK_SCHEDULER_ADDRESS."
        )
    with open_repo(root) as repo:
        return {entry.stash_rev: entry for entry in repo.experiments.celery_queue.iter_queued()}


class _Sender:
    """Sends queued experiments to the workers, and fetches what they have made."""

    def __init__(self, root: Path, remotes: Remotes, versions: Mapping[str, str]) -> None:
        self.root, self.remotes, self.versions = root, remotes, versions
        self.environment = runs_server()
        self.program = Path(cluster_worker.__file__).read_text(encoding="utf-8")
        self.queue = RemoteQueue(root, remotes.git, root / _LOGS / "sent")

    def run(self, client: "Client", entries: Mapping[str, QueueEntry]) -> list[str]:
        """Run the experiments; return the names of those that failed."""
        self._push_data(entries.values())
        done = self.queue.send(entries)
        futures = {
            self._submit(client, entry): entry
            for revision, entry in entries.items()
            if revision not in done
        }
        failed: list[str] = []
        late: list[QueueEntry] = []
        with progress(len(entries)) as say_over:
            for entry, future in chain(
                ((entries[revision], None) for revision in done), _as_they_end(client, futures)
            ):
                if future and not self._succeeded(entry, future):
                    failed.append(_name(entry))
                elif not self._try_to_fetch(entry):
                    late.append(entry)
                say_over(_name(entry))
        for entry in late:
            self._fetch(entry)
        return sorted(failed)

    def _push_data(self, entries: Iterable[QueueEntry]) -> None:
        """Give DVC's remote the data that is here already: a worker need not make it again."""
        with open_repo(self.root) as repo:
            try:
                repo.push(revs=sorted({str(entry.head_rev) for entry in entries}), workspace=False)
            except DvcException as error:
                raise BadInput(f"`dvc push` failed: {error}") from error

    def _submit(self, client: "Client", entry: QueueEntry) -> "Future":
        from distributed import fire_and_forget

        job = Job(
            revision=entry.stash_rev,
            head=str(entry.head_rev),
            baseline=entry.baseline_rev,
            name=_name(entry),
            project=Path(entry.dvc_root).relative_to(entry.scm_root).as_posix(),
            git_url=self.remotes.git_url,
            dvc_remote=self.remotes.dvc,
            dvc_url=self.remotes.dvc_url,
            environment=self.environment,
        )
        program, versions = self.program, self.versions

        def run() -> str:  # Dask hands over a closure as it is, and what it calls with it
            if others := other_versions_here(versions):
                raise RuntimeError(f"other versions: {', '.join(others)}")
            return run_job(program, job)

        # The same key as that of a sender that was killed: Dask runs no key twice at a time.
        key = f"digits-{entry.stash_rev}"
        future = client.submit(run, key=key, retries=RETRIES, pure=False)
        fire_and_forget(future)  # the experiment goes on when this process is killed
        return future

    def _succeeded(self, entry: QueueEntry, future: "Future") -> bool:
        error = future.exception()
        if error:
            self._log(entry).write_text(f"{error}\n", encoding="utf-8")
        return error is None

    def _log(self, entry: QueueEntry) -> Path:
        return self.root / _LOGS / f"{_name(entry)}.log"

    def _try_to_fetch(self, entry: QueueEntry) -> bool:
        try:
            self._fetch(entry)
        except BadInput as error:  # such as somebody's own DVC that is at work for a moment
            log.warning("%s is fetched later: %s", _name(entry), error)
            return False
        return True

    def _fetch(self, entry: QueueEntry) -> None:
        """Fetch an experiment with its cache, and take it from the queue.

        In this order, each step can be done again: the mark that it is done goes at the end.
        """
        ref = f"{baseline_ref(entry.baseline_rev)}/{_name(entry)}"
        run_dvc(self.root, "exp", "pull", self.remotes.git, ref)
        run_dvc(self.root, "queue", "remove", entry.stash_rev)
        self._log(entry).unlink(missing_ok=True)  # of an earlier failure
        self.queue.forget([entry.stash_rev])


def _name(entry: QueueEntry) -> str:
    return entry.name or entry.stash_rev[:7]


def _as_they_end(
    client: "Client", futures: dict["Future", QueueEntry]
) -> Iterator[tuple[QueueEntry, "Future"]]:
    """The experiments as they end. Raises BadInput when the scheduler is gone."""
    from distributed import wait

    while futures:
        ended: set[Future] = set()
        with suppress(TimeoutError):
            ended = wait([*futures], POLL_SECONDS, "FIRST_COMPLETED").done
        if client.status != "running" or any(future.cancelled() for future in ended):
            raise BadInput(
                "the Dask scheduler is gone: start it and the workers again, then `make queue` "
                "goes on with what is not done."
            )
        for future in ended:
            yield futures.pop(future), future
