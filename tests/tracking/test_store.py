"""The store of runs: none lost, none twice, wherever it is and whoever made it."""

from pathlib import Path
from typing import Any

import mlflow
import pytest

from digits.common.errors import BadInput
from digits.params.nested import flatten
from digits.tracking.lookup import COMPLETE, KEY, has_complete_run
from digits.tracking.store import Store, open_store, require_store
from tests.runs import (
    EVALUATION,
    PARAMS,
    complete,
    files_of,
    finish,
    free_port,
    key_of,
    models_of,
    python,
    runs,
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
            match="was deleted: `mlflow experiments restore "
            f"--experiment-id {store.experiment_id}`",
        ):
            Store(tmp_path)
        store.client.restore_experiment(store.experiment_id)
        assert Store(tmp_path).experiment_id == store.experiment_id

    def test_a_database_that_is_none_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_bytes(b"garbage" * 100)
        with pytest.raises(
            BadInput,
            match=r"mlflow\.db cannot be used \(file is not a database\): it is no database: move",
        ):
            Store(tmp_path)

    def test_a_server_that_is_down_is_said(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        """Whoever only looks is not told where a run goes."""
        uri = f"http://user:secret@127.0.0.1:{free_port()}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(
            BadInput, match=r"does not answer .*, and runs are looked for there alone"
        ) as refusal:
            require_store(tmp_path)
        assert not caplog.records
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)  # where MLflow writes what it uses
        assert open_store(tmp_path).is_fallback
        assert "this run goes to" in caplog.text
        assert "secret" not in caplog.text + str(refusal.value)

    @pytest.mark.slow
    def test_racing_processes_lose_no_run(self, tmp_path: Path, made: Path) -> None:
        """Four make the store at once, log five runs each, then come to one and the same result."""
        code = """
import os, sys
from multiprocessing import get_context
from pathlib import Path
from digits.tracking.live import live_run
from tests.runs import complete, end_training
folder, made = Path(sys.argv[1]), Path(sys.argv[2])

def log_runs(me, together):
    os.chdir(me)
    together.wait()
    for number in range(5):
        with live_run(folder, {"me": me, "number": number}) as run:
            run.log_metrics({"number": number}, "validation")
            end_training(run, f"{me} {number}", train_seconds=1.0)
    with live_run(folder, {"me": "any"}) as run:
        together.wait()
        end_training(run, "same")
    together.wait()
    complete(folder, "rebuilt", made)

fork = get_context("fork")  # after the imports, which take longer than all the rest
together = fork.Barrier(4)
processes = [fork.Process(target=log_runs, args=(me, together)) for me in "abcd"]
for process in processes:
    process.start()
for process in processes:
    process.join()
    assert process.exitcode == 0
"""
        folder = tmp_path / ".mlflow"
        places = [tmp_path / name for name in "abcd"]
        for place in places:
            place.mkdir()
        with python("-c", code, folder, made, cwd=tmp_path) as process:
            said = finish(process)
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
        metrics: dict[str, Any] = {"n": 200, "accuracy": 0.875, "test_set": "0123abcd"}
        store.log_metrics(run_id, metrics, "test")
        assert store.client.get_run(run_id).data.metrics == {"test/n": 200, "test/accuracy": 0.875}
