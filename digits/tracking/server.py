"""What an MLflow server cannot do for this client, and why."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from digits.tracking.database import EXPERIMENT, local_path
from digits.tracking.lookup import is_postgres
from digits.tracking.messages import install_command, one_line, without_password

_RENAME = f"rename its experiment {EXPERIMENT!r}, whose place for files is fixed"
_KEEP_FILES_ITSELF = (
    "start the server with `--artifacts-destination`, so that it keeps the files itself, and "
    f"{_RENAME}"
)
_S3_LOGIN = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and MLFLOW_S3_ENDPOINT_URL if it is not "
    "Amazon's"
)
_FILES = "/api/2.0/mlflow/artifacts/list"  # what a server itself sees of a run's files


class CannotStore(Exception):
    """The server answers, but a run's files would not be where it looks."""


def why_not_connected(uri: str, error: Exception) -> str:
    """Why a server or database cannot be used, and what helps, as the first half of a sentence."""
    if isinstance(error, ImportError):
        return f"{_server(uri)} cannot be used ({one_line(error)}): {install_command(error)}"
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
    server, text = _server(uri), one_line(error)
    if isinstance(error, CannotStore):
        return f"{server} cannot keep the run ({text})"
    if "/logged-models" in text and "404" in text:
        return f"{server} is older than MLflow 3, it has no logged models: upgrade it"
    place = ""
    with suppress(Exception):  # it may be gone altogether
        place = without_password(client.get_experiment(experiment_id).artifact_location)
    if not place or place.startswith("mlflow-artifacts:"):
        return f"{server} failed ({text})"
    cures = ["mend that"] if is_postgres(uri) else [_KEEP_FILES_ITSELF]
    if isinstance(error, ImportError):
        cures.insert(0, install_command(error))
    elif place.startswith("s3:"):
        cures.insert(0, _S3_LOGIN)
    cure = ", or ".join(cures)
    return f"this client cannot write to {place}, where {server} keeps files ({text}): {cure}"


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
