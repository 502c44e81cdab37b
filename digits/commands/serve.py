"""`python -m digits.serving [MODEL] [PORT]`: MLflow's own scoring server on 127.0.0.1.

MODEL is workspace, champion, or a run by its id or name. What is served is saved anew, from a model file of which only trusted
types are loaded, with the code that is here: the folder of a logged model may bring code of its own, and MLflow would run it.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
from mlflow.sklearn import save_model

from digits.commands.ports import check_port
from digits.common.errors import BadInput
from digits.common.files import remove
from digits.experiments.git import ROOT
from digits.models.persistence import load_model
from digits.tracking.completion import how_to_log
from digits.tracking.lookup import store_folder
from digits.tracking.registry import champion_files, files_of, find_run
from digits.tracking.store import require_store


def main(model: str = "workspace", port: str = "5001") -> None:
    """Serve a model until interrupted."""
    try:
        check_port(port)
        folder = prepare(model, store_folder(ROOT) / f"served-{port}")
    except (BadInput, mlflow.MlflowException) as error:
        sys.exit(f"serving: {error}")
    print(f"{model}: POST http://127.0.0.1:{port}/invocations (Ctrl-C ends it)", flush=True)
    command = [
        "mlflow",
        "models",
        "serve",
        "-m",
        str(folder),
        "--env-manager",
        "local",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    os.execv(sys.executable, [sys.executable, "-m", *command])  # noqa: S606 (this process becomes the server)


def prepare(model: str, folder: Path) -> Path:
    """Save a model anew in a folder, as MLflow's server wants it. Raises BadInput when there is no such model."""
    with TemporaryDirectory() as temporary:
        pipeline = load_model(_file(model, Path(temporary)))
    remove(folder)
    example = np.zeros((1, pipeline.n_features_in_), np.uint8)
    save_model(pipeline, str(folder), **how_to_log(pipeline, example, ROOT / "digits"))
    return folder


def _file(model: str, folder: Path) -> Path:
    if model == "workspace":
        if not (file := ROOT / "models" / "model.skops").exists():
            raise BadInput(
                f"{file.relative_to(ROOT)} is not there: `dvc repro` or `dvc pull` brings it."
            )
        return file
    store = require_store(store_folder(ROOT))
    return (
        champion_files(store, folder)
        if model == "champion"
        else files_of(store, find_run(store, model), folder)
    ).model
