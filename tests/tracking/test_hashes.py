"""Files of a run that are not what was logged are named."""

from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.tracking.hashes import HASHES, MODEL_NAME, check_hashes
from digits.tracking.registry import download_model
from digits.tracking.store import Store
from tests.runs import complete, key_of

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")


@pytest.fixture
def artifacts(tmp_path: Path, made: Path) -> Path:
    """Of the only run of a store, which is complete."""
    complete(tmp_path / ".mlflow", key_of("hashed"), made)
    (file,) = (tmp_path / ".mlflow").glob(f"artifacts/*/artifacts/{HASHES}")
    return file.parents[1]


def test_a_run_has_the_hashes_of_its_files_and_model(artifacts: Path, made: Path) -> None:
    files = {f"plots/{file.name}": file for file in (made / "plots").iterdir()}
    check_hashes("r", artifacts / HASHES, files | {MODEL_NAME: made / "model.skops"})
    for name in (*files, MODEL_NAME):
        with pytest.raises(BadInput, match=f"{name} of the run r is not what was logged"):
            check_hashes("r", artifacts / HASHES, files | {name: artifacts / HASHES})


def test_hashes_that_are_damaged_are_named(artifacts: Path) -> None:
    (artifacts / HASHES).write_text("{", encoding="utf-8")
    with pytest.raises(BadInput, match=f"{HASHES} of the run r is not"):
        check_hashes("r", artifacts / HASHES, {})


def test_a_damaged_model_is_not_loaded(artifacts: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / ".mlflow")
    (run,) = store.runs("")
    download_model(store, run, tmp_path)
    (model,) = (tmp_path / ".mlflow").glob("artifacts/models/*/artifacts/model.skops")
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match=f"{MODEL_NAME} of the run {run.info.run_name} is not what"):
        download_model(store, run, tmp_path)
    (artifacts / HASHES).unlink()  # of an earlier version of this project
    download_model(store, run, tmp_path)
