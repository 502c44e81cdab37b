"""Runs in MLflow, live: one per experiment, however the experiment came about.

`train` logs live and marks its run with the `result_key` of what came out; `track`, the last stage, finds the run by that key, or
rebuilds it from the files, and completes it (results.py). So a repro, a restored result, a clone, a queue and a wiped store all end
with one run. Training never fails because of the tracker: a server that does not answer costs seconds and a warning.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from digits.common.errors import BadInput
from digits.common.files import write_json
from digits.tracking.lookup import KEY
from digits.tracking.store import Store, log, one_line, open_store, unfinished_run_file


class LiveRun:
    """The run of a training that is going on. Without a tracker it does nothing."""

    def __init__(self, store: Store | None = None, run_id: str = "") -> None:
        self._store, self._run_id = store, run_id
        self._answers = store is not None

    def log_metrics(self, values: Mapping[str, Any], prefix: str, step: int = 0) -> None:
        """Log numbers now; `step` is where a curve has come."""
        if self._store and self._answers:
            # Once it did not answer, it is not asked again: every question could cost seconds. `track` logs what is missing.
            self._answers = _attempt(
                partial(self._store.log_metrics, self._run_id, values, prefix, step)
            )

    def finish(self, key: str, cost: Mapping[str, float]) -> None:
        """Say what came out; if that result has a run already, this one was a repetition and is deleted."""
        if self._store and not _attempt(partial(self._finish, self._store, key, cost)):
            unfinished_run_file(self._store.folder, key).parent.mkdir(exist_ok=True)
            write_json(
                unfinished_run_file(self._store.folder, key),
                {"uri": self._store.uri, "run_id": self._run_id, "cost": dict(cost)},
            )

    def _finish(self, store: Store, key: str, cost: Mapping[str, float]) -> None:
        store.log_metrics(self._run_id, cost, "cost")
        with store.locked():
            if store.runs(f"tags.{KEY} = '{key}'"):
                store.client.set_terminated(
                    self._run_id, "FINISHED"
                )  # or it would be RUNNING for ever in the bin
                store.client.delete_run(self._run_id)
            else:
                store.client.set_tag(self._run_id, KEY, key)

    def close(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        if self._store and self._answers:
            _attempt(partial(self._close, self._store, status))

    def _close(self, store: Store, status: str) -> None:
        if store.client.get_run(self._run_id).info.lifecycle_stage == "active":
            store.client.set_terminated(self._run_id, status)


@contextmanager
def live_run(folder: Path, params: Mapping[str, Any]) -> Iterator[LiveRun]:
    """A run that is RUNNING inside the `with` and FINISHED, FAILED or KILLED after it.

    Parameters: `folder` of the embedded store; `params` those that matter, nested. Never raises on account of the tracker.
    """
    begun: list[LiveRun] = []

    def begin() -> None:
        store = open_store(folder)
        store.sweep()
        begun.append(LiveRun(store, store.create_run(params, {})))

    _attempt(begin)
    run = begun[0] if begun else LiveRun()
    try:
        yield run
    except BaseException as error:
        run.close("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.close("FINISHED")


def _attempt(work: Callable[[], Any]) -> bool:
    """Whether it worked. A tracker's trouble is a warning: the result is on disk, and `track` logs it when the tracker is back."""
    try:
        work()
    except BadInput as error:
        log.warning("MLflow: %s", error)
        return False
    except Exception as error:  # noqa: BLE001 (whatever it is)
        log.warning("MLflow: %s: %s", type(error).__name__, one_line(error))
        return False
    return True
