"""Where runs are kept: on an MLflow server, or in a database in the repository."""

import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
import psutil
from mlflow.entities import Experiment, Metric, Param, Run

from digits.common.errors import BadInput
from digits.common.garbage import without_garbage
from digits.common.locks import hold
from digits.experiments.provenance import describe_source, running_experiment
from digits.experiments.run_names import run_name
from digits.params.nested import flatten
from digits.tracking.database import (
    EXPERIMENT,
    artifacts_uri,
    open_database,
    update_locations,
    why_unusable,
)
from digits.tracking.lookup import database, is_postgres, server
from digits.tracking.messages import without_password
from digits.tracking.server import files_uri, open_postgres, why_not_connected

log = logging.getLogger(__name__)

# Else it names each table that it makes, and shows a traceback of what is said in a sentence here.
logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)

# Else it shows a traceback of a connection that was closed, as the process was asked to exit.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)

logging.getLogger("urllib3").setLevel(logging.ERROR)  # else it names each retry

BATCH = 1000  # metrics that MLflow takes at once


class Store:
    """The server or database that MLFLOW_TRACKING_URI names, else a database in the folder given.

    Parameters
    ----------
    folder : Path
        Of the embedded store: mlflow.db and artifacts/ are in it.
    embedded : bool
        Use no server, whatever MLFLOW_TRACKING_URI says.

    Attributes
    ----------
    uri : str
        MLflow's name for the store.
    client : MlflowClient
        Of the store.
    experiment_id : str
        Of this project's experiment in it.
    is_fallback : bool
        Whether MLFLOW_TRACKING_URI names a server, and another store is used instead.
    connection_error : str
        Why the server cannot be used, in words; else empty.
    file : Path or None
        The database; None on a server.

    Raises
    ------
    BadInput
        When the database cannot be used, or somebody deleted our experiment.
    """

    def __init__(self, folder: Path, embedded: bool = False) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.is_fallback = embedded and server() is not None
        self.connection_error = ""
        self.file: Path | None = None
        if (uri := server()) and not embedded:
            try:
                self._connect(open_postgres(uri) if is_postgres(uri) else uri)
                return
            except BadInput as error:
                self.connection_error = str(error).rstrip(".")
            except Exception as error:  # noqa: BLE001 (MLflow's, or of any of its libraries)
                self.connection_error = why_not_connected(uri, error)
            self.is_fallback = True
        self.file = database(self.folder)
        try:
            with without_garbage():  # MLflow imports SQLAlchemy now, and maps its tables
                self._connect(open_database(self.file))
        except BadInput:
            raise
        except Exception as error:
            raise why_unusable(self.file, error) from error

    def _connect(self, uri: str) -> None:
        if without_password(uri) != uri:  # MLflow prints addresses of runs with the password
            os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        mlflow.set_tracking_uri(uri)
        self.uri, self.client = uri, mlflow.MlflowClient(uri)
        experiment = self.client.get_experiment_by_name(EXPERIMENT) or self._create()
        if experiment.lifecycle_stage != "active":
            # Restoring it ourselves would bring back runs that were deleted one by one.
            restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
            where = f"MLFLOW_TRACKING_URI={without_password(uri).partition('?')[0]}"
            raise BadInput(
                f"MLflow's experiment {EXPERIMENT!r} was deleted: `{restore}` brings it back "
                f"({where})."
            )
        self.experiment_id = experiment.experiment_id

    def _create(self) -> Experiment:
        # Without a location MLflow would put a database's artifacts below the current folder,
        # which in a queue is deleted. A server decides itself.
        artifacts = None
        if self.file or is_postgres(self.uri):
            artifacts = artifacts_uri(self.file) if self.file else files_uri()
        with suppress(mlflow.MlflowException):  # another process may have come first
            self.client.create_experiment(EXPERIMENT, artifacts)
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        assert experiment, f"{self.name} did not keep the experiment {EXPERIMENT!r}"
        return experiment

    @property
    def name(self) -> str:
        """What it is called in a note: stays when its folder is moved, and has no password."""
        return self.file.name if self.file else without_password(self.uri).partition("?")[0]

    def runs(self, filter_string: str) -> list[Run]:
        """The runs of this project that match an MLflow filter, newest first."""
        return list(self.client.search_runs([self.experiment_id], filter_string, max_results=1000))

    def create_run(self, params: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Open a run with its params and tags, and return its id."""
        experiment = running_experiment()
        process = {"host": socket.gethostname(), "process": _this_process()}
        tags = {**describe_source(experiment), **process, **tags}
        run = self.client.create_run(self.experiment_id, tags=tags, run_name=run_name(experiment))
        flat = [Param(name, str(value)) for name, value in flatten(params).items()]
        self.client.log_batch(run.info.run_id, params=flat)
        return run.info.run_id

    def log_metrics(
        self, run_id: str, values: Mapping[str, Any], prefix: str, step: int = 0
    ) -> None:
        """Log all numbers of a flat mapping as `<prefix>/<name>`."""
        self.log_points(run_id, points(values, prefix, step))

    def log_points(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log points of any metrics, in as few batches as MLflow allows."""
        for first in range(0, len(metrics), BATCH):
            self.client.log_batch(run_id, metrics=metrics[first : first + BATCH])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold other processes off while a run is looked for and made."""
        with hold(self.folder / "runs.lock"):
            if self.file:
                # By then a process that sees the folder at another place may have opened it.
                update_locations(self.file)
            yield

    def sweep(self) -> None:
        """End the runs that a killed process of this machine left RUNNING."""
        for run in self.runs("attributes.status = 'RUNNING'"):
            tags = run.data.tags
            if tags.get("host") == socket.gethostname() and not _is_alive(tags.get("process", "")):
                self.client.set_terminated(run.info.run_id, "KILLED")


def points(
    values: Mapping[str, Any], prefix: str, step: int = 0, model_id: str | None = None
) -> list[Metric]:
    """The numbers of a flat mapping as metrics `<prefix>/<name>`, measured now."""
    now = int(time.time() * 1000)
    return [
        Metric(f"{prefix}/{name}", float(value), now, step, model_id)
        for name, value in values.items()
        if isinstance(value, int | float)
    ]


def open_store(folder: Path) -> Store:
    """The store, for whoever logs a run: a server that cannot be used is a warning."""
    store = Store(folder)
    if store.connection_error:
        log.warning("%s: this run goes to %s instead", store.connection_error, store.folder)
    return store


def require_store(folder: Path) -> Store:
    """The store, for whoever looks for a run. Raises BadInput when the server cannot be used."""
    store = Store(folder)
    if store.connection_error:
        raise BadInput(f"{store.connection_error}, and runs are looked for there alone.")
    return store


def _this_process() -> str:
    return f"{os.getpid()} {psutil.Process().create_time():.2f}"


def _is_alive(process: str) -> bool:
    """Whether the process that `_this_process` named still runs.

    Its start time tells it from a later process of its number.
    """
    try:
        pid, started = process.split()
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < 1
    except (ValueError, psutil.NoSuchProcess):
        return False
