"""One MLflow run per experiment, however the experiment came about.

`train` logs live and marks its run with the `result_key` of what came out; `track`, the last stage, finds the run by that key, or
rebuilds it from the files, and completes it. So a repro, a restored result, a clone, a queue and a wiped store all end with one
run. Training never fails because of the tracker: a server that does not answer costs seconds and a warning.
"""

import logging
import os
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

# Before the import, which reads them. The limits are for a server that is down: MLflow's own would hang for minutes.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
from filelock import FileLock  # noqa: E402
from mlflow.entities import Metric, Param, Run  # noqa: E402
from mlflow.models import ModelSignature  # noqa: E402
from mlflow.types import Schema, TensorSpec  # noqa: E402
from sklearn.pipeline import Pipeline  # noqa: E402

from digits.errors import BadInput  # noqa: E402
from digits.files import open_array  # noqa: E402
from digits.persistence import TRUSTED, load_model  # noqa: E402
from digits.store import COMPLETE, KEY, database, server  # noqa: E402

log = logging.getLogger(__name__)
logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # it announces every table it creates

EXPERIMENT = "digits"


class Store:
    """Where runs go: the server or database that MLFLOW_TRACKING_URI names, else sqlite in the folder given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        if uri := server():
            try:
                self._connect(uri, artifacts=None)  # a server decides itself where artifacts go
                return
            except mlflow.MlflowException as error:
                reason = " ".join(str(error).split())[:200]
                host = uri.rpartition("@")[2]  # without a password
                log.warning("the MLflow server %s does not answer (%s): this run goes to %s instead", host, reason, self.folder)
        file = database(self.folder)
        self._create_once(file)
        self._connect(_sqlite_uri(file), artifacts=file.parent / "artifacts")

    def _create_once(self, file: Path) -> None:
        # Two processes that both create MLflow's tables break the file: one builds it aside, all others wait.
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            if not file.exists():
                new = file.with_name(file.name + ".new")
                new.unlink(missing_ok=True)
                self._connect(_sqlite_uri(new), artifacts=file.parent / "artifacts")
                new.replace(file)

    def _connect(self, uri: str, artifacts: Path | None) -> None:
        mlflow.set_tracking_uri(uri)
        self.uri, self.client = uri, mlflow.MlflowClient(uri)
        if not self.client.get_experiment_by_name(EXPERIMENT):
            # Without a location MLflow would put a database's artifacts below the current folder, which in a queue is deleted.
            location = artifacts.as_uri() if artifacts else None
            with suppress(mlflow.MlflowException):  # another process may have come first
                self.client.create_experiment(EXPERIMENT, location)
        found = self.client.get_experiment_by_name(EXPERIMENT)
        assert found, f"{uri} did not keep the experiment {EXPERIMENT!r}"
        self.experiment_id = found.experiment_id

    def runs(self, filter_string: str) -> list[Run]:
        """The runs of this project that match an MLflow filter, newest first."""
        return list(self.client.search_runs([self.experiment_id], filter_string, max_results=1000))

    def create_run(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Open a run with its params and tags, and return its id."""
        run = self.client.create_run(self.experiment_id, tags={**describe_source(), **tags}, run_name=run_name())
        flat = [Param(name, str(value)) for name, value in flattened(params).items()]
        self.client.log_batch(run.info.run_id, params=flat)
        return run.info.run_id

    def log_metrics(self, run_id: str, values: Mapping[str, Any], prefix: str, step: int = 0) -> None:
        """Log all numbers of a flat mapping as `<prefix>/<name>`, in one batch."""
        now = int(time.time() * 1000)
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        self.client.log_batch(run_id, metrics=[Metric(f"{prefix}/{name}", float(v), now, step) for name, v in numbers.items()])

    def locked(self) -> FileLock:
        """Holds other processes of this machine off while a run is looked for and made."""
        return FileLock(self.folder / "runs.lock")

    def sweep(self) -> None:
        """End the runs that a killed process of this machine left RUNNING."""
        for run in self.runs("attributes.status = 'RUNNING'"):
            tags = run.data.tags
            if tags.get("host") == socket.gethostname() and not _alive(tags.get("process", "")):
                self.client.set_terminated(run.info.run_id, "KILLED")


class LiveRun:
    """The run of a training that is going on. Without a tracker it does nothing."""

    def __init__(self, store: Store | None = None, run_id: str = "") -> None:
        self._store, self._run_id = store, run_id

    def log_metrics(self, values: Mapping[str, Any], prefix: str, step: int = 0) -> None:
        """Log numbers now; `step` is where a curve has come."""
        if self._store:
            with _never_fatal():
                self._store.log_metrics(self._run_id, values, prefix, step)

    def finish(self, key: str, cost: Mapping[str, float]) -> None:
        """Say what came out; if that result has a run already, this one was a repetition and is deleted."""
        if self._store:
            self.log_metrics(cost, "cost")
            with _never_fatal(), self._store.locked():
                if self._store.runs(f"tags.{KEY} = '{key}'"):
                    self._store.client.set_terminated(self._run_id, "FINISHED")  # or it would be RUNNING for ever in the bin
                    self._store.client.delete_run(self._run_id)
                else:
                    self._store.client.set_tag(self._run_id, KEY, key)

    def close(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED."""
        if self._store:
            with _never_fatal():
                if self._store.client.get_run(self._run_id).info.lifecycle_stage == "active":
                    self._store.client.set_terminated(self._run_id, status)


@contextmanager
def live_run(folder: Path, params: Mapping[str, Any]) -> Iterator[LiveRun]:
    """A run that is RUNNING inside the `with` and FINISHED, FAILED or KILLED after it.

    Parameters: `folder` of the embedded store; `params` those that matter, nested. Never raises on account of the tracker.
    """
    run = LiveRun()
    with _never_fatal():
        store = Store(folder)
        store.sweep()
        run = LiveRun(store, store.create_run(params, {"host": socket.gethostname(), "process": _this_process()}))
    try:
        yield run
    except BaseException as error:
        run.close("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    run.close("FINISHED")


def complete_run(
    folder: Path,
    key: str,
    params: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, list[Path]],
    model: Path,
    code: Path,
) -> None:
    """See to it that the result `key` has one complete run. Raises BadInput when the embedded database cannot be used.

    Parameters: `folder` of the embedded store; `params` those that matter, nested; `metrics` by prefix ("validation", "test");
    `files` by artifact folder; `model` the file that `save_model` wrote, beside it example.npy, (1, pixels) of an image it learned
    from, and `code` the folder that loading it needs.
    """
    try:
        store = Store(folder)
    except (sqlite3.Error, mlflow.MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BadInput(
            f"the runs' database {database(folder)} cannot be used ({reason}); mend or delete it and run `dvc repro`."
        ) from error
    with store.locked():
        found = store.runs(f"tags.{KEY} = '{key}'")
        run_id = found[0].info.run_id if found else store.create_run(params, {KEY: key})
        if found and COMPLETE in found[0].data.tags:
            return
        logged = found[0].data.metrics if found else {}  # by train, live
        for prefix, values in metrics.items():
            store.log_metrics(run_id, {k: v for k, v in values.items() if f"{prefix}/{k}" not in logged}, prefix)
        for folder_name, paths in files.items():
            for path in paths:
                store.client.log_artifact(run_id, path, folder_name)
        _log_model(run_id, load_model(model), open_array(model.with_name("example.npy"), np.uint8, (1, None)), code)
        store.client.set_tag(run_id, COMPLETE, "true")
        store.client.set_terminated(run_id, "FINISHED")


def _log_model(run_id: str, model: Pipeline, example: np.ndarray, code: Path) -> None:
    needs = [f"{package}=={version(package)}" for package in ("mlflow", "numpy", "scikit-learn", "scipy", "skops", "tqdm")]
    inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, example.shape[1]))])
    outputs = Schema([TensorSpec(model.classes_.dtype, (-1,))])
    with mlflow.start_run(run_id=run_id):
        mlflow.sklearn.log_model(
            model, name="model", serialization_format="skops", skops_trusted_types=TRUSTED, code_paths=[str(code)],
            signature=ModelSignature(inputs, outputs), input_example=np.asarray(example), pip_requirements=needs,
        )  # fmt: skip


def _sqlite_uri(file: Path) -> str:
    """MLflow's name for a database file, after a look that it can be opened: MLflow would try for a minute and a half."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA schema_version")
    return f"sqlite:///{quote(str(file))}"


def flattened(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"train": {"model": "knn"}} as {"train.model": "knn"}."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        flat |= flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def run_name() -> str:
    """The DVC experiment's name, else branch and short commit."""
    if name := os.environ.get("DVC_EXP_NAME"):
        return name
    branch, commit = _git("rev-parse", "--abbrev-ref", "HEAD"), _git("rev-parse", "--short", "HEAD")
    return f"{branch}-{commit}" if commit else "no-commit"


def describe_source() -> dict[str, str]:
    """Tags that name the code: HEAD, and whether code or params differ from it (DVC runs are often uncommitted)."""
    changed = _git("status", "--porcelain", "--", "params.yaml", "dvc.yaml", "stages", "digits")
    return {"mlflow.source.git.commit": _git("rev-parse", "HEAD"), "dirty": str(bool(changed)).lower()}


def _git(*arguments: str) -> str:
    try:
        return subprocess.check_output(["git", *arguments], stderr=subprocess.DEVNULL, text=True).strip()
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, no commit yet
        return ""


def _this_process() -> str:
    return f"{os.getpid()} {psutil.Process().create_time():.2f}"


def _alive(process: str) -> bool:
    """Whether the process that `_this_process` named still runs; its start time tells it from a later one with its number."""
    try:
        pid, started = process.split()
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 1
    except (ValueError, psutil.NoSuchProcess):
        return False


@contextmanager
def _never_fatal() -> Iterator[None]:
    """A tracker's trouble is a warning: the result is on disk, and `track` logs it when the tracker is back."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever it is)
        log.warning("MLflow: %s: %s", type(error).__name__, " ".join(str(error).split())[:300])
