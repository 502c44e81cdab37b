"""Runs in a real MLflow store: none lost, none twice, none left running, and a training that needs no tracker."""

import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import mlflow
import numpy as np
import psutil
import pytest
from mlflow.entities import Run, ViewType

from digits import ui
from digits.persistence import save_model
from digits.store import COMPLETE, KEY, database, has_complete_run, result_key
from digits.tracking import Store, complete_run, describe_source, flattened, live_run, run_name
from tests.small import IMAGES, LABELS, learned

ROOT = Path(__file__).resolve().parent.parent
PARAMS: dict[str, Any] = {"target": "digit", "split": {"folds": 6}, "augment": {"shifts": [[-1, 0]], "elastic": {"copies": 0}}}
METRICS: dict[str, dict[str, Any]] = {
    "validation": {"n": 300, "accuracy": 0.9, "fold_5": 0.9},
    "test": {"n": 200, "accuracy": 0.875, "test_set": "0123abcd"},
}

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.fixture(autouse=True)
def _newcomer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests, nor what MLflow leaves in the environment, reaches a test or what comes after it."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training leaves: model.skops, and plots/."""
    folder = tmp_path_factory.mktemp("made")
    save_model(learned("knn", IMAGES[:200], LABELS[:200]), folder / "model.skops")
    save_model(learned("forest", IMAGES[:200], LABELS[:200] == 5, scale="none", components=10), folder / "yes_or_no.skops")
    np.save(folder / "example.npy", IMAGES[:1])
    (folder / "plots").mkdir()
    (folder / "plots" / "errors.png").write_bytes(b"a picture")
    (folder / "plots" / "confusion.csv").write_bytes(b"actual,predicted\n")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that several tests use, each for keys of its own."""
    return tmp_path_factory.mktemp("repository") / ".mlflow"


def key_of(name: str) -> str:
    return result_key(PARAMS, name)


def complete(folder: Path, key: str, made: Path, model: str = "model.skops") -> None:
    complete_run(
        folder, key, PARAMS, METRICS,
        files={"plots": sorted((made / "plots").iterdir()), "project": [ROOT / "params.yaml"]},
        model=made / model, code=ROOT / "digits",
    )  # fmt: skip


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def runs(folder: Path, where: str = "", view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    """The runs in a store, as MLflow itself finds them."""
    client = mlflow.MlflowClient(uri_of(folder))
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, where, run_view_type=view))


def with_key(folder: Path, key: str) -> list[Run]:
    return runs(folder, f"tags.{KEY} = '{key}'")


def models_of(run: Run, uri: str) -> list[Any]:
    client = mlflow.MlflowClient(uri)
    return [model for model in client.search_logged_models([run.info.experiment_id]) if model.source_run_id == run.info.run_id]


def files_of(run: Run, uri: str, target: Path) -> dict[str, bytes]:
    """All artifacts of a run, as MLflow hands them out."""
    target.mkdir()
    found = Path(mlflow.MlflowClient(uri).download_artifacts(run.info.run_id, "", str(target)))
    return {file.relative_to(found).as_posix(): file.read_bytes() for file in found.rglob("*") if file.is_file()}


@contextmanager
def python(*arguments: Any, cwd: Path | None = None, **env: str) -> Iterator[subprocess.Popen]:
    """A Python process with our library; it and what it started are gone at the end."""
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout
    try:
        yield process
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            for child in children:
                child.terminate()
            process.terminate()
            psutil.wait_procs(children, timeout=10)
            process.wait(timeout=10)
        process.stdin.close()
        process.stdout.close()


def says(process: subprocess.Popen, word: str) -> str:
    """Wait for a line of just this word, and return what came before it."""
    seen = ""
    while (line := process.stdout.readline() if process.stdout else "") != f"{word}\n":
        seen += line
        assert line, f"ended with {process.wait()}:\n{seen}"
    return seen


def finish(process: subprocess.Popen, last_words: str = "") -> str:
    out, _ = process.communicate(last_words, timeout=60)
    assert process.returncode == 0, out
    return str(out)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_health(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                assert answer.read() == b"OK"
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no server")


class TestStore:
    def test_racing_processes_lose_no_run(self, tmp_path: Path, made: Path) -> None:
        """Four create the store at once, log five runs each, and then all come to one and the same result."""
        code = """
import sys
from pathlib import Path
from digits.store import result_key
from digits.tracking import complete_run, live_run
folder, made, root, me = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
def together():
    print("ready", flush=True)
    input()

together()
for number in range(5):
    with live_run(folder, {"me": me, "number": number}) as run:
        run.log_metrics({"number": number}, "validation")
        run.finish(result_key({}, f"{me} {number}"), {"train_seconds": 1.0})
with live_run(folder, {"me": "any"}) as run:
    together()
    run.finish(result_key({}, "same"), {})
together()
rebuilt = result_key({}, "rebuilt")
complete_run(folder, rebuilt, {"me": "any"}, {"test": {"n": 1}}, {}, made / "model.skops", root / "digits")
"""
        folder = tmp_path / ".mlflow"
        places = [tmp_path / name for name in "abcd"]
        for place in places:
            place.mkdir()
        starts = [python("-c", code, folder, made, ROOT, place.name, cwd=place) for place in places]
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
        assert all(run.data.metrics["validation/number"] == float(run.data.params["number"]) for run in found)
        assert {run.info.status for run in found} == {"FINISHED"}
        assert len(with_key(folder, result_key({}, "same"))) == 1
        assert len(with_key(folder, result_key({}, "rebuilt"))) == 1
        assert not any(list(place.iterdir()) for place in places)
        names = [experiment.name for experiment in mlflow.MlflowClient(uri_of(folder)).search_experiments()]
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
        assert files_of(run, uri_of(folder), tmp_path / "downloaded")["plots/errors.png"] == b"a picture"
        (model,) = models_of(run, uri_of(folder))
        for location in (run.info.artifact_uri, model.artifact_location):
            assert location.startswith((folder / "artifacts").as_uri())
        assert len(list(folder.glob("artifacts/**/MLmodel"))) == 1

    @pytest.mark.parametrize("name", ["with spaces & ümlauts #1", "what? yes", "50%25"])
    def test_folders_may_have_any_name(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
        monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 2)
        folder = tmp_path / name / ".mlflow"
        store = Store(folder)
        run_id = store.create_run(PARAMS, {KEY: "0", COMPLETE: "true"})
        store.client.log_text(run_id, "hello", "hello.txt")
        assert (folder / "mlflow.db").is_file()
        assert [path.read_text() for path in folder.glob("artifacts/**/hello.txt")] == ["hello"]
        assert has_complete_run(folder, "0")

    def test_params_are_flat(self, shared: Path) -> None:
        expected = {"target": "digit", "split.folds": 6, "augment.shifts": [[-1, 0]], "augment.elastic.copies": 0}
        assert flattened(PARAMS) == expected
        run_id = Store(shared).create_run(PARAMS, {KEY: key_of("flat")})
        (run,) = with_key(shared, key_of("flat"))
        assert run.info.run_id == run_id
        assert run.data.params == {name: str(value) for name, value in expected.items()}

    def test_only_numbers_are_logged_as_metrics(self, shared: Path) -> None:
        store = Store(shared)
        run_id = store.create_run({}, {})
        store.log_metrics(run_id, METRICS["test"], "test")
        assert store.client.get_run(run_id).data.metrics == {"test/n": 200, "test/accuracy": 0.875}


class TestDatabase:
    def test_is_in_the_folder_by_default(self, tmp_path: Path) -> None:
        assert database(tmp_path / ".mlflow") == tmp_path / ".mlflow" / "mlflow.db"

    @pytest.mark.parametrize("relative", [True, False])
    def test_is_where_the_environment_says_from_the_repository(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, relative: bool
    ) -> None:
        folder, elsewhere, file = tmp_path / "repository" / ".mlflow", tmp_path / "copy", tmp_path / "repository" / "my" / "runs.db"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///my/runs.db" if relative else f"sqlite:///{file}")
        assert not has_complete_run(folder, "0")
        with live_run(folder, PARAMS) as run:
            run.finish("0", {})
        store = Store(folder)
        (found,) = store.runs(f"tags.{KEY} = '0'")
        store.client.set_tag(found.info.run_id, COMPLETE, "true")
        store.client.log_text(found.info.run_id, "hello", "hello.txt")
        assert file.is_file() and len(list((file.parent / "artifacts").glob("**/hello.txt"))) == 1
        assert has_complete_run(folder, "0")
        assert not list(elsewhere.iterdir()) and not (folder / "mlflow.db").exists()

    @pytest.mark.parametrize("uri", ["runs", "file:///tmp/mlruns", "postgresql://here/runs", "databricks", "sqlite://", "ftp://x"])
    def test_another_uri_is_a_warning(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, uri: str
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert database(tmp_path) == tmp_path / "mlflow.db"
        (record,) = caplog.records
        assert record.levelno == logging.WARNING and repr(uri) in record.getMessage() and str(tmp_path) in record.getMessage()

    def test_a_run_with_a_nonsense_uri_is_in_the_embedded_store(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense")
        with live_run(tmp_path, PARAMS):
            pass
        assert len(runs(tmp_path)) == 1
        assert "MLFLOW_TRACKING_URI is 'nonsense'" in caplog.text


class TestLiveRun:
    def test_is_running_then_finished(self, shared: Path) -> None:
        with live_run(shared, PARAMS) as run:
            run.log_metrics({"accuracy": 0.5, "n": 3}, "validation")
            run.finish(key_of("finished"), {"train_seconds": 1.5})
            (during,) = with_key(shared, key_of("finished"))
            assert during.info.status == "RUNNING"
        (after,) = with_key(shared, key_of("finished"))
        assert after.info.status == "FINISHED" and after.info.end_time
        assert after.data.metrics == {"validation/accuracy": 0.5, "validation/n": 3, "cost/train_seconds": 1.5}

    def test_has_a_curve_epoch_by_epoch(self, shared: Path) -> None:
        with live_run(shared, PARAMS) as run:
            for epoch in (1, 2, 3):
                run.log_metrics({"training_loss": 1 / epoch, "fit": "fold 5"}, "learning_curve/fold_5", step=epoch)
            run.finish(key_of("curve"), {})
        (found,) = with_key(shared, key_of("curve"))
        history = mlflow.MlflowClient(uri_of(shared)).get_metric_history(found.info.run_id, "learning_curve/fold_5/training_loss")
        assert [(point.step, point.value) for point in history] == [(1, 1), (2, 1 / 2), (3, 1 / 3)]

    @pytest.mark.parametrize(
        ("error", "status"), [(ValueError("no"), "FAILED"), (SystemExit(143), "KILLED"), (KeyboardInterrupt(), "KILLED")]
    )
    def test_that_ends_by_an_error_says_so(self, shared: Path, error: BaseException, status: str) -> None:
        before = {run.info.run_id for run in runs(shared)}
        with pytest.raises(type(error)) as caught, live_run(shared, PARAMS):
            raise error
        assert caught.value is error
        (run,) = (run for run in runs(shared) if run.info.run_id not in before)
        assert run.info.status == status and KEY not in run.data.tags

    def test_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(self, shared: Path) -> None:
        code = """
import sys
from pathlib import Path
from digits.tracking import live_run
with live_run(Path(sys.argv[1]), {"me": sys.argv[2]}):
    print("running", flush=True)
    input()
"""
        with python("-c", code, shared, "killed") as killed, python("-c", code, shared, "living") as living:
            for process in (killed, living):
                says(process, "running")
            killed.kill()
            killed.wait()
            assert {run.info.status for run in runs(shared, "params.me != ''")} == {"RUNNING"}
            with live_run(shared, {"me": "next"}):
                status = {run.data.params["me"]: run.info.status for run in runs(shared, "params.me != ''")}
                assert status == {"killed": "KILLED", "living": "RUNNING", "next": "RUNNING"}
            finish(living, "go\n")
        status = {run.data.params["me"]: run.info.status for run in runs(shared, "params.me != ''")}
        assert status == {"killed": "KILLED", "living": "FINISHED", "next": "FINISHED"}

    def test_of_another_machine_or_an_earlier_process_of_the_same_number(self, shared: Path) -> None:
        """Only what certainly is dead here is swept."""
        store, here, me = Store(shared), socket.gethostname(), os.getpid()
        tags = {
            "elsewhere": ({"host": "elsewhere", "process": "1 0.00"}, "RUNNING"),
            "earlier": ({"host": here, "process": f"{me} 0.00"}, "KILLED"),
            "this": ({"host": here, "process": f"{me} {psutil.Process().create_time():.2f}"}, "RUNNING"),
            "nameless": ({"host": here}, "KILLED"),
        }
        ids = {name: store.create_run({}, tag) for name, (tag, _) in tags.items()}
        store.sweep()
        status = {name: store.client.get_run(run_id).info.status for name, run_id in ids.items()}
        assert status == {name: expected for name, (_, expected) in tags.items()}

    def test_that_repeats_a_result_deletes_itself(self, shared: Path, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(3):
            with live_run(shared, PARAMS) as run:
                run.finish(key_of("repeated"), {"train_seconds": 1.0})
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
                run.finish(key_of("deleted"), {})
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
            run.finish("0", {"train_seconds": 1.0})
        assert time.monotonic() - started < 20
        assert [record for record in caplog.records if record.levelno >= logging.WARNING]
        return caplog.text

    @pytest.mark.parametrize("answers", ["refuses", "is silent"])
    def test_a_server_that_is_down(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, answers: str
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1] if answers == "is silent" else free_port()
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
            assert not has_complete_run(tmp_path, "0")
            said = self.train(tmp_path, caplog)
        assert f"http://127.0.0.1:{port} does not answer" in said
        (run,) = with_key(tmp_path, "0")
        assert run.data.metrics == {"validation/accuracy": 0.5, "cost/train_seconds": 1.0}

    def test_a_damaged_database(self, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_bytes(b"This is no database." * 1000)
        assert "MLflow: DatabaseError" in self.train(tmp_path, caplog)

    def test_a_folder_that_cannot_be(self, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
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


class TestCompleteRun:
    def test_completes_what_train_began(self, tmp_path: Path, shared: Path, made: Path) -> None:
        key = key_of("begun")
        with live_run(shared, PARAMS) as training:
            training.log_metrics(METRICS["validation"], "validation")
            training.finish(key, {"train_seconds": 1.0})
        (begun,) = with_key(shared, key)
        assert not has_complete_run(shared, key)
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        assert run.info.run_id == begun.info.run_id
        assert has_complete_run(shared, key)
        self.assert_whole(run, shared, tmp_path)
        assert run.data.metrics["cost/train_seconds"] == 1
        history = mlflow.MlflowClient(uri_of(shared)).get_metric_history(run.info.run_id, "validation/accuracy")
        assert len(history) == 1

    @staticmethod
    def assert_whole(run: Run, folder: Path, tmp_path: Path) -> None:
        assert run.info.status == "FINISHED"
        assert run.data.params == {name: str(value) for name, value in flattened(PARAMS).items()}
        expected = {
            "validation/n": 300, "validation/accuracy": 0.9, "validation/fold_5": 0.9, "test/n": 200, "test/accuracy": 0.875,
        }  # fmt: skip
        assert run.data.metrics.items() >= expected.items()
        files = files_of(run, uri_of(folder), tmp_path / run.info.run_id)
        assert files == {
            "plots/errors.png": b"a picture",
            "plots/confusion.csv": b"actual,predicted\n",
            "project/params.yaml": (ROOT / "params.yaml").read_bytes(),
        }
        assert len(models_of(run, uri_of(folder))) == 1

    def test_rebuilds_what_is_not_there_once(self, tmp_path: Path, shared: Path, made: Path) -> None:
        key = key_of("rebuilt")
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        self.assert_whole(run, shared, tmp_path)
        assert has_complete_run(shared, key)
        complete(shared, key, made)
        (again,) = with_key(shared, key)
        assert again.info.run_id == run.info.run_id and again.info.end_time == run.info.end_time
        assert len(models_of(run, uri_of(shared))) == 1

    def test_rebuilds_what_was_deleted(self, tmp_path: Path, shared: Path, made: Path) -> None:
        key = key_of("lost")
        complete(shared, key, made)
        (lost,) = with_key(shared, key)
        mlflow.MlflowClient(uri_of(shared)).delete_run(lost.info.run_id)
        assert not has_complete_run(shared, key)
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        assert run.info.run_id != lost.info.run_id
        assert has_complete_run(shared, key)
        self.assert_whole(run, shared, tmp_path)

    def test_goes_on_where_it_was_interrupted(self, tmp_path: Path, shared: Path, made: Path) -> None:
        """Killed just after it had created the run to rebuild, or when train's metrics had not reached the server."""
        key = key_of("interrupted")
        Store(shared).create_run(PARAMS, {KEY: key})
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        self.assert_whole(run, shared, tmp_path)

    def test_leaves_no_half_of_a_run_complete(self, shared: Path, made: Path) -> None:
        key = key_of("no model")
        with pytest.raises(Exception, match="missing"):
            complete(shared, key, made, model="missing")
        assert not has_complete_run(shared, key)
        complete(shared, key, made)
        assert has_complete_run(shared, key)
        assert len(with_key(shared, key)) == 1

    def test_models_load_and_predict_the_same_without_the_project(self, tmp_path: Path, shared: Path, made: Path) -> None:
        code = """
import json, sys, warnings
import mlflow, numpy as np
images = np.load(sys.argv[3])
mlflow.set_tracking_uri(sys.argv[1])
for uri in json.loads(sys.argv[2]):
    print(mlflow.sklearn.load_model(uri).predict(images).tolist())
    print(mlflow.pyfunc.load_model(uri).predict(images).tolist())
"""
        expected, uris = [], []
        for model in ("model.skops", "yes_or_no.skops"):
            complete(shared, key_of(model), made, model)
            (run,) = with_key(shared, key_of(model))
            (logged,) = models_of(run, uri_of(shared))
            uris.append(logged.model_uri)
            expected += 2 * [str(list(map(int if model == "model.skops" else bool, predictions(made / model))))]
        np.save(tmp_path / "images.npy", IMAGES[200:300])
        arguments = uri_of(shared), json.dumps(uris), tmp_path / "images.npy"
        with python("-c", code, *arguments, cwd=tmp_path, PYTHONPATH="") as process:
            said = finish(process)
        assert [line for line in said.splitlines() if line.startswith("[")] == expected


def predictions(model: Path) -> Any:
    from digits.persistence import load_model

    return load_model(model).predict(IMAGES[200:300])


class TestHasCompleteRun:
    def test_needs_the_key_the_tag_and_life(self, shared: Path) -> None:
        store, key = Store(shared), key_of("has")
        run_id = store.create_run({}, {KEY: key})
        assert not has_complete_run(shared, key)
        store.client.set_tag(run_id, COMPLETE, "true")
        assert has_complete_run(shared, key)
        assert not has_complete_run(shared, key_of("other"))
        store.client.delete_run(run_id)
        assert not has_complete_run(shared, key)
        store.client.restore_run(run_id)
        assert has_complete_run(shared, key)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda file: None,
            lambda file: file.write_bytes(b""),
            lambda file: file.write_bytes(b"no database" * 1000),
            lambda file: file.mkdir(),
            lambda file: sqlite3.connect(file).close(),
        ],
        ids=["missing", "empty", "garbage", "folder", "without tables"],
    )
    def test_is_false_without_a_database(self, tmp_path: Path, damage: Callable[[Path], Any]) -> None:
        damage(tmp_path / "mlflow.db")
        before = sorted(tmp_path.iterdir())
        assert not has_complete_run(tmp_path, "0")
        assert sorted(tmp_path.iterdir()) == before

    def test_of_a_server_only_mlflow_can_say(self, monkeypatch: pytest.MonkeyPatch, shared: Path) -> None:
        Store(shared).create_run({}, {KEY: key_of("on a server"), COMPLETE: "true"})
        assert has_complete_run(shared, key_of("on a server"))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://runs.invalid")
        assert not has_complete_run(shared, key_of("on a server"))


class TestKey:
    def test_depends_on_values_and_model_alone(self) -> None:
        assert result_key({"a": 1, "b": {"c": [1, 2]}}, "0") == result_key({"b": {"c": [1, 2]}, "a": 1}, "0")
        different: list[tuple[dict[str, Any], str]] = [
            ({"a": 1}, "0"),
            ({"a": 2}, "0"),
            ({"a": 1}, "1"),
            ({"a": "1"}, "0"),
            ({"a": {"a": 1}}, "0"),
            ({"a": 1.5}, "0"),
        ]
        assert len({result_key(*values) for values in different}) == len(different)
        assert len(result_key({}, "")) == 64


class TestSource:
    @pytest.fixture
    def repository(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
        """A repository of git, in which a test now is."""
        (tmp_path / "gitconfig").write_text("[user]\nname = t\nemail = t@example.org\n", encoding="utf-8")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        monkeypatch.chdir(tmp_path)

        def git(*arguments: str) -> str:
            return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

        git("init", "-q", "-b", "trunk")
        (tmp_path / "params.yaml").write_text("target: digit\n", encoding="utf-8")
        git("add", "params.yaml")
        git("commit", "-qm", "x")
        return git

    def test_is_branch_and_commit(self, repository: Callable[..., str]) -> None:
        assert run_name() == f"trunk-{repository('rev-parse', '--short', 'HEAD')}"
        assert describe_source() == {"mlflow.source.git.commit": repository("rev-parse", "HEAD"), "dirty": "false"}

    def test_is_the_experiments_name_when_dvc_gave_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DVC_EXP_NAME", "bluer-tit")
        assert run_name() == "bluer-tit"

    @pytest.mark.parametrize(("file", "dirty"), [("params.yaml", "true"), ("digits/new.py", "true"), ("notes.txt", "false")])
    @pytest.mark.usefixtures("repository")
    def test_is_dirty_when_code_or_params_are_not_committed(self, tmp_path: Path, file: str, dirty: str) -> None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("target: 5\n", encoding="utf-8")
        assert describe_source()["dirty"] == dirty

    def test_may_have_no_git(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        assert run_name() == "no-commit"
        assert describe_source() == {"mlflow.source.git.commit": "", "dirty": "false"}

    def test_may_have_no_git_at_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """DVC works without git, and so does this."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert run_name() == "no-commit"


def test_peak_memory_is_the_most_there_was() -> None:
    """In a process of its own: what others have used before decides whether memory goes back to the system."""
    code = """
import numpy, psutil
used = psutil.Process().memory_info
block = numpy.ones(25 * 2**20)
held = used().rss / 2**20
del block
assert used().rss / 2**20 < held - 150
assert held * 0.99 < peak_memory() < held + 150
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class TestServers:
    def test_a_real_server_gets_runs_and_artifacts(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, made: Path
    ) -> None:
        """And when it goes away in the middle of a training, that costs a warning."""
        port = free_port()
        uri = f"http://127.0.0.1:{port}"
        server, client, folder = tmp_path / "server", tmp_path / "client", tmp_path / "client" / ".mlflow"
        server.mkdir()
        client.mkdir()
        monkeypatch.chdir(client)
        arguments = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
        arguments += ["--backend-store-uri", f"sqlite:///{server / 'runs.db'}", "--artifacts-destination", server / "artifacts"]
        with ExitStack() as later:
            with python(*arguments, cwd=server, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false") as process:
                wait_for_health(process, port)
                monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
                with live_run(folder, PARAMS) as run:
                    run.log_metrics(METRICS["validation"], "validation")
                    run.finish(key_of("remote"), {"train_seconds": 1.0})
                assert not has_complete_run(folder, key_of("remote"))
                for _ in range(2):
                    complete(folder, key_of("remote"), made)

                (found,) = Store(folder).runs(f"tags.{KEY} = '{key_of('remote')}'")
                assert found.info.status == "FINISHED" and found.data.tags[COMPLETE] == "true"
                assert {"validation/accuracy", "test/accuracy", "cost/train_seconds"} <= set(found.data.metrics)
                assert files_of(found, uri, tmp_path / "downloaded")["plots/errors.png"] == b"a picture"
                (logged,) = models_of(found, uri)
                assert found.info.artifact_uri.startswith("mlflow-artifacts:")
                assert logged.artifact_location.startswith("mlflow-artifacts:")
                assert len(list((server / "artifacts").glob("**/MLmodel"))) == 1
                assert [path.name for path in client.rglob("*") if path.is_file()] in ([], ["runs.lock"])

                going_on = later.enter_context(live_run(folder, PARAMS))
                assert not caplog.records
            going_on.log_metrics({"accuracy": 0.5}, "validation")
            assert "MLflow: " in caplog.text

    def test_ui_shows_this_repositorys_runs_wherever_it_is_called(self, tmp_path: Path, made: Path) -> None:
        repository, elsewhere, port = tmp_path / "repository", tmp_path / "elsewhere", free_port()
        shutil.copytree(ROOT / "digits", repository / "digits")
        elsewhere.mkdir()
        complete(repository / ".mlflow", key_of("shown"), made)
        (run,) = with_key(repository / ".mlflow", key_of("shown"))
        with python("-m", "digits.ui", port, cwd=elsewhere, PYTHONPATH=str(repository)) as process:
            wait_for_health(process, port)
            client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
            experiment = client.get_experiment_by_name("digits")
            assert experiment
            assert [found.info.run_id for found in client.search_runs([experiment.experiment_id])] == [run.info.run_id]
            with urlopen(f"http://127.0.0.1:{port}/get-artifact?path=plots/errors.png&run_id={run.info.run_id}") as answer:
                assert answer.read() == b"a picture"
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            listening = {c.laddr for member in family for c in member.net_connections("inet") if c.status == psutil.CONN_LISTEN}
            assert {(address.ip, address.port) for address in listening} == {("127.0.0.1", port)}
            assert len(family) <= 4
        assert not list(elsewhere.iterdir())

    def test_ui_of_a_server_is_the_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://runs.invalid")
        with pytest.raises(SystemExit, match=r"https://runs\.invalid"):
            ui.main()
