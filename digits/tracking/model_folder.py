"""A fitted model as a folder that MLflow can load, and as a logged model of a run.

The folder is the one that `mlflow.sklearn.save_model` writes, but the model is copied as it is:
`mlflow.sklearn` would load it, write it anew, load that again and let it predict, for which it
imports scikit-learn and skops. That takes as long as all other work on a run.
"""

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Run
from mlflow.models import Model, ModelSignature
from mlflow.models.utils import _save_example
from mlflow.tracking.context.registry import resolve_tags
from mlflow.types import Schema, TensorSpec
from mlflow.utils.environment import _mlflow_conda_env, _PythonEnv
from numpy.typing import DTypeLike, NDArray

from digits.common.files import is_clutter
from digits.models.trusted import trusted_names

NAME = "model"  # of a run's logged model

MODEL_FILE = "model.skops"  # in the folder

_REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "scipy", "skops", "tqdm")


@dataclass(frozen=True)
class ModelFiles:
    """A fitted pipeline and what MLflow has to know of it.

    Attributes
    ----------
    model : Path
        The file that `persistence.save_model` wrote.
    example : ndarray of shape (1, n_pixels), uint8
        An image as the model gets it.
    predictions : dtype
        Of what the model returns: uint8 for digits, bool for yes or no.
    code : Path
        The folder of code that loading the model needs.
    """

    model: Path
    example: NDArray[np.uint8]
    predictions: DTypeLike
    code: Path


def save_for_mlflow(folder: Path, files: ModelFiles, metadata: Model | None = None) -> None:
    """Write the folder of a model that MLflow's servers and `load_model` can use.

    The private functions of MLflow are those that its guide to flavors of one's own names.

    Parameters
    ----------
    folder : Path
        Where to; it must not be there yet.
    files : ModelFiles
        The model.
    metadata : mlflow.models.Model or None
        Which run and logged model it belongs to, if it does.
    """
    metadata = metadata or Model()
    code = f"code/{files.code.name}"
    shutil.copytree(files.code, folder / code, ignore=_not_code)
    shutil.copyfile(files.model, folder / MODEL_FILE)
    requirements = [f"{package}=={version(package)}" for package in _REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
    _mlflow_conda_env(  # type: ignore[no-untyped-call]
        path=folder / "conda.yaml", additional_pip_deps=requirements
    )
    _PythonEnv.current().to_yaml(  # type: ignore[no-untyped-call]
        str(folder / "python_env.yaml")
    )

    _save_example(metadata, files.example, str(folder))
    inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, files.example.shape[1]))])
    outputs = Schema([TensorSpec(np.dtype(files.predictions), (-1,))])
    metadata.signature = ModelSignature(inputs, outputs)
    mlflow.pyfunc.add_to_model(
        metadata,
        loader_module="mlflow.sklearn",
        model_path=MODEL_FILE,
        code="code",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        predict_fn="predict",
    )
    metadata.add_flavor(
        "sklearn",
        pickled_model=MODEL_FILE,
        sklearn_version=version("scikit-learn"),
        serialization_format="skops",
        skops_trusted_types=list(trusted_names()),
        code="code",
    )
    metadata.model_size_bytes = sum(
        file.stat().st_size for file in folder.rglob("*") if file.is_file()
    )
    metadata.save(str(folder / "MLmodel"))


def _not_code(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or is_clutter(name)}


def log_model(client: mlflow.MlflowClient, run: Run, files: ModelFiles) -> str:
    """Log a model of a run, and return the logged model's id.

    A model whose logging fails or is killed is not READY: readers take one that is.
    """
    run_id = run.info.run_id
    logged = client.create_logged_model(
        run.info.experiment_id, NAME, run_id, tags=resolve_tags(), params=run.data.params
    )
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    metadata = Model(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
    )
    status = LoggedModelStatus.FAILED
    try:
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / NAME
            save_for_mlflow(folder, files, metadata)
            client.log_model_artifacts(logged.model_id, str(folder))
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(logged.model_id, status)
    return logged.model_id
