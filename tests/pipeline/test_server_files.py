"""A real MLflow server that cannot take all of a run: the run is kept here, and sent later."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from digits.common.errors import BadInput
from digits.tracking.database import EXPERIMENT
from digits.tracking.live import live_run
from digits.tracking.lookup import COMPLETE, KEY, has_complete_run
from digits.tracking.registry import find_complete_run, find_run, no_run
from digits.tracking.store import Store, require_store
from tests.proxy import proxy
from tests.runs import (
    EVALUATION,
    PARAMS,
    MlflowServer,
    complete,
    end_training,
    files_of,
    key_of,
    with_key,
)

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the embedded store."""
    return tmp_path / "repository" / ".mlflow"


@pytest.fixture
def send(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, folder: Path, made: Path
) -> Callable[[str], tuple[bool, str]]:
    """Complete a run on a server; whether it is there, and the warnings."""

    def complete_there(uri: str) -> tuple[bool, str]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        caplog.clear()
        is_there = complete(folder, key_of("sent"), made)
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        return is_there, "\n".join(warnings)

    return complete_there


def complete_here(folder: Path) -> bool:
    return has_complete_run(folder, key_of("sent"), EVALUATION)


def test_in_s3_without_boto3(
    server: MlflowServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[str], tuple[bool, str]],
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # also where the extra [s3] is installed
    client = mlflow.MlflowClient(server.uri)
    experiment = client.create_experiment(EXPERIMENT, "s3://nowhere/x")
    for _ in range(2):
        is_there, said = send(server.uri)
        assert not is_there and complete_here(folder)
        assert "this client cannot write to s3://nowhere/x" in said
        assert "`pip install '.[s3]'`, or start the server with `--artifacts-destination`" in said
    (run,) = server.runs()
    assert COMPLETE not in run.data.tags and not client.search_logged_models([experiment])
    # The cure.
    client.rename_experiment(experiment, "files in s3")
    assert send(server.uri) == (True, "")
    (run,) = server.runs()
    assert run.data.tags[COMPLETE] == EVALUATION
    assert len(with_key(folder, key_of("sent"))) == 1


def test_in_a_folder_of_the_servers_machine(
    server: MlflowServer,
    folder: Path,
    tmp_path: Path,
    send: Callable[[str], tuple[bool, str]],
) -> None:
    ghost = tmp_path / "not here" / "artifacts"
    client = mlflow.MlflowClient(server.uri)
    client.create_experiment(EXPERIMENT, ghost.as_uri())
    with proxy(server.uri, answers={"/api/2.0/mlflow/artifacts/list": (200, b"{}")}) as elsewhere:
        is_there, said = send(elsewhere.url)
    assert not is_there and complete_here(folder)
    assert f"{ghost}/" in said and "is a folder of its machine, not of this one" in said
    assert not (tmp_path / "not here").exists()
    # The same folder, and the server is on this machine.
    assert send(server.uri) == (True, "")
    (run,) = server.runs()
    assert files_of(run, server.uri, tmp_path / "got")["plots/errors.png"] == b"a picture"
    assert not list(ghost.glob("**/seen-*"))


def test_mlflow_prints_no_password(
    server: MlflowServer, send: Callable[[str], tuple[bool, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Which it has in the addresses of runs that it prints as they end."""
    assert send(server.uri.replace("://", "://u:secret@")) == (True, "")
    out, err = capfd.readouterr()
    assert "secret" not in out + err


def test_of_mlflow_2(
    server: MlflowServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[str], tuple[bool, str]],
) -> None:
    """Which has no logged models; promote names where the run is."""
    page = b"<!doctype html>\n<html lang=en><title>404 Not Found</title>"
    answers = {"/api/2.0/mlflow/logged-models": (404, page)}
    with proxy(server.uri, answers=answers) as old:
        is_there, said = send(old.url)
        assert not is_there and complete_here(folder)
        assert f"{old.url} is older than MLflow 3, it has no logged models: upgrade it." in said
        assert "html" not in said
        monkeypatch.setenv("MLFLOW_TRACKING_URI", old.url)
        store = require_store(folder)
        assert find_complete_run(store, "89ab.dir", None) is None
        sentence = str(no_run(store, "main", "89ab.dir"))
        assert f"the run of main is in {folder / 'mlflow.db'} alone" in sentence
        (kept,) = Store(folder, embedded=True).runs("")
        found_in, run = find_run(store, kept.info.run_id)  # as `restore` finds it
        assert found_in.file == folder / "mlflow.db" and run.info.run_id == kept.info.run_id
        answers.clear()  # it was upgraded
        assert send(old.url) == (True, "")


def test_whose_experiment_was_deleted(
    server: MlflowServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[str], tuple[bool, str]],
) -> None:
    client = mlflow.MlflowClient(server.uri)
    experiment = client.create_experiment(EXPERIMENT)
    client.delete_experiment(experiment)
    is_there, said = send(server.uri)
    assert not is_there and complete_here(folder)
    cure = f"`mlflow experiments restore --experiment-id {experiment}` brings it back"
    assert cure in said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    with pytest.raises(BadInput, match="was deleted"):
        require_store(folder)
    client.restore_experiment(experiment)
    assert send(server.uri) == (True, "")


def test_a_note_of_a_run_has_no_password(
    server: MlflowServer, folder: Path, monkeypatch: pytest.MonkeyPatch, made: Path
) -> None:
    """And is understood when the server is back."""
    with proxy(server.uri) as first:
        port = int(first.url.rpartition(":")[2])
        uri = f"http://u:p%40ss@127.0.0.1:{port}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        live = live_run(folder, PARAMS)
        run = live.__enter__()
    end_training(run, "noted", train_seconds=1.0)
    live.__exit__(None, None, None)
    (note,) = (folder / "begun").iterdir()
    text = note.read_text(encoding="utf-8")
    assert f"http://127.0.0.1:{port}" in text and "ss@" not in text and "u:" not in text
    with proxy(server.uri, port):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert complete(folder, key_of("noted"), made)
        (found,) = Store(folder).runs(f"tags.{KEY} = '{key_of('noted')}'")
    assert found.data.metrics["cost/train_seconds"] == 1
    assert len(server.runs()) == 1
