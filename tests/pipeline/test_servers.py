"""Real MLflow servers: one that runs are logged to, and the UI."""

import argparse
import os
import shutil
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import mlflow
import psutil
import pytest

from digits.commands import ui
from digits.common.environment import is_default
from digits.common.errors import BadInput
from digits.tracking.live import live_run
from digits.tracking.lookup import COMPLETE, KEY, has_complete_run
from digits.tracking.store import Store
from tests.imports import ROOT
from tests.proxy import proxy
from tests.runs import (
    EVALUATION,
    METRICS,
    PARAMS,
    MlflowServer,
    complete,
    end_training,
    files_of,
    free_port,
    key_of,
    listening,
    models_of,
    python,
    wait_for_health,
    with_key,
)

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.mark.slow
def test_a_server_gets_runs_and_artifacts(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    made: Path,
    server: MlflowServer,
) -> None:
    """And when it goes away in the middle of a training, that costs a warning."""
    client, folder = tmp_path / "client", tmp_path / "client" / ".mlflow"
    client.mkdir()
    monkeypatch.chdir(client)
    with ExitStack() as later:
        with proxy(server.uri) as before_it:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", before_it.url)
            with live_run(folder, PARAMS) as run:
                run.log_metrics(METRICS["validation"], "validation")
                end_training(run, "remote", train_seconds=1.0)
            assert not has_complete_run(folder, key_of("remote"), EVALUATION)
            for _ in range(2):
                complete(folder, key_of("remote"), made)

            (found,) = Store(folder).runs(f"tags.{KEY} = '{key_of('remote')}'")
            assert found.info.status == "FINISHED" and found.data.tags[COMPLETE] == EVALUATION
            assert {"validation/accuracy", "test/accuracy", "cost/train_seconds"} <= set(
                found.data.metrics
            )
            files = files_of(found, server.uri, tmp_path / "downloaded")
            assert files["plots/errors.png"] == b"a picture"
            (logged,) = models_of(found, server.uri)
            for location in (found.info.artifact_uri, logged.artifact_location):
                assert location.startswith("mlflow-artifacts:")
            artifacts = server.folder / "artifacts" / found.info.experiment_id
            assert len(list(artifacts.glob("**/MLmodel"))) == 1
            here = [path.name for path in client.rglob("*") if path.is_file()]
            assert here in ([], ["runs.lock"])

            going_on = later.enter_context(live_run(folder, PARAMS))
            assert not caplog.records
        going_on.log_metrics({"accuracy": 0.5}, "validation")
        assert "MLflow: " in caplog.text


@pytest.mark.slow
def test_a_server_may_take_its_time_with_a_file(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    made: Path,
    server: MlflowServer,
) -> None:
    """The first file takes longer to arrive than a server that is down is given."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    assert is_default("MLFLOW_HTTP_REQUEST_TIMEOUT"), "as far as is known, no person set it"
    with proxy(server.uri, first_upload_takes=4) as slow:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", slow.url)
        assert complete(tmp_path / ".mlflow", key_of("slow"), made), caplog.text
        (run,) = Store(tmp_path / ".mlflow").runs(f"tags.{COMPLETE} != ''")
    assert len(slow.slow_uploads) == 1
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "3"
    files = files_of(run, server.uri, tmp_path / "downloaded")
    assert files["plots/errors.png"] == b"a picture"
    assert not (tmp_path / ".mlflow" / "mlflow.db").exists()


class TestUi:
    @pytest.mark.slow
    def test_shows_this_repositorys_runs_wherever_it_is_called(
        self, tmp_path: Path, made: Path
    ) -> None:
        repository, elsewhere, port = tmp_path / "repository", tmp_path / "elsewhere", free_port()
        shutil.copytree(ROOT / "digits", repository / "digits")
        elsewhere.mkdir()
        complete(repository / ".mlflow", key_of("shown"), made)
        (run,) = with_key(repository / ".mlflow", key_of("shown"))
        command = ("-m", "digits", "ui", "--port", port)
        path = str(repository)
        with python(*command, cwd=elsewhere, log=tmp_path / "log", PYTHONPATH=path) as process:
            wait_for_health(process, port)
            client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
            experiment = client.get_experiment_by_name("digits")
            assert experiment
            shown = client.search_runs([experiment.experiment_id])
            assert [each.info.run_id for each in shown] == [run.info.run_id]
            with urlopen(
                f"http://127.0.0.1:{port}/get-artifact"
                f"?path=plots/errors.png&run_id={run.info.run_id}"
            ) as answer:
                assert answer.read() == b"a picture"
            assert listening(process) == {("127.0.0.1", port)}
            assert len(psutil.Process(process.pid).children(recursive=True)) <= 3
        assert not list(elsewhere.iterdir())

    def test_of_a_store_that_the_server_cannot_read_is_a_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = Store(tmp_path / ".mlflow")
        assert store.file
        with sqlite3.connect(store.file) as connection:
            connection.execute("DROP TABLE registered_models")
        connection.close()
        monkeypatch.setattr("digits.commands.runs.ROOT", tmp_path)
        monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("the server was started"))
        with pytest.raises(BadInput, match=r"^MLflow failed: "):
            ui.run(argparse.Namespace(port=free_port()))

    def test_of_a_server_is_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://u:p@ss@runs.invalid")
        with pytest.raises(BadInput, match=r" https://runs\.invalid: open"):
            ui.run(argparse.Namespace(port=free_port()))
