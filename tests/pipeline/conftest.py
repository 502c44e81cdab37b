"""One MLflow server for all tests that run real DVC, git and MLflow."""

from collections.abc import Iterator
from uuid import uuid4

import mlflow
import pytest

from digits.tracking.registry import MODEL
from digits.tracking.store import EXPERIMENT
from tests.runs import MlflowServer, free_port, mlflow_server


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
