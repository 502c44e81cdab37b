"""Runs in MLflow, live: one per experiment, however the experiment came about.

`train` logs live and marks its run with the `result_key` of what came out; `track`, the last stage, finds the run by that key, or
rebuilds it from the files, and completes it (results.py). So a repro, a restored result, a clone, a queue and a wiped store all end
with one run. Training never fails because of the tracker: a server that does not answer costs seconds and a warning.
"""

import logging
import os
import re
import socket
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mlflow
import psutil
from filelock import FileLock
from mlflow.entities import Metric, Param, Run

from digits.common.errors import BadInput
from digits.experiments.provenance import EXPERIMENT_NAME, describe_source, run_name
from digits.params.nested import flatten
from digits.tracking.lookup import database, server

log = logging.getLogger(__name__)

logging.getLogger("mlflow.store.db").setLevel(
    logging.WARNING
)  # it announces every table it creates

logging.getLogger("urllib3").setLevel(logging.ERROR)  # it announces every retry

EXPERIMENT = "digits"


class Store:
    """Where runs go: the server or database that MLFLOW_TRACKING_URI names, else sqlite in the folder given.

    Parameters: `folder`; `embedded` to use no server, whatever that variable says. `is_fallback` tells whether a server was
    meant, `connection_error` in words that it did not answer.
    Raises BadInput when the database cannot be used, or somebody deleted our experiment.
    """

    def __init__(self, folder: Path, embedded: bool = False) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.is_fallback = embedded and server() is not None
        self.connection_error = ""
        if (uri := server()) and not embedded:
            try:
                self._connect(uri, artifacts=None)  # a server decides itself where artifacts go
                return
            except mlflow.MlflowException as error:
                self.connection_error = (
                    f"the MLflow server {without_password(uri)} does not answer ({one_line(error)})"
                )
                self.is_fallback = True
        file = database(self.folder)
        try:
            self._create_once(file)
            self._connect(sqlite_uri(file), artifacts=file.parent / "artifacts")
        except (sqlite3.Error, mlflow.MlflowException, OSError) as error:
            cure = "mend or delete it and run `dvc repro`"
            raise BadInput(
                f"the runs' database {file} cannot be used ({one_line(error)}); {cure}."
            ) from error

    def _create_once(self, file: Path) -> None:
        # Two processes that both create MLflow's tables break the file: one builds it aside, all others wait.
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            if not file.exists():
                new = file.with_name(file.name + ".new")
                new.unlink(missing_ok=True)
                self._connect(sqlite_uri(new), artifacts=file.parent / "artifacts")
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
        if (
            found.lifecycle_stage != "active"
        ):  # restoring it ourselves would bring back runs that were deleted one by one
            restore = f"mlflow experiments restore --experiment-id {found.experiment_id}"
            where = f"MLFLOW_TRACKING_URI={without_password(uri)}"
            raise BadInput(
                f"MLflow's experiment {EXPERIMENT!r} was deleted: `{restore}` brings it back ({where})."
            )
        self.experiment_id = found.experiment_id

    def runs(self, filter_string: str) -> list[Run]:
        """The runs of this project that match an MLflow filter, newest first."""
        return list(self.client.search_runs([self.experiment_id], filter_string, max_results=1000))

    def create_run(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Open a run with its params and tags, and return its id."""
        experiment = os.environ.get(EXPERIMENT_NAME, "")
        process = {"host": socket.gethostname(), "process": _this_process()}
        tags = {**describe_source(experiment), **process, **tags}
        run = self.client.create_run(self.experiment_id, tags=tags, run_name=run_name(experiment))
        flat = [Param(name, str(value)) for name, value in flatten(params).items()]
        self.client.log_batch(run.info.run_id, params=flat)
        return run.info.run_id

    def log_metrics(
        self, run_id: str, values: Mapping[str, Any], prefix: str, step: int = 0
    ) -> None:
        """Log all numbers of a flat mapping as `<prefix>/<name>`, in one batch."""
        now = int(time.time() * 1000)
        numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
        self.client.log_batch(
            run_id,
            metrics=[
                Metric(f"{prefix}/{name}", float(v), now, step) for name, v in numbers.items()
            ],
        )

    def locked(self) -> FileLock:
        """Holds other processes of this machine off while a run is looked for and made."""
        return FileLock(self.folder / "runs.lock")

    def sweep(self) -> None:
        """End the runs that a killed process of this machine left RUNNING."""
        for run in self.runs("attributes.status = 'RUNNING'"):
            tags = run.data.tags
            if tags.get("host") == socket.gethostname() and not _alive(tags.get("process", "")):
                self.client.set_terminated(run.info.run_id, "KILLED")


def open_store(folder: Path) -> Store:
    """The store, for whoever has a run to log: a warning when a server is meant and does not answer."""
    store = Store(folder)
    if store.connection_error:
        log.warning("%s: this run goes to %s instead", store.connection_error, store.folder)
    return store


def require_store(folder: Path) -> Store:
    """The store, for whoever looks for what is there. Raises BadInput when a server is meant and does not answer."""
    store = Store(folder)
    if store.connection_error:
        raise BadInput(f"{store.connection_error}, and what is asked for is there.")
    return store


def unfinished_run_file(folder: Path, key: str) -> Path:
    """Where `train` notes which run it had begun for a result, and what that cost, when the server did not answer in the end."""
    return folder / "begun" / f"{key}.json"


def sqlite_uri(file: Path) -> str:
    """MLflow's name for a database file, after a look that it can be opened: MLflow would try for a minute and a half."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA schema_version")
    return f"sqlite:///{quote(str(file))}"


def one_line(error: Exception) -> str:
    """What an error says, for people and logs: short, and without the password of a server's address."""
    return without_password(" ".join(str(error).split()))[:300]


def without_password(text: str) -> str:
    """http://user:secret@host as http://host."""
    return re.sub(r"//[^/@\s]+@", "//", text)


def _this_process() -> str:
    return f"{os.getpid()} {psutil.Process().create_time():.2f}"


def _alive(process: str) -> bool:
    """Whether the process that `_this_process` named still runs; its start time tells it from a later one with its number."""
    try:
        pid, started = process.split()
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 1
    except (ValueError, psutil.NoSuchProcess):
        return False
