"""The MLflow runs of this repository, for commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from digits.common.errors import BadInput
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from digits.tracking.registry import DownloadedModel
    from digits.tracking.store import Store


def open_runs() -> "Store":
    """The store in which this repository's runs are.

    Raises
    ------
    BadInput
        When it cannot be used, or the server that MLFLOW_TRACKING_URI names does not answer.
    """
    from digits.tracking.lookup import store_folder
    from digits.tracking.store import require_store

    return require_store(store_folder(ROOT))


def download(model: str, folder: Path) -> "DownloadedModel":
    """Bring the files of the champion, or of a run by its id or name, into a folder.

    Raises BadInput when there is none.
    """
    from digits.tracking.registry import download_champion, download_model, find_run

    store = open_runs()
    if model == "champion":
        return download_champion(store, folder)
    return download_model(*find_run(store, model), folder)


@contextmanager
def mlflow_errors_as_bad_input() -> Iterator[None]:
    """Whatever MLflow raises within is BadInput: one sentence instead of a traceback."""
    import mlflow

    from digits.tracking.database import find_cure
    from digits.tracking.messages import one_line

    try:
        yield
    except mlflow.MlflowException as error:
        text = one_line(error)
        cure = find_cure(text)
        raise BadInput(f"MLflow failed: {text}" + (f": {cure}." if cure else "")) from error
