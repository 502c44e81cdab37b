"""The database of runs: made once, read by MLflow, and moved with its folder.

MLflow keeps absolute paths of a run's files. When the folder is renamed, copied, or mounted at
another place, they are written anew, here and nowhere else, whenever the database is opened: else
the files would not be found, and a copy's runs would go to the original's folder.
"""

import sqlite3
import warnings
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlparse
from urllib.request import url2pathname

import mlflow
from sqlalchemy.exc import SADeprecationWarning

from digits.common.errors import BadInput
from digits.common.locks import hold
from digits.tracking.messages import one_line

EXPERIMENT = "digits"

# The columns in which MLflow keeps paths of files.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)

_WAIT = 60  # seconds, while other processes write

# What SQLite or the system says, and what helps.
_CURES = {
    "not a database": (
        "it is no database: move it away or delete it, and `dvc repro -sf track` makes one"
    ),
    "malformed": (
        "bring back a copy of it; if there is none, an sqlite3 that knows .recover reads what is "
        "whole"
    ),
    "no such table": "it lacks a table of MLflow's: bring back a copy of it",
    "no such column": "it lacks a column of MLflow's: bring back a copy of it",
    "is locked": "another process holds it: wait for its end, or end it",
    "readonly": "who runs this must be allowed to write to it and to its folder",
    "unable to open": "it must be a file that may be read and written, in a folder of that kind",
    "Permission denied": "who runs this must be allowed to write to it and to its folder",
    "Read-only": "who runs this must be allowed to write to it and to its folder",
    "is full": "make room on its disk",
    "No space left": "make room on its disk",
    "I/O error": "its disk fails, or has no locks that work",
}


def open_database(file: Path) -> str:
    """Make a database with MLflow's tables unless it is there, and set right where its files are.

    Parameters
    ----------
    file : Path
        The database; its runs' files are in artifacts/ beside it.

    Returns
    -------
    str
        MLflow's name for it.
    """
    if not file.exists():
        # Two processes that both create MLflow's tables break the file: one does, all others wait.
        file.parent.mkdir(parents=True, exist_ok=True)
        with hold(file.with_name(file.name + ".lock")):
            if not file.exists():
                new = file.with_name(file.name + ".new")
                new.write_bytes(empty_database())
                with closing(sqlite3.connect(new)) as connection, connection:
                    # Of MLflow's own experiment, which would have a folder where we are now.
                    where = "UPDATE experiments SET artifact_location = ? || experiment_id"
                    connection.execute(where, (artifacts_uri(file) + "/",))
                new.replace(file)
    update_locations(file)
    return sqlite_uri(file)


def artifacts_uri(file: Path) -> str:
    """Where the files of a database's runs are."""
    return (file.resolve().parent / "artifacts").as_uri()


def update_locations(file: Path) -> None:
    """Write the paths of all files in a database anew, if its folder has moved.

    It is one transaction, in which another process sees all of it or nothing.
    """
    here = artifacts_uri(file)
    with closing(sqlite3.connect(file, timeout=_WAIT, isolation_level=None)) as connection:
        if not _has_moved(_location(connection), file):
            return
        connection.execute("BEGIN IMMEDIATE")
        there = _location(connection)  # again, as another process may have been faster
        if there and _has_moved(there, file):
            for table, column in _columns(connection) & set(LOCATIONS):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (here, len(there) + 1, there, len(there) + 1, there + "/"),
                )
        connection.execute("COMMIT")


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """All columns: older versions of MLflow have fewer."""
    query = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
    return {(table, column) for table, column in connection.execute(query)}


def _location(connection: sqlite3.Connection) -> str | None:
    """Where our experiment's files were when the database was last opened."""
    if ("experiments", "artifact_location") not in _columns(connection):
        return None
    query = "SELECT artifact_location FROM experiments WHERE name = ?"
    row = connection.execute(query, (EXPERIMENT,)).fetchone()
    return row[0] if row else None


def _has_moved(location: str | None, file: Path) -> bool:
    before = local_path(location or "")
    if not before or before.name != "artifacts" or location == artifacts_uri(file):
        return False
    # A person's own database may keep its files elsewhere on purpose: then they are there.
    is_ours = file.parent.name == ".mlflow" or file.with_name("artifacts").exists()
    return is_ours or not before.exists()


def local_path(location: str) -> Path | None:
    """Where MLflow's name for a place of files leads on this machine; None if it does not."""
    url = urlparse(location)
    if url.scheme == "file" and not url.netloc:
        return Path(url2pathname(url.path))
    return Path(location) if location and not url.scheme else None


@cache
def empty_database() -> bytes:
    """The content of a database with MLflow's tables and no runs.

    MLflow gets there through some fifty migrations. They are made in memory: in a file each would
    wait for the disk, five seconds in all.
    """
    name = "file:digits?mode=memory&cache=shared"
    # The database lives as long as this connection.
    with closing(sqlite3.connect(name, uri=True)) as connection, warnings.catch_warnings():
        # SQLAlchemy's pool for databases in memory will be another one: either does.
        warnings.simplefilter("ignore", SADeprecationWarning)
        mlflow.MlflowClient(f"sqlite:///{name}&uri=true")
        return connection.serialize()


def sqlite_uri(file: Path) -> str:
    """MLflow's name for a database file, after a look that it can be opened and is whole.

    With one that cannot, MLflow would try for a minute and a half; of one that is damaged in its
    middle, the MLflow UI would show a traceback.
    """
    with closing(sqlite3.connect(file, timeout=_WAIT)) as connection:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")
    quoted = quote(str(file))
    # By this name MLflow does not make the folder that the quoted path would be.
    scheme = "sqlite" if quoted == str(file) else "sqlite+pysqlite"
    return f"{scheme}:///{quoted}"


def why_unusable(file: Path, error: Exception) -> BadInput:
    """What is wrong with a database, and what helps, as the error to raise."""
    text = one_line(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        cure = "it must be a file, in a folder"
    elif "out-of-date database schema" in text:
        text, cure = _schema_cause_and_cure(file)
    else:
        cure = find_cure(text) or "`dvc repro` logs the run when it can be used again"
    return BadInput(f"the runs' database {file} cannot be used ({text}): {cure}.")


def find_cure(text: str) -> str | None:
    """What helps against what SQLite or the system says; None when that is not known."""
    return next((cure for words, cure in _CURES.items() if words in text), None)


def _schema_cause_and_cure(file: Path) -> tuple[str, str]:
    """What brings a database and this MLflow together: the older of the two is upgraded."""
    row = None
    with closing(sqlite3.connect(file)) as connection, suppress(sqlite3.OperationalError):
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        return "its table alembic_version is missing or empty", "bring back a copy of it"
    (found,), cause = row, "another version of MLflow wrote it"
    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    if any(migrations.glob(f"{found}_*.py")):
        upgrade = f'mlflow db upgrade "{sqlite_uri(file)}"'
        return cause, f"it is older than MLflow {mlflow.__version__}: copy it, then `{upgrade}`"
    cure = "use the version that wrote it, or a newer"
    return cause, f"it is newer than MLflow {mlflow.__version__}: {cure}"
