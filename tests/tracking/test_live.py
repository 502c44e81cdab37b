"""Runs of trainings: none left running, and a training that needs no tracker."""

import logging
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
from mlflow.entities import ViewType

from digits.common.environment import HTTP_TIMEOUT
from digits.tracking.live import live_run
from digits.tracking.lookup import KEY, has_complete_run
from digits.tracking.store import Store
from digits.training.options import Epoch, FitName
from stages.runner.process import exit_on_signals
from tests.runs import (
    EVALUATION,
    PARAMS,
    end_training,
    finish,
    free_port,
    key_of,
    python,
    runs,
    says,
    uri_of,
    with_key,
)


class TestLiveRun:
    def test_is_running_then_finished(self, shared: Path) -> None:
        with live_run(shared, PARAMS) as run:
            run.log_metrics({"accuracy": 0.5, "n": 3}, "validation")
            end_training(run, "finished", train_seconds=1.5)
            (during,) = with_key(shared, key_of("finished"))
            assert during.info.status == "RUNNING"
        (after,) = with_key(shared, key_of("finished"))
        assert after.info.status == "FINISHED" and after.info.end_time
        assert after.data.metrics == {
            "validation/accuracy": 0.5,
            "validation/n": 3,
            "cost/train_seconds": 1.5,
        }

    def test_has_a_curve_epoch_by_epoch(self, shared: Path) -> None:
        """The first fit's, and those of further fits under their names."""
        with live_run(shared, PARAMS) as run:
            for name in (FitName(fold=5), FitName(), FitName(fold=5, member="deskewed")):
                for epoch in (1, 2, 3):
                    run.log_epoch(Epoch(name, epoch, 1 / epoch, 0.5, None, None, 1.0, 100.0))
            end_training(run, "curve")
        (found,) = with_key(shared, key_of("curve"))
        client = mlflow.MlflowClient(uri_of(shared))
        for prefix in ("history", "history/all_folds", "history/fold_5/deskewed"):
            points = client.get_metric_history(found.info.run_id, f"{prefix}/training_loss")
            assert [(point.step, point.value) for point in points] == [
                (1, 1),
                (2, 1 / 2),
                (3, 1 / 3),
            ]
        names = ["epoch", "peak_memory_mib", "seconds", "training_accuracy", "training_loss"]
        first = [name for name in found.data.metrics if name.count("/") == 1]
        assert sorted(first) == [f"history/{name}" for name in names]

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (ValueError("no"), "FAILED"),
            (SystemExit(143), "KILLED"),
            (KeyboardInterrupt(), "KILLED"),
        ],
    )
    def test_that_ends_by_an_error_says_so(
        self, shared: Path, error: BaseException, status: str
    ) -> None:
        before = {run.info.run_id for run in runs(shared)}
        with pytest.raises(type(error)) as caught, live_run(shared, PARAMS):
            raise error
        assert caught.value is error
        (run,) = (run for run in runs(shared) if run.info.run_id not in before)
        assert run.info.status == status and KEY not in run.data.tags

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_an_exit_that_is_asked_for_amid_a_statement_comes_after_it(
        self, shared: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        log_metrics = Store.log_metrics

        def interrupted(store: Store, *arguments: Any) -> None:
            os.kill(os.getpid(), number)
            log_metrics(store, *arguments)

        monkeypatch.setattr(Store, "log_metrics", interrupted)
        before = {run.info.run_id for run in runs(shared)}
        handlers = [(each, signal.getsignal(each)) for each in (signal.SIGTERM, signal.SIGINT)]
        try:
            exit_on_signals()
            with (
                pytest.raises(SystemExit, match=str(128 + number)),
                live_run(shared, PARAMS) as run,
            ):
                run.log_metrics({"accuracy": 0.5}, "validation")
        finally:
            for each, handler in handlers:
                signal.signal(each, handler)
        (run_of_it,) = (run for run in runs(shared) if run.info.run_id not in before)
        assert run_of_it.info.status == "KILLED"
        assert run_of_it.data.metrics == {"validation/accuracy": 0.5}

    @pytest.mark.slow
    def test_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(
        self, shared: Path
    ) -> None:
        code = """
import os, sys
from pathlib import Path
from signal import pause
from digits.tracking.live import live_run
child = os.fork()
with live_run(Path(sys.argv[1]), {"me": "living" if child else "killed"}):
    print("running", flush=True)
    if not child:
        pause()
    os.waitpid(child, 0)
    print("alone", flush=True)
    input()
"""

        def status() -> dict[str, str]:
            return {
                run.data.params["me"]: run.info.status for run in runs(shared, "params.me != ''")
            }

        with python("-c", code, shared) as living:
            for _ in range(2):
                says(living, "running")
            assert status() == {"killed": "RUNNING", "living": "RUNNING"}
            (killed,) = runs(shared, "params.me = 'killed'")
            os.kill(int(killed.data.tags["process"].split()[0]), signal.SIGKILL)
            says(living, "alone")
            assert status() == {"killed": "RUNNING", "living": "RUNNING"}
            with live_run(shared, {"me": "next"}):
                assert status() == {"killed": "KILLED", "living": "RUNNING", "next": "RUNNING"}
            finish(living, "go\n")
        assert status() == {"killed": "KILLED", "living": "FINISHED", "next": "FINISHED"}

    def test_of_another_machine_or_an_earlier_process_of_the_same_number(
        self, shared: Path
    ) -> None:
        """Only what certainly is dead here is swept."""
        store, here, me = Store(shared), socket.gethostname(), os.getpid()
        tags = {
            "elsewhere": ({"host": "elsewhere", "process": "1 0.00"}, "RUNNING"),
            "earlier": ({"host": here, "process": f"{me} 0.00"}, "KILLED"),
            "this": (
                {"host": here, "process": f"{me} {psutil.Process().create_time():.2f}"},
                "RUNNING",
            ),
            "nameless": ({"host": here, "process": ""}, "KILLED"),
        }
        ids = {name: store.create_run({}, tag) for name, (tag, _) in tags.items()}
        store.sweep()
        status = {name: store.client.get_run(run_id).info.status for name, run_id in ids.items()}
        assert status == {name: expected for name, (_, expected) in tags.items()}

    def test_that_repeats_a_result_deletes_itself(
        self, shared: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            with live_run(shared, PARAMS) as run:
                end_training(run, "repeated", train_seconds=1.0)
        (kept,) = with_key(shared, key_of("repeated"))
        assert kept.info.status == "FINISHED"
        deleted = runs(shared, "metrics.`cost/train_seconds` = 1", ViewType.DELETED_ONLY)
        assert [run.info.status for run in deleted] == ["FINISHED"] * 2
        assert kept.info.start_time <= min(run.info.start_time for run in deleted)
        assert not caplog.records

    def test_that_repeats_a_deleted_result_is_kept(self, shared: Path) -> None:
        ids = set()
        for _ in range(2):
            with live_run(shared, PARAMS) as run:
                end_training(run, "deleted")
            (kept,) = with_key(shared, key_of("deleted"))
            ids.add(kept.info.run_id)
            mlflow.MlflowClient(uri_of(shared)).delete_run(kept.info.run_id)
        assert len(ids) == 2


class TestWithoutTracker:
    """Training goes on, within seconds and with a warning."""

    @pytest.fixture(autouse=True)
    def _patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One second, in place of the five that there are by default."""
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == HTTP_TIMEOUT == "5"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")

    def train(self, folder: Path, caplog: pytest.LogCaptureFixture) -> str:
        started = time.monotonic()
        with live_run(folder, PARAMS) as run:
            run.log_metrics({"accuracy": 0.5}, "validation")
            end_training(run, "0", train_seconds=1.0)
        assert time.monotonic() - started < 20
        assert [record for record in caplog.records if record.levelno >= logging.WARNING]
        return caplog.text

    @pytest.mark.parametrize("answers", ["refuses", "is silent"])
    def test_a_server_that_is_down(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        tmp_path: Path,
        answers: str,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1] if answers == "is silent" else free_port()
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
            assert not has_complete_run(tmp_path, key_of("0"), EVALUATION)
            said = self.train(tmp_path, caplog)
        assert f"http://127.0.0.1:{port} does not answer" in said
        (run,) = with_key(tmp_path, key_of("0"))
        assert run.data.metrics == {"validation/accuracy": 0.5, "cost/train_seconds": 1.0}

    def test_a_damaged_database(self, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_bytes(b"This is no database." * 1000)
        assert "MLflow: the runs' database" in self.train(tmp_path, caplog)

    def test_a_folder_that_cannot_be(
        self, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        assert "MLflow: " in self.train(tmp_path / "file", caplog)

    def test_a_database_that_cannot_be_opened(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        (tmp_path / "mlflow.db").mkdir()
        waited: list[float] = []
        monkeypatch.setattr("mlflow.store.db.utils.time.sleep", waited.append)
        assert "MLflow: " in self.train(tmp_path, caplog)
        assert sum(waited) < 20
