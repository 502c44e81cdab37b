"""The champion, when its run is in MLflow's trash, or gone from there."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from digits.common.errors import BadInput
from digits.tracking.registry import (
    download_champion,
    find_champion,
    find_champion_run,
    find_run,
    register_champion,
)
from digits.tracking.store import Store
from tests.runs import complete, key_of, uri_of

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.mark.slow
def test_a_deleted_champion_loads_and_a_purged_one_is_a_sentence(
    tmp_path: Path, made: Path
) -> None:
    folder = tmp_path / ".mlflow"
    complete(folder, key_of("champion"), made)
    store = Store(folder)
    (run,) = store.runs("")
    champion = register_champion(store, run, {}, "the first")
    assert champion.description == "the first"
    (model,) = store.client.search_registered_models()
    assert model.description.endswith("chooses the champion.\n\nVersion 1: the first")
    store.client.delete_run(run.info.run_id)
    downloaded = download_champion(store, tmp_path)
    assert downloaded.model.read_bytes() == (made / "model.skops").read_bytes()
    subprocess.run(
        [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri_of(folder)],
        env=os.environ | {"MLFLOW_TRACKING_URI": uri_of(folder)},
        check=True,
        capture_output=True,
    )
    assert find_champion(store) and find_champion_run(store, champion) is None
    with pytest.raises(BadInput, match=r"version 1\) was deleted for good.*--force` makes another"):
        download_champion(store, tmp_path)


def test_a_run_is_found_by_a_name_with_params(shared: Path) -> None:
    store = Store(shared)
    name = "main-ed08acb-n_neighbors=300,weights=uniform"
    run_id = store.create_run({}, {})
    store.client.update_run(run_id, name=name)
    found_in, run = find_run(store, name)
    assert found_in is store and run.info.run_id == run_id
    with pytest.raises(BadInput, match="is no run here"):
        find_run(store, "main-ed08acb")


def test_the_sentence_on_a_run_without_a_model(shared: Path) -> None:
    store = Store(shared)
    run = store.client.get_run(store.create_run({}, {}))
    with pytest.raises(BadInput, match="has no model"):
        register_champion(store, run, {}, "the first")
    assert not mlflow.MlflowClient(uri_of(shared)).search_registered_models()
