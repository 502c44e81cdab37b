"""One MLflow server for all tests that run real DVC, git and MLflow."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import mlflow
import pytest

from digits.tracking.registry import MODEL
from digits.tracking.store import EXPERIMENT
from tests.runs import MlflowServer, free_port, mlflow_server
from tests.scratch import Project


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("server"), free_port()) as server:
        yield server


@pytest.fixture
def server(_server: MlflowServer) -> Iterator[MlflowServer]:
    """An MLflow server that has no run of this project yet."""
    yield _server
    client = mlflow.MlflowClient(_server.uri)
    if experiment := client.get_experiment_by_name(EXPERIMENT):
        client.rename_experiment(experiment.experiment_id, f"{EXPERIMENT} {uuid4()}")
    for model in client.search_registered_models(f"name = '{MODEL}'"):
        client.delete_registered_model(model.name)


@pytest.fixture(scope="session")
def _by_epochs(_reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = _reproduced.copy(tmp_path_factory.mktemp("by-epochs") / "digits")
    project.edit(train__model="softmax", train__scale="unit", models__softmax__epochs=3)
    project.repro()
    project.commit("learns by epochs")
    return project


@pytest.fixture
def by_epochs(_by_epochs: Project, tmp_path: Path) -> Project:
    """A scratch repository with a model that learns by epochs; no run is there yet."""
    project = _by_epochs.copy(tmp_path / "digits")
    (project.store / "mlflow.db").unlink()
    shutil.rmtree(project.store / "artifacts")
    return project
