"""`python -m digits serve`: MLflow's own scoring server on 127.0.0.1.

What is served is saved anew, from a model file of which only trusted types are loaded, with the
code that is here: the folder of a logged model may bring code of its own, and MLflow would run it.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from digits.commands.options import add_port, check_port_is_free
from digits.commands.runs import download, mlflow_errors_as_bad_input
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

HELP = "MLflow's scoring server for a model, on 127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and where the server listens."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        default="workspace",
        help="workspace (the default), champion, or a run by its id or name",
    )
    add_port(parser, default=5001)


def run(arguments: argparse.Namespace) -> None:
    """Serve a model until interrupted."""
    import uvicorn

    from digits.tracking.lookup import store_folder
    from digits.tracking.scoring import scoring_app

    model, port = arguments.model, arguments.port
    check_port_is_free(port)
    with mlflow_errors_as_bad_input():
        folder = save_for_serving(model, store_folder(ROOT) / f"served-{port}")
        app = scoring_app(folder)
    print(f"{model}: POST http://127.0.0.1:{port}/invocations (Ctrl-C ends it)", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port)


def save_for_serving(model: str, folder: Path) -> Path:
    """Save a model anew, as MLflow's server wants it.

    Parameters
    ----------
    model : str
        "workspace", "champion", or a run's id or name.
    folder : Path
        Where to; what is there is deleted.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    BadInput
        When there is no such model.
    """
    import numpy as np

    from digits.common.files import remove
    from digits.models.persistence import load_model
    from digits.tracking.model_folder import ModelFiles, save_for_mlflow

    with TemporaryDirectory() as temporary:
        file = _model_file(model, Path(temporary))
        pipeline = load_model(file)  # with our list of trusted types, before MLflow loads it
        example = np.zeros((1, pipeline.n_features_in_), np.uint8)
        remove(folder)
        save_for_mlflow(folder, ModelFiles(file, example, pipeline.classes_.dtype, ROOT / "digits"))
    return folder


def _model_file(model: str, folder: Path) -> Path:
    from digits.experiments.names import WORKSPACE
    from digits.experiments.revisions import open_result

    if model == WORKSPACE:
        with open_result(ROOT, WORKSPACE) as result:
            result.check("validation")  # the model belongs to it
        if not (file := ROOT / "models" / "model.skops").exists():
            name = file.relative_to(ROOT).as_posix()
            raise BadInput(f"{name} is not there: `dvc repro` or `dvc pull` brings it.")
        return file
    return download(model, folder).model
