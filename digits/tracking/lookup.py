"""Where runs are kept, and whether a result has its run already.

This is answered without MLflow, whose import takes longer than the answer.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from digits.common.files import file_sha256
from digits.tracking.messages import without_password

log = logging.getLogger(__name__)

KEY = "result_key"  # tag of a run: which result it is

# Tag of a run that has all its metrics, plots and the model: which evaluation it shows.
COMPLETE = "complete"


def result_key(params: Mapping[str, Any], model_sha256: str) -> str:
    """The name of a result: SHA-256 of the parameters that matter and of the model's own SHA-256.

    Parameters
    ----------
    params : mapping
        Those that matter, nested.
    model_sha256 : str
        Of the model's file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    content = json.dumps([params, model_sha256], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def evaluation_key(files: Iterable[Path]) -> str:
    """The name of an evaluation: SHA-256 of the names and contents of its files (64 digits).

    One model is evaluated again when the code that measures changes, or one's own test images do;
    that is another run.
    """
    named = sorted((file.as_posix(), file_sha256(file)) for file in files)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def server() -> str | None:
    """The MLflow server or PostgreSQL database that MLFLOW_TRACKING_URI names, if it names one."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return uri if uri.startswith(("http://", "https://")) or is_postgres(uri) else None


def is_postgres(uri: str) -> bool:
    """Whether an address is a PostgreSQL database's, which is used without an MLflow server."""
    return re.match(r"postgresql(\+psycopg2?)?://", uri) is not None


def database(folder: Path) -> Path:
    """The sqlite file that MLFLOW_TRACKING_URI names, else mlflow.db in `folder`.

    A relative path is meant from the repository, which `folder` is in, not from the temporary copy
    that a DVC queue works in.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if sqlite := re.match(r"sqlite(\+pysqlite)?:///", uri):
        return folder.absolute().parent / unquote(uri[sqlite.end() :])
    if uri and not server():
        log.warning(
            "MLFLOW_TRACKING_URI is %r, allowed are http(s)://..., postgresql://... and "
            "sqlite:///FILE: runs go to %s",
            without_password(uri),
            folder,
        )
    return folder.absolute() / "mlflow.db"


def store_folder(root: Path) -> Path:
    """The folder of a project's embedded store, which all worktrees of its repository share.

    It outlives them: it is in the main worktree, or in the repository's own folder if that is bare.

    Parameters
    ----------
    root : Path
        The project's folder, which may be one of several in its repository.
    """
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    git = top / ".git"
    if git.is_file():  # a worktree, whose .git names a folder that names the repository's
        folder = top / git.read_text(encoding="utf-8").partition("gitdir: ")[2].strip()
        if (common := folder / "commondir").is_file():
            shared = (folder / common.read_text(encoding="utf-8").strip()).resolve()
            project = root.relative_to(top)
            if shared.name == ".git":
                return shared.parent / project / ".mlflow"
            return shared / project / ".mlflow"
    return root / ".mlflow"


def has_complete_run(folder: Path, key: str, evaluation: str) -> bool:
    """Whether the embedded store certainly has a complete run, and none left to end.

    Of a server only MLflow can say.

    Parameters
    ----------
    folder : Path
        Of the embedded store.
    key : str
        The result's (`result_key`).
    evaluation : str
        The evaluation's (`evaluation_key`).

    Returns
    -------
    bool
        False also when a killed process left any run RUNNING: MLflow has to end it.
    """
    if server() or not (file := database(folder)).exists():
        return False
    query = """
        SELECT 1 FROM runs
        JOIN tags AS result USING (run_uuid)
        JOIN tags AS state USING (run_uuid)
        WHERE runs.lifecycle_stage = 'active'
        AND result.key = ? AND result.value = ?
        AND state.key = ? AND state.value = ?
        AND NOT EXISTS (
            SELECT 1 FROM runs WHERE status = 'RUNNING' AND lifecycle_stage = 'active'
        )
    """
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(query, (KEY, key, COMPLETE, evaluation)).fetchone()
    except sqlite3.Error as error:
        # MLflow's tables have changed, or another process is writing: MLflow will have to say.
        log.info("asking MLflow, since its database did not answer: %s", error)
        return False
    return row is not None


def unfinished_run_file(folder: Path, key: str) -> Path:
    """Where `train` notes its run of a result, and the cost, when the store did not answer."""
    return folder / "begun" / f"{key}.json"
