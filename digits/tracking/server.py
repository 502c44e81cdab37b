"""Where several machines keep runs: an MLflow server, or a PostgreSQL database without one.

How the database is opened, and why one or the other cannot be used. The database has the runs,
their params and metrics. Their files go where the experiment says, which is fixed when the first
run is logged: MLflow would take a folder of the machine that was first.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from digits.common.environment import HTTP_TIMEOUT
from digits.common.errors import BadInput
from digits.tracking.database import EXPERIMENT, local_path
from digits.tracking.lookup import is_postgres
from digits.tracking.messages import install_missing, one_line, without_password

_RENAME = f"rename its experiment {EXPERIMENT!r}, whose place for files is fixed"
_KEEP_FILES_ITSELF = (
    "start the server with `--artifacts-destination`, so that it keeps the files itself, and "
    f"{_RENAME}"
)
_S3_LOGIN = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and MLFLOW_S3_ENDPOINT_URL if it is not "
    "Amazon's"
)

_FILES_ROOT = "MLFLOW_DEFAULT_ARTIFACT_ROOT"  # as for `mlflow server`

# Else a database that falls silent is waited for, for hours.
_LIMITS = {
    "connect_timeout": HTTP_TIMEOUT,  # seconds, as the next three
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "11000",  # milliseconds
}

_LOCK = 8_888_170_028  # any number that no other program locks

_FILES = "/api/2.0/mlflow/artifacts/list"  # what a server itself sees of a run's files


class CannotStore(Exception):
    """The server answers, but a run's files would not be where it looks."""


def open_postgres(uri: str) -> str:
    """See to it that a database answers and has MLflow's tables.

    MLflow itself would try to reach it for a minute and a half.

    Parameters
    ----------
    uri : str
        postgresql://USER:PASSWORD@HOST/DATABASE.

    Returns
    -------
    str
        The address with limits of time, for MLflow.

    Raises
    ------
    BadInput
        When it is no address.
    sqlalchemy.exc.SQLAlchemyError, ImportError, mlflow.MlflowException
        When it does not answer, there is no driver, or MLflow cannot use it.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # a third of a second

    url = _read_address(uri)
    # SQLAlchemy leaves blanks, at which an address seems to end.
    address = url.render_as_string(hide_password=False).replace(" ", "%20")
    with create_engine(url, poolclass=NullPool).connect() as connection:
        # Until the connection ends: two machines that both create MLflow's tables would fail.
        connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
        if not inspect(connection).has_table("alembic_version"):
            SqlAlchemyStore(address, _files_root())  # type: ignore[no-untyped-call]
    return address


def _read_address(uri: str) -> URL:
    try:
        url = make_url(uri)
    except (ValueError, ArgumentError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise BadInput(
            "MLFLOW_TRACKING_URI cannot be read: allowed is "
            "postgresql://USER:PASSWORD@HOST/DATABASE, in which signs of the password such as "
            "@ : / ? # % are written as %40 %3A %2F %3F %23 %25."
        )
    return url.update_query_dict(_LIMITS | {name: str(url.query[name]) for name in url.query})


def files_uri() -> str:
    """Where the files of this project's runs go, for an experiment that is not there yet."""
    return f"{_files_root().rstrip('/')}/{EXPERIMENT}"


def _files_root() -> str:
    root = os.environ.get(_FILES_ROOT, "")
    if not re.match(r"(?!file:)[\w+-]+://.", root):
        found = f"is {root!r}" if root else "is not set"
        raise BadInput(
            f"{_FILES_ROOT} {found}: allowed is where all machines can keep the files of runs, "
            "such as s3://BUCKET/FOLDER, since a database does not."
        )
    return root


def why_not_connected(uri: str, error: Exception) -> str:
    """Why a server or database cannot be used, and what helps, as the first half of a sentence."""
    if isinstance(error, ImportError):
        return f"{_server(uri)} cannot be used ({one_line(error)}): {install_missing(error)}"
    return f"{_server(uri)} does not answer ({one_line(error)})"


def _server(uri: str) -> str:
    kind = "database" if is_postgres(uri) else "MLflow server"
    return f"the {kind} {without_password(uri).partition('?')[0]}"


def why_not_stored(client: MlflowClient, uri: str, experiment_id: str, error: Exception) -> str:
    """Why a run is not on a server, and what helps, as the first half of a sentence.

    Parameters
    ----------
    client : MlflowClient
        Of the server.
    uri : str
        The server's address.
    experiment_id : str
        Of this project's experiment there.
    error : Exception
        What came of the attempt.
    """
    server, reason = _server(uri), one_line(error)
    if isinstance(error, CannotStore):
        return f"{server} cannot keep the run ({reason})"
    if "/logged-models" in reason and "404" in reason:
        return f"{server} is older than MLflow 3, it has no logged models: upgrade it"
    place = ""
    with suppress(Exception):  # it may be gone altogether
        place = without_password(client.get_experiment(experiment_id).artifact_location)
    if not place or place.startswith("mlflow-artifacts:"):
        return f"{server} failed ({reason})"
    cures = ["mend that"] if is_postgres(uri) else [_KEEP_FILES_ITSELF]
    if isinstance(error, ImportError):
        cures.insert(0, install_missing(error))
    elif place.startswith("s3:"):
        cures.insert(0, _S3_LOGIN)
    cure = ", or ".join(cures)
    return f"this client cannot write to {place}, where {server} keeps files ({reason}): {cure}"


def check_files_are_seen(uri: str, run: Run) -> None:
    """See to it that the files of a run, if they are to lie in a folder, are the server's too.

    A server may name a folder of its own machine, which this one would make and fill here.

    Raises
    ------
    CannotStore
        When the server does not see what is written there.
    """
    place = run.info.artifact_uri
    if is_postgres(uri) and place.startswith("mlflow-artifacts:"):
        raise CannotStore(
            "an MLflow server keeps its files: set MLFLOW_TRACKING_URI to that server's address"
        )
    if not (folder := local_path(place)):
        return
    if is_postgres(uri):
        if not folder.parents[1].exists():
            raise CannotStore(f"{folder} is a folder of another machine: {_RENAME}")
        return
    try:
        with _file_in(folder) as name:
            seen = _files_seen(uri, run)
    except OSError as error:
        seen, name = set(), one_line(error)
    if name not in seen:
        raise CannotStore(
            f"{folder} is a folder of its machine, not of this one: {_KEEP_FILES_ITSELF}"
        )


@contextmanager
def _file_in(folder: Path) -> Iterator[str]:
    """An empty file in a folder, and the folder if need be; neither is left behind."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"seen-{uuid4().hex}"
    try:
        file.touch()
        yield file.name
    finally:
        file.unlink(missing_ok=True)
        with suppress(OSError):  # somebody else writes there
            for path in missing:
                path.rmdir()


def _files_seen(uri: str, run: Run) -> set[str]:
    login = get_default_host_creds(uri)  # type: ignore[no-untyped-call]
    answer = http_request(  # type: ignore[no-untyped-call]
        login, _FILES, "GET", params={"run_id": run.info.run_id}
    )
    return {str(file["path"]) for file in answer.json().get("files", [])}
