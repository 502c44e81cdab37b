"""One fit on the workers of a Dask cluster: what joblib would do on threads, as pieces.

A piece is a function with its arguments. It needs no other piece and nothing that a worker holds:
when a worker dies, Dask gives what it was at to another one. Large arrays are files that all
workers see. Whoever waits for a piece asks meanwhile whether workers are left, so that nobody
waits for ever.

joblib has a backend for Dask of its own. It sends large arguments to a worker's memory, where they
are lost with it, and waits for ever when sending one fails.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import joblib
import numpy as np
from joblib.parallel import ParallelBackendBase
from sklearn.base import BaseEstimator
from sklearn.ensemble import BaseEnsemble

from digits.common.arrays import ArrayFile
from digits.common.cluster import check_versions, cluster_address, connect
from digits.common.errors import BadInput
from digits.common.files import remove
from digits.common.versions import COMPUTING
from digits.models.svm import MatrixSVC
from digits.training.pieces import InFile, identity, mapped, not_seen, not_the_same

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

LARGE = 100_000  # bytes of an array from which it goes by a file
POLL_SECONDS = 1
PATIENCE = 60  # seconds in which no worker is there, after which nobody waits any more
WEEK = 7 * 24 * 3600  # seconds

# Models that learn in pieces that share no memory.
IN_PIECES = (BaseEnsemble, MatrixSVC)


@contextmanager
def open_cluster(repository: Path) -> Iterator["Cluster | None"]:
    """Yield the cluster that DASK_SCHEDULER_ADDRESS names, if it does.

    Parameters
    ----------
    repository : Path
        Large arrays pass through a folder in it, which all workers must see at the same place.
        It is git-ignored, and goes at the end.

    Raises
    ------
    BadInput
        When no scheduler answers, when no worker comes, or one would compute otherwise.
    """
    address = cluster_address()
    if not address:
        yield None
        return
    kept = repository / ".checkpoints"
    kept.mkdir(exist_ok=True)
    for old in kept.glob("pieces-*"):  # of a run that was killed
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > WEEK:
                remove(old)
    with connect(address) as client:
        check_versions(client, COMPUTING, PATIENCE)
        with TemporaryDirectory(dir=kept.resolve(), prefix="pieces-") as folder:
            cluster = Cluster(client, Path(folder))
            cluster.check()
            log.info("%d threads of the cluster at %s", cluster.n_threads(), address)
            yield cluster


class Cluster:
    """The workers of a Dask cluster, on which pieces of a fit run.

    Parameters
    ----------
    client : Client
        Connected.
    folder : Path
        For large arrays, at a place that all workers see.
    """

    def __init__(self, client: "Client", folder: Path) -> None:
        self.client = client
        self.folder = folder
        workers = client.scheduler_info()["workers"]
        on_host: Counter[str] = Counter()
        for worker in workers.values():
            on_host[worker["host"]] += worker["nthreads"]
        self._at_a_time = {
            address: on_host[worker["host"]]
            for address, worker in workers.items()
            if worker["nthreads"] == 1
        }
        self._last_seen = time.monotonic()

    def check(self) -> None:
        """Check that the workers compute as this process does, and see its files.

        Raises
        ------
        BadInput
            When one does not; the sentence names it.
        """
        folder, wanted = str(self.folder), identity()

        def look() -> tuple[bool, list[str]]:  # Dask hands over a closure as it is
            try:
                from digits.training.pieces import differences

                others = differences(wanted)
            except ImportError as error:
                others = [f"no copy of the project's code ({error})"]
            return Path(folder).is_dir(), others

        for worker, (sees_folder, others) in self.client.run(look, on_error="ignore").items():
            if others:
                raise BadInput(not_the_same(worker, others))
            if not sees_folder:
                raise BadInput(not_seen(worker, folder))

    def pieces_of(self, model: BaseEstimator) -> AbstractContextManager:
        """Let a model learn in pieces, if it has some; the others share memory, and stay here."""
        return self.pieces() if isinstance(model, IN_PIECES) else nullcontext()

    @contextmanager
    def pieces(self) -> Iterator[None]:
        """Let joblib send the jobs that share no memory to the workers."""
        with TemporaryDirectory(dir=self.folder) as folder:
            backend = _Backend(self, Path(folder))
            with joblib.parallel_config(backend=backend, n_jobs=-1):
                yield

    def n_threads(self) -> int:
        """How many pieces run at a time."""
        return sum(self._running().values())

    def submit(self, payload: bytes) -> "Future":
        """Send a piece."""
        wanted, at_a_time = identity(), self._at_a_time

        def run() -> bytes:  # it holds nothing of this project, of which a scheduler has no copy
            from digits.training.pieces import run_piece

            return run_piece(payload, wanted, at_a_time)

        return self.client.submit(run, key=f"digits-piece-{uuid4().hex}", pure=False)

    def wait_for(self, future: "Future") -> bytes:
        """Return what a piece returns, or raise what it raises.

        Raises
        ------
        BadInput
            When the scheduler is gone, when no worker has been there for a minute, or when the
            workers that were at the piece died again and again.
        """
        from distributed import KilledWorker, wait

        while True:
            try:
                wait([future], POLL_SECONDS)
                result = future.result(PATIENCE)
                self._last_seen = time.monotonic()
                return result
            except KilledWorker as error:
                raise BadInput(
                    "the workers of the Dask cluster that were at a piece of this fit died, one "
                    "after the other: their logs say why, as too little memory."
                ) from error
            except (TimeoutError, CancelledError, OSError) as error:
                if future.status == "error":  # it is the piece's own
                    raise
                if not isinstance(error, TimeoutError):
                    raise _gone() from error
            self._check_alive()

    def _check_alive(self) -> None:
        if self.client.status != "running":
            raise _gone()
        if self._running():
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > PATIENCE:
            raise BadInput(
                f"no worker of the Dask cluster has been at work for {PATIENCE} seconds: "
                f"`dask worker {self.client.scheduler.address}` starts one."
            )

    def _running(self) -> dict[str, int]:
        """How many threads each worker has; none of a worker that has paused."""
        try:
            ask = self.client.scheduler.ncores_running
            return self.client.sync(ask, callback_timeout=PATIENCE)
        except TimeoutError:
            return {}
        except OSError as error:
            raise _gone() from error


def _gone() -> BadInput:
    return BadInput(
        "the Dask scheduler is gone: start it and the workers again, or unset "
        "DASK_SCHEDULER_ADDRESS, then `dvc repro`."
    )


class _Backend(ParallelBackendBase):
    """joblib's side of it: sends jobs, and waits for them in the thread that asked for them."""

    default_n_jobs = -1

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        super().__init__()
        self._cluster, self._folder = cluster, folder
        self._files: dict[int, tuple[Any, Any]] = {}

    def effective_n_jobs(self, n_jobs: int | None) -> int:  # noqa: ARG002 (joblib's signature)
        return max(self._cluster.n_threads(), 2)  # of one, joblib would do all itself

    def submit(self, func: Any, callback: Callable[..., None] | None = None) -> Any:
        from distributed.protocol.pickle import dumps

        calls = [
            (call, self._by_file(list(args)), self._by_file(kwargs))
            for call, args, kwargs in func.items
        ]
        return self._cluster.submit(dumps(calls)), callback

    def retrieve_result(self, out: Any, timeout: float | None = None) -> Any:  # noqa: ARG002
        from distributed.protocol.pickle import loads

        future, callback = out
        result = loads(self._cluster.wait_for(future))
        callback()  # joblib sends the next job
        return result

    def _by_file(self, value: Any) -> Any:
        """Put files in the places of large arrays, and of files that have another place there."""
        is_large = isinstance(value, np.ndarray) and value.nbytes >= LARGE
        if not is_large and not isinstance(value, ArrayFile):
            return mapped(self._by_file, value)
        if id(value) not in self._files:
            path = self._folder / f"{len(self._files)}.npy"
            # The value is kept, so that nothing else gets its number.
            self._files[id(value)] = value, _write(value, path)
        return self._files[id(value)][1]


def _write(value: Any, path: Path) -> Any:
    if isinstance(value, ArrayFile):
        original = value.path.resolve()
        try:
            path.hardlink_to(original)
        except OSError:  # on another file system, or on one without links
            copyfile(original, path)
        return replace(value, path=path)
    np.save(path, value)
    return InFile(str(path))
