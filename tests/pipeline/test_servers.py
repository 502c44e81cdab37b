"""Real MLflow servers: one that runs are logged to, and the UI."""

import argparse
import shutil
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import mlflow
import psutil
import pytest

from digits.commands import ui
from digits.common.environment import HTTP_TIMEOUT
from digits.common.errors import BadInput
from digits.tracking.live import live_run
from digits.tracking.lookup import COMPLETE, KEY, has_complete_run
from digits.tracking.store import Store
from tests.imports import ROOT
from tests.runs import (
    EVALUATION,
    METRICS,
    PARAMS,
    complete,
    end_training,
    files_of,
    free_port,
    key_of,
    mlflow_server,
    models_of,
    python,
    wait_for_health,
    with_key,
)

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


class TestServers:
    def test_a_real_server_gets_runs_and_artifacts(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        tmp_path: Path,
        made: Path,
    ) -> None:
        """And when it goes away in the middle of a training, that costs a warning."""
        server, client, folder = (
            tmp_path / "server",
            tmp_path / "client",
            tmp_path / "client" / ".mlflow",
        )
        client.mkdir()
        monkeypatch.chdir(client)
        with ExitStack() as later:
            with mlflow_server(server, free_port()) as uri:
                monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
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
                assert (
                    files_of(found, uri, tmp_path / "downloaded")["plots/errors.png"]
                    == b"a picture"
                )
                (logged,) = models_of(found, uri)
                assert found.info.artifact_uri.startswith("mlflow-artifacts:")
                assert logged.artifact_location.startswith("mlflow-artifacts:")
                assert len(list((server / "artifacts").glob("**/MLmodel"))) == 1
                assert [path.name for path in client.rglob("*") if path.is_file()] in (
                    [],
                    ["runs.lock"],
                )

                going_on = later.enter_context(live_run(folder, PARAMS))
                assert not caplog.records
            going_on.log_metrics({"accuracy": 0.5}, "validation")
            assert "MLflow: " in caplog.text

    def test_ui_shows_this_repositorys_runs_wherever_it_is_called(
        self, tmp_path: Path, made: Path
    ) -> None:
        repository, elsewhere, port = tmp_path / "repository", tmp_path / "elsewhere", free_port()
        shutil.copytree(ROOT / "digits", repository / "digits")
        elsewhere.mkdir()
        complete(repository / ".mlflow", key_of("shown"), made)
        (run,) = with_key(repository / ".mlflow", key_of("shown"))
        with python(
            "-m", "digits", "ui", "--port", port, cwd=elsewhere, log=tmp_path / "log", PYTHONPATH=str(repository)
        ) as process:
            wait_for_health(process, port)
            client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
            experiment = client.get_experiment_by_name("digits")
            assert experiment
            assert [
                found.info.run_id for found in client.search_runs([experiment.experiment_id])
            ] == [run.info.run_id]
            with urlopen(
                f"http://127.0.0.1:{port}/get-artifact?path=plots/errors.png&run_id={run.info.run_id}"
            ) as answer:
                assert answer.read() == b"a picture"
            family = [
                psutil.Process(process.pid),
                *psutil.Process(process.pid).children(recursive=True),
            ]
            listening = {
                c.laddr
                for member in family
                for c in member.net_connections("inet")
                if c.status == psutil.CONN_LISTEN
            }
            assert {(address.ip, address.port) for address in listening} == {("127.0.0.1", port)}
            assert len(family) <= 4
        assert not list(elsewhere.iterdir())

    def test_ui_of_a_server_is_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://runs.invalid")
        with pytest.raises(BadInput, match=r"https://runs\.invalid"):
            ui.run(argparse.Namespace(port=free_port()))


class Slow(BaseHTTPRequestHandler):
    """A server before the server, at which the first file takes longer to arrive than one that is down is given."""

    upstream = ""
    waited: list[str] = []  # noqa: RUF012

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.command == "PUT" and not self.waited:
            self.waited.append(self.path)
            time.sleep(float(HTTP_TIMEOUT) + 2)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "accept-encoding")
        }
        try:
            with urlopen(
                Request(self.upstream + self.path, body or None, headers, method=self.command)
            ) as answer:
                status, kind, said = answer.status, answer.headers["Content-Type"], answer.read()
        except HTTPError as error:
            status, kind, said = error.code, error.headers["Content-Type"], error.read()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


def test_a_server_may_take_its_time_with_a_file(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, made: Path
) -> None:
    with (
        mlflow_server(tmp_path / "server", free_port()) as uri,
        ThreadingHTTPServer(("127.0.0.1", 0), Slow) as slow,
    ):
        monkeypatch.setattr(Slow, "upstream", uri)
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        try:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{slow.server_port}")
            assert complete(tmp_path / ".mlflow", key_of("slow"), made), caplog.text
            (run,) = Store(tmp_path / ".mlflow").runs(f"tags.{COMPLETE} != ''")
        finally:
            slow.shutdown()
        assert len(Slow.waited) == 1
        assert files_of(run, uri, tmp_path / "downloaded")["plots/errors.png"] == b"a picture"
    assert not (tmp_path / ".mlflow" / "mlflow.db").exists()
