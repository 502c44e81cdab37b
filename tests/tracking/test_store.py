"""Live runs in a real MLflow store: none lost, none twice, none left running, and a training that needs no tracker."""

import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import psutil
import pytest
from mlflow.entities import ViewType

from digits.common.errors import BadInput
from digits.params.nested import flatten
from digits.tracking.live import live_run
from digits.tracking.lookup import COMPLETE, KEY, has_complete_run
from digits.tracking.store import Store, open_store, require_store
from tests.imports import ROOT
from tests.runs import (
    EVALUATION,
    METRICS,
    PARAMS,
    complete,
    end_training,
    files_of,
    finish,
    free_port,
    key_of,
    models_of,
    python,
    runs,
    says,
    uri_of,
    with_key,
)  # fmt: skip

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


class TestStore:
    def test_an_experiment_that_was_deleted_is_a_sentence(self, tmp_path: Path) -> None:
        store = Store(tmp_path)
        store.client.delete_experiment(store.experiment_id)
        with pytest.raises(
            BadInput,
            match=f"was deleted: `mlflow experiments restore --experiment-id {store.experiment_id}`",
        ):
            Store(tmp_path)
        store.client.restore_experiment(store.experiment_id)
        assert Store(tmp_path).experiment_id == store.experiment_id

    def test_a_database_that_is_none_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_bytes(b"garbage" * 100)
        with pytest.raises(
            BadInput,
            match=r"mlflow\.db cannot be used \(file is not a database\); mend or delete it",
        ):
            Store(tmp_path)

    def test_a_server_that_is_down_is_said(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        """Whoever only looks is not told where a run goes."""
        uri = f"http://user:secret@127.0.0.1:{free_port()}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(
            BadInput, match=r"does not answer .*, and what is asked for is there"
        ) as refusal:
            require_store(tmp_path)
        assert not caplog.records
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # where MLflow writes what it uses
        assert open_store(tmp_path).is_fallback
        assert "this run goes to" in caplog.text
        assert "secret" not in caplog.text + str(refusal.value)

    def test_racing_processes_lose_no_run(self, tmp_path: Path, made: Path) -> None:
        """Four create the store at once, log five runs each, and then all come to one and the same result."""
        code = """
import sys
from pathlib import Path
from digits.tracking.live import live_run
from tests.runs import complete, end_training
folder, made, me = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
def together():
    print("ready", flush=True)
    input()

together()
for number in range(5):
    with live_run(folder, {"me": me, "number": number}) as run:
        run.log_metrics({"number": number}, "validation")
        end_training(run, f"{me} {number}", train_seconds=1.0)
with live_run(folder, {"me": "any"}) as run:
    together()
    end_training(run, "same")
together()
complete(folder, "rebuilt", made)
"""
        folder = tmp_path / ".mlflow"
        places = [tmp_path / name for name in "abcd"]
        for place in places:
            place.mkdir()
        starts = [python("-c", code, folder, made, place.name, cwd=place) for place in places]
        with starts[0] as a, starts[1] as b, starts[2] as c, starts[3] as d:
            said = ""
            for _ in range(3):
                said += "".join([says(process, "ready") for process in (a, b, c, d)])
                for process in (a, b, c, d):
                    assert process.stdin
                    process.stdin.write("go\n")
                    process.stdin.flush()
            said += "".join([finish(process) for process in (a, b, c, d)])
        assert "MLflow:" not in said and "Traceback" not in said

        expected = {f"{place.name} {number}" for place in places for number in range(5)}
        found = runs(folder, "params.me != 'any'")
        assert len(found) == 20
        assert {f"{run.data.params['me']} {run.data.params['number']}" for run in found} == expected
        assert all(
            run.data.metrics["validation/number"] == float(run.data.params["number"])
            for run in found
        )
        assert {run.info.status for run in found} == {"FINISHED"}
        assert len(with_key(folder, key_of("same", {"me": "any"}))) == 1
        assert len(with_key(folder, "rebuilt")) == 1
        assert not any(list(place.iterdir()) for place in places)
        names = [
            experiment.name
            for experiment in mlflow.MlflowClient(uri_of(folder)).search_experiments()
        ]
        assert names.count("digits") == 1

    def test_artifacts_outlive_the_folder_they_were_logged_from(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: Path
    ) -> None:
        """A DVC queue works in a temporary copy, and may be the first to need the store."""
        folder, copy = tmp_path / "repository" / ".mlflow", tmp_path / "temporary copy"
        copy.mkdir()
        monkeypatch.chdir(copy)
        complete(folder, key_of("far"), made)
        monkeypatch.chdir(tmp_path)
        copy.rmdir()  # nothing is in it
        (run,) = with_key(folder, key_of("far"))
        assert (
            files_of(run, uri_of(folder), tmp_path / "downloaded")["plots/errors.png"]
            == b"a picture"
        )
        (model,) = models_of(run, uri_of(folder))
        for location in (run.info.artifact_uri, model.artifact_location):
            assert location.startswith((folder / "artifacts").as_uri())
        assert len(list(folder.glob("artifacts/**/MLmodel"))) == 1

    @pytest.mark.parametrize("name", ["with spaces & ümlauts #1", "what? yes", "50%25"])
    def test_folders_may_have_any_name(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
    ) -> None:
        monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 2)
        folder = tmp_path / name / ".mlflow"
        store = Store(folder)
        run_id = store.create_run(PARAMS, {KEY: "0", COMPLETE: EVALUATION})
        store.client.log_text(run_id, "hello", "hello.txt")
        store.client.set_terminated(run_id)
        assert (folder / "mlflow.db").is_file()
        assert [path.read_text() for path in folder.glob("artifacts/**/hello.txt")] == ["hello"]
        assert has_complete_run(folder, "0", EVALUATION)

    def test_params_are_flat(self, shared: Path) -> None:
        expected = {
            "target": "digit",
            "split.folds": 6,
            "augment.shifts": [[-1, 0]],
            "augment.elastic.copies": 0,
        }
        assert flatten(PARAMS) == expected
        run_id = Store(shared).create_run(PARAMS, {KEY: key_of("flat")})
        (run,) = with_key(shared, key_of("flat"))
        assert run.info.run_id == run_id
        assert run.data.params == {name: str(value) for name, value in expected.items()}

    def test_only_numbers_are_logged_as_metrics(self, shared: Path) -> None:
        store = Store(shared)
        run_id = store.create_run({}, {})
        store.log_metrics(run_id, METRICS["test"], "test")
        assert store.client.get_run(run_id).data.metrics == {"test/n": 200, "test/accuracy": 0.875}


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
        with live_run(shared, PARAMS) as run:
            for epoch in (1, 2, 3):
                run.log_metrics(
                    {"training_loss": 1 / epoch, "fit": "fold 5"},
                    "history/fold_5",
                    step=epoch,
                )
            end_training(run, "curve")
        (found,) = with_key(shared, key_of("curve"))
        history = mlflow.MlflowClient(uri_of(shared)).get_metric_history(
            found.info.run_id, "history/fold_5/training_loss"
        )
        assert [(point.step, point.value) for point in history] == [(1, 1), (2, 1 / 2), (3, 1 / 3)]

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

    def test_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(
        self, shared: Path
    ) -> None:
        code = """
import sys
from pathlib import Path
from digits.tracking.live import live_run
with live_run(Path(sys.argv[1]), {"me": sys.argv[2]}):
    print("running", flush=True)
    input()
"""
        with (
            python("-c", code, shared, "killed") as killed,
            python("-c", code, shared, "living") as living,
        ):
            for process in (killed, living):
                says(process, "running")
            killed.kill()
            killed.wait()
            assert {run.info.status for run in runs(shared, "params.me != ''")} == {"RUNNING"}
            with live_run(shared, {"me": "next"}):
                status = {
                    run.data.params["me"]: run.info.status
                    for run in runs(shared, "params.me != ''")
                }
                assert status == {"killed": "KILLED", "living": "RUNNING", "next": "RUNNING"}
            finish(living, "go\n")
        status = {run.data.params["me"]: run.info.status for run in runs(shared, "params.me != ''")}
        assert status == {"killed": "KILLED", "living": "FINISHED", "next": "FINISHED"}

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


def test_peak_memory_is_the_most_there_was() -> None:
    """In a process of its own: what others have used before decides whether memory goes back to the system."""
    code = """
import numpy, psutil
from digits.common.resources import peak_memory
used = psutil.Process().memory_info
block = numpy.ones(25 * 2**20)
held = used().rss / 2**20
del block
assert used().rss / 2**20 < held - 150
assert held * 0.99 < peak_memory() < held + 150
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
