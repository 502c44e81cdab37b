"""The model that reads pictures for a command: the workspace's, the champion, or a run's."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from digits.commands.runs import download, mlflow_errors_as_bad_input
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from digits.inference.reader import Reader

WORKSPACE, CHAMPION = "workspace", "champion"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model and, for the most frequent other one, --champion."""
    parser.add_argument(
        "--model",
        default=WORKSPACE,
        help=f"{WORKSPACE} (the default), {CHAMPION}, or a run by its id or name",
    )
    parser.add_argument(
        "--champion",
        action="store_const",
        const=CHAMPION,
        dest="model",
        help="the champion in MLflow's registry, as --model champion",
    )


def open_reader(model: str) -> "Reader":
    """Load the model that --model names.

    Raises
    ------
    BadInput
        When there is no such model, or its files are not here or not one result.
    """
    from digits.inference.reader import load_reader

    if model == WORKSPACE:
        target = workspace_target()
        return load_reader(ROOT / "models" / "model.skops", ROOT / "models" / "validation", target)
    with mlflow_errors_as_bad_input(), TemporaryDirectory() as temporary:
        files = download(model, Path(temporary))
        return load_reader(files.model, files.validation, files.target)


def workspace_target() -> int | str:
    """The target of the workspace's model. Raises NotOneResult when that is not dvc.lock's."""
    from digits.experiments.revisions import open_result

    with open_result(ROOT, WORKSPACE) as result:
        result.check("validation")  # the model belongs to it
        target: int | str = result.params["target"]
    return target
