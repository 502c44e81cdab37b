"""The view of the runs table that `make ui` opens."""

import json
from pathlib import Path

import mlflow
import pytest

from digits.tracking.store import Store
from digits.tracking.view import NAME, TAG, TITLE, WIDTHS, save_view, url

# What the UI writes when a view is changed in it: the time of the change is in it.
CHANGED = json.dumps(
    {
        "name": TITLE,
        "createdAt": 0,
        "updatedAt": 1_700_000_000_000,
        "state": '{"selectedColumns": []}',
    }
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> mlflow.MlflowClient:
    return Store(tmp_path_factory.mktemp("store")).client


@pytest.fixture
def experiment(client: mlflow.MlflowClient, tmp_path: Path) -> str:
    return str(client.create_experiment(tmp_path.name, tmp_path.as_uri()))


def saved(client: mlflow.MlflowClient, experiment: str) -> str:
    return str(client.get_experiment(experiment).tags[TAG])


def test_names_the_columns_in_their_order(client: mlflow.MlflowClient, experiment: str) -> None:
    save_view(client, experiment)
    view = json.loads(saved(client, experiment))
    state = json.loads(view["state"])
    assert view["name"] == TITLE
    assert state["selectedColumns"] == list(WIDTHS)
    assert state["columnOrder"] == list(state["columnWidths"]) == [NAME, *WIDTHS]


def test_names_the_params_in_which_the_newest_runs_differ(
    client: mlflow.MlflowClient, experiment: str
) -> None:
    """Beside those that are always there, as many as the window is wide enough for."""
    common = {"train.model": "svm", "train.copies": "all", "split.seed": "1", "target": "digit"}
    for number, changed in enumerate(
        (
            {"split.seed": "2"},
            {"target": "5"},
            {"train.model": "knn", "models.knn.n_neighbors": "4"},
            {"train.model": "knn", "models.knn.n_neighbors": "5"},
            {"train.model": "knn", "models.knn.n_neighbors": "5", "train.copies": "none"},
        )
    ):
        run = client.create_run(experiment, start_time=1 + number)
        for name, value in (common | changed).items():
            client.log_param(run.info.run_id, name, value)
    save_view(client, experiment)
    selected = json.loads(json.loads(saved(client, experiment))["state"])["selectedColumns"]
    differing = ["params.`train.copies`", "params.`models.knn.n_neighbors`"]
    assert selected == [*list(WIDTHS)[:1], *differing, *list(WIDTHS)[1:]]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        '{"name": "digits", "createdAt": 0, "updatedAt": 0, "state": "{}"}',
    ],
)
def test_replaces_an_older_or_a_broken_one(
    client: mlflow.MlflowClient, experiment: str, before: str
) -> None:
    client.set_experiment_tag(experiment, TAG, before)
    save_view(client, experiment)
    assert json.loads(json.loads(saved(client, experiment))["state"])["selectedColumns"] == list(
        WIDTHS
    )


def test_keeps_one_that_somebody_has_changed(client: mlflow.MlflowClient, experiment: str) -> None:
    client.set_experiment_tag(experiment, TAG, CHANGED)
    save_view(client, experiment)
    assert saved(client, experiment) == CHANGED


def test_is_named_by_the_address() -> None:
    assert url("http://127.0.0.1:5000", "1") == (
        "http://127.0.0.1:5000/#/experiments/1/runs"
        "?viewStateShareKey=digits&workflowType=machine_learning"
    )
