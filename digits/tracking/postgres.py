"""Runs in a PostgreSQL database that several machines share, without an MLflow server.

The database has the runs, their params and metrics. Their files go where the experiment says, which
is fixed when the first run is logged: MLflow would take a folder of the machine that was first.
"""

import os
import re

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from digits.common.environment import HTTP_TIMEOUT
from digits.common.errors import BadInput
from digits.tracking.database import EXPERIMENT

FILES = "MLFLOW_DEFAULT_ARTIFACT_ROOT"  # as for `mlflow server`

# Else a database that falls silent is waited for, for hours.
_LIMITS = {
    "connect_timeout": HTTP_TIMEOUT,  # seconds, as the next three
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "11000",  # milliseconds
}

_LOCK = 8_888_170_028  # any number that no other program locks


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
    root = os.environ.get(FILES, "")
    if not re.match(r"(?!file:)[\w+-]+://.", root):
        found = f"is {root!r}" if root else "is not set"
        raise BadInput(
            f"{FILES} {found}: allowed is where all machines can keep the files of runs, such as "
            "s3://BUCKET/FOLDER, since a database does not."
        )
    return root
