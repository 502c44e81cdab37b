"""The run of a training in MLflow, while it goes on.

`train` logs live and marks its run with the `result_key` of what came out. `track`, the last stage,
finds the run by that key, or rebuilds it from the files, and completes it (completion.py). So a
repro, a restored result, a clone, a queue and a wiped store all end with one run.

Training never fails because of the tracker: a server that does not answer costs seconds and a
warning.
"""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from digits.common.errors import BadInput
from digits.common.files import file_sha256, write_json
from digits.common.garbage import without_garbage
from digits.tracking.lookup import KEY, result_key, unfinished_run_file
from digits.tracking.messages import one_line

if TYPE_CHECKING:
    from digits.tracking.store import Store

log = logging.getLogger(__name__)


class LiveRun:
    """The run of a training that is going on. It observes: nothing that it does comes back.

    Parameters
    ----------
    params : mapping
        The parameters that matter, nested.
    store : Store or None
        Where the run is; without one, nothing is logged.
    run_id : str
        Which run in the store.
    """

    def __init__(
        self, params: Mapping[str, Any], store: "Store | None" = None, run_id: str = ""
    ) -> None:
        self._params, self._store, self._run_id = params, store, run_id
        self._answers = store is not None
        self._first_fit: Any = None

    def log_metrics(self, values: Mapping[str, Any], prefix: str, step: int = 0) -> None:
        """Log numbers now, as `<prefix>/<name>`; `step` is where a curve has come."""
        if self._store and self._answers:
            # A store that did not answer is not asked again: every question could cost seconds.
            # `track` logs what is missing.
            self._answers = _attempt_whole(
                partial(self._store.log_metrics, self._run_id, values, prefix, step)
            )

    def log_epoch(self, epoch: Any) -> None:
        """Log how far a fit has come.

        Parameters
        ----------
        epoch : training.options.Epoch
            The first fit's curve is `history/...`; those of further fits have the fit's name too,
            `history/fold_3/...`.
        """
        self._first_fit = self._first_fit or epoch.fit
        is_first = epoch.fit == self._first_fit
        prefix = "history" if is_first else f"history/{epoch.fit.metrics_prefix}"
        self.log_metrics(asdict(epoch), prefix, step=epoch.epoch)

    def finish(self, model: Path, cost: Mapping[str, float]) -> None:
        """Mark the run with its result.

        If that result has a run already, this one was a repetition and is deleted. When the store
        does not answer, a note is left for `track`.

        Parameters
        ----------
        model : Path
            The file of the fitted model.
        cost : mapping
            What the training took: `train_seconds`, `peak_memory_mib`.
        """
        if not self._store:
            return
        key = result_key(self._params, file_sha256(model))
        if not _attempt_whole(partial(self._finish, self._store, key, cost)):
            note = {"store": self._store.name, "run_id": self._run_id, "cost": dict(cost)}
            _attempt(partial(self._leave_note, unfinished_run_file(self._store.folder, key), note))

    def _finish(self, store: "Store", key: str, cost: Mapping[str, float]) -> None:
        store.log_metrics(self._run_id, cost, "cost")
        with store.locked():
            if store.runs(f"tags.{KEY} = '{key}'"):
                # Terminated first, or it would be RUNNING for ever among the deleted ones.
                store.client.set_terminated(self._run_id, "FINISHED")
                store.client.delete_run(self._run_id)
            else:
                store.client.set_tag(self._run_id, KEY, key)

    @staticmethod
    def _leave_note(file: Path, note: Mapping[str, Any]) -> None:
        file.parent.mkdir(exist_ok=True)
        write_json(file, note)

    def close(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        if self._store and self._answers:
            _attempt_whole(partial(self._close, self._store, status))

    def _close(self, store: "Store", status: str) -> None:
        if store.client.get_run(self._run_id).info.lifecycle_stage == "active":
            store.client.set_terminated(self._run_id, status)


@contextmanager
def live_run(folder: Path, params: Mapping[str, Any]) -> Iterator[LiveRun]:
    """A run that is RUNNING inside the `with`, and FINISHED, FAILED or KILLED after it.

    It raises nothing on account of the tracker.

    Parameters
    ----------
    folder : Path
        Of the embedded store.
    params : mapping
        The parameters that matter, nested.
    """
    begun: list[LiveRun] = []

    def begin() -> None:
        with without_garbage():  # seconds that bad params need not wait for
            from digits.tracking.store import open_store
        store = open_store(folder)
        store.sweep()
        begun.append(LiveRun(params, store, store.create_run(params, {})))

    _attempt(begin)  # a server may not answer for long: this can be interrupted
    run = begun[0] if begun else LiveRun(params)
    try:
        yield run
    except BaseException as error:
        run.close("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.close("FINISHED")


def _attempt_whole(work: Callable[[], Any]) -> bool:
    """As `_attempt`, and an exit that is asked for meanwhile comes after it.

    Amid a statement the exit would close the connection under SQLAlchemy, which then shows a
    traceback, or it would be lost where Python lets no exception out.
    """
    if threading.current_thread() is not threading.main_thread():  # signals come to that one alone
        return _attempt(work)
    asked: list[int] = []

    def put_off(number: int, _: FrameType | None) -> None:
        asked.append(number)

    handlers = {each: signal.signal(each, put_off) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _attempt(work)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if asked:
            signal.raise_signal(asked[0])


def _attempt(work: Callable[[], Any]) -> bool:
    """Do what needs the tracker; whether that worked.

    Its trouble is a warning: the result is on disk, and `track` logs it when the tracker is back.
    """
    try:
        work()
    except BadInput as error:
        log.warning("MLflow: %s", error)
        return False
    except Exception as error:  # noqa: BLE001 (whatever it is)
        log.warning("MLflow: %s: %s", type(error).__name__, one_line(error))
        return False
    return True
