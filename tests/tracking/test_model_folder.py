"""The folder of a logged model: what MLflow itself would write, and usable without the project."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray

from digits.models.persistence import load_model
from digits.models.trusted import trusted_names
from digits.tracking.completion import complete_run
from digits.tracking.model_folder import ModelFiles, save_for_mlflow
from tests.imports import ROOT
from tests.runs import finish, key_of, models_of, python, result, uri_of, with_key
from tests.small import IMAGES

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

TARGETS: dict[str, int | str] = {"model.skops": "digit", "yes_or_no.skops": 5}


def predictions(model: Path) -> NDArray[Any]:
    predicted: NDArray[Any] = load_model(model).predict(IMAGES[200:300])
    return predicted


@pytest.mark.parametrize("name", TARGETS)
def test_is_what_mlflow_writes_of_the_model(tmp_path: Path, made: Path, name: str) -> None:
    model = load_model(made / name)
    files = ModelFiles(made / name, IMAGES[:1], model.classes_.dtype, ROOT / "digits")
    save_for_mlflow(tmp_path / "ours", files)
    ours = tmp_path / "ours"
    mlflow.sklearn.save_model(
        model,
        tmp_path / "theirs",
        serialization_format="skops",
        skops_trusted_types=list(trusted_names()),
        code_paths=[str(ROOT / "digits")],
        input_example=IMAGES[:1],
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype(np.uint8), (-1, 64))]),
            Schema([TensorSpec(model.classes_.dtype, (-1,))]),
        ),
        pip_requirements=(ours / "requirements.txt").read_text(encoding="utf-8").splitlines(),
    )

    def contents(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    def settings(folder: Path) -> dict[str, Any]:
        values = Model.load(str(folder)).to_dict()
        of_one_model = {"model_uuid", "utc_time_created", "model_size_bytes"}
        return {key: value for key, value in values.items() if key not in of_one_model}

    written, expected = contents(ours), contents(tmp_path / "theirs")
    assert written.keys() == expected.keys()
    assert {key for key in written if written[key] != expected[key]} == {"MLmodel", "model.skops"}
    assert written["model.skops"] == (made / name).read_bytes()
    assert settings(ours) == settings(tmp_path / "theirs")


@pytest.mark.slow
def test_models_load_and_predict_the_same_without_the_project(
    tmp_path: Path, shared: Path, made: Path
) -> None:
    code = """
import json, sys
import mlflow, numpy as np
images = np.load(sys.argv[3])
mlflow.set_tracking_uri(sys.argv[1])
for uri in json.loads(sys.argv[2]):
    print(mlflow.sklearn.load_model(uri).predict(images).tolist())
    print(mlflow.pyfunc.load_model(uri).predict(images).tolist())
"""
    expected, uris = [], []
    for name, target in TARGETS.items():
        assert complete_run(shared, result(key_of(name), made, name, target))
        (run,) = with_key(shared, key_of(name))
        (logged,) = models_of(run, uri_of(shared))
        uris.append(logged.model_uri)
        expected += 2 * [str(predictions(made / name).tolist())]
        signature = Model.load(logged.artifact_location.removeprefix("file://")).signature
        assert signature and signature.outputs
        assert signature.outputs.inputs[0].type == load_model(made / name).classes_.dtype
        assert logged.params == run.data.params
        live = {name: value for name, value in run.data.metrics.items() if "history/" not in name}
        assert {metric.key: metric.value for metric in logged.metrics or []} == live
    np.save(tmp_path / "images.npy", IMAGES[200:300])
    arguments = uri_of(shared), json.dumps(uris), tmp_path / "images.npy"
    with python("-c", code, *arguments, cwd=tmp_path, PYTHONPATH="") as process:
        said = finish(process)
    assert [line for line in said.splitlines() if line.startswith("[")] == expected
