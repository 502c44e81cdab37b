"""A result's one complete run: completed, rebuilt, and its model usable without the project."""

import json
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, Run

from digits.common.errors import BadInput
from digits.experiments.provenance import describe_source
from digits.experiments.run_names import run_name
from digits.params.nested import flatten
from digits.tracking.completion import complete_run
from digits.tracking.live import live_run
from digits.tracking.lookup import KEY, has_complete_run
from digits.tracking.registry import download_model
from digits.tracking.store import Store
from tests.imports import ROOT
from tests.runs import (
    EVALUATION,
    METRICS,
    PARAMS,
    complete,
    end_training,
    files_of,
    key_of,
    models_of,
    result,
    uri_of,
    with_key,
)

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


class TestCompleteRun:
    def test_completes_what_train_began(self, tmp_path: Path, shared: Path, made: Path) -> None:
        key = key_of("begun")
        with live_run(shared, PARAMS) as training:
            training.log_metrics(METRICS["validation"], "validation")
            training.log_metrics({"training_loss": 0.5}, "history", step=1)
            # The second epoch did not get through.
            end_training(training, "begun", train_seconds=1.0)
        (begun,) = with_key(shared, key)
        assert not has_complete_run(shared, key, EVALUATION)
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        assert run.info.run_id == begun.info.run_id
        assert has_complete_run(shared, key, EVALUATION)
        self.assert_whole(run, shared, tmp_path)
        assert run.data.metrics["cost/train_seconds"] == 1
        history = mlflow.MlflowClient(uri_of(shared)).get_metric_history(
            run.info.run_id, "validation/accuracy"
        )
        assert len(history) == 1

    @staticmethod
    def assert_whole(run: Run, folder: Path, tmp_path: Path) -> None:
        assert run.info.status == "FINISHED"
        assert run.data.params == {name: str(value) for name, value in flatten(PARAMS).items()}
        expected = {
            "validation/n": 300,
            "validation/accuracy": 0.9,
            "validation/fold_5": 0.9,
            "test/n": 200,
            "test/accuracy": 0.875,
        }
        assert run.data.metrics.items() >= expected.items()
        files = files_of(run, uri_of(folder), tmp_path / run.info.run_id)
        hashes = json.loads(files.pop("project/sha256.json"))
        assert files == {
            "plots/errors.png": b"a picture",
            "plots/confusion.csv": b"actual,predicted\n",
            "project/params.yaml": (ROOT / "params.yaml").read_bytes(),
            "project/uncommitted.diff": b"a patch",
        }
        expected_hashes = {name: sha256(content).hexdigest() for name, content in files.items()}
        assert hashes.items() > expected_hashes.items() and hashes.keys() - files == {"model"}
        assert len(models_of(run, uri_of(folder))) == 1
        history = mlflow.MlflowClient(uri_of(folder)).get_metric_history(
            run.info.run_id, "history/training_loss"
        )
        assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]
        assert run.inputs
        (data,) = run.inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest) == ("digits_8x8", "0123" * 9)
        assert json.loads(data.dataset.source) == {"url": "https://digits.invalid"}
        assert run.data.tags["dvc.models"] == "89ab.dir"
        assert (
            run.data.tags["mlflow.note.content"]
            == "Test: 87.50 % of 200 images right (82.20 to 91.40), 25 errors. "
            "Validation: 90.00 % of 300 images right (86.10 to 92.90), 30 errors.\n\n"
            f"Bring its workspace back: `python -m digits restore {run.info.run_id}`"
        )

    def test_rebuilds_what_is_not_there_once(
        self, tmp_path: Path, shared: Path, made: Path
    ) -> None:
        key = key_of("rebuilt")
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        self.assert_whole(run, shared, tmp_path)
        assert has_complete_run(shared, key, EVALUATION)
        complete(shared, key, made)
        (again,) = with_key(shared, key)
        assert again.info.run_id == run.info.run_id and again.info.end_time == run.info.end_time
        assert len(models_of(run, uri_of(shared))) == 1

    def test_rebuilds_what_was_deleted(self, tmp_path: Path, shared: Path, made: Path) -> None:
        key = key_of("lost")
        complete(shared, key, made)
        (lost,) = with_key(shared, key)
        mlflow.MlflowClient(uri_of(shared)).delete_run(lost.info.run_id)
        assert not has_complete_run(shared, key, EVALUATION)
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        assert run.info.run_id != lost.info.run_id
        assert has_complete_run(shared, key, EVALUATION)
        self.assert_whole(run, shared, tmp_path)

    def test_takes_a_patch_of_any_bytes(self, tmp_path: Path, shared: Path, made: Path) -> None:
        """Of a new file that is not UTF-8."""
        patch = b"+# \xe4\n"
        key = key_of("any bytes")
        texts = {"project/uncommitted.diff": patch.decode(errors="surrogateescape")}
        assert complete_run(shared, replace(result(key, made), texts=texts))
        (run,) = with_key(shared, key)
        assert (
            files_of(run, uri_of(shared), tmp_path / "files")["project/uncommitted.diff"] == patch
        )

    def test_keeps_its_own_cost(self, shared: Path, made: Path) -> None:
        """Of two trainings of the same, of which each store saw one."""
        key = key_of("costs")
        for seconds, evaluation in ((1.0, EVALUATION), (2.0, "otherwise")):
            with live_run(shared, PARAMS) as training:
                end_training(training, evaluation, train_seconds=seconds)
            (run,) = with_key(shared, key_of(evaluation))
            Store(shared).client.set_tag(run.info.run_id, KEY, key)
            assert complete_run(shared, replace(result(key, made), evaluation=evaluation))
        later, earlier = with_key(shared, key)
        assert [run.data.metrics["cost/train_seconds"] for run in (earlier, later)] == [1, 2]

    def test_a_model_that_is_measured_otherwise_has_a_run_of_that_too(
        self, shared: Path, made: Path
    ) -> None:
        """The code that measures or draws was edited, or one's own test images were."""
        key = key_of("measured twice")
        with live_run(shared, PARAMS) as training:
            end_training(training, "measured twice", train_seconds=1.0)
        complete(shared, key, made)
        other = replace(
            result(key, made),
            evaluation="otherwise",
            metrics=METRICS | {"test": METRICS["test"] | {"accuracy": 0.8}},
        )
        for _ in range(2):
            assert complete_run(shared, other)
            complete(shared, key, made)
        later, earlier = with_key(shared, key)
        assert [run.data.metrics["test/accuracy"] for run in (earlier, later)] == [0.875, 0.8]
        assert [run.data.metrics["cost/train_seconds"] for run in (earlier, later)] == [1, 1]
        for evaluation in (EVALUATION, "otherwise"):
            assert has_complete_run(shared, key, evaluation)

    def test_its_name_and_source_are_those_of_its_end(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: Path, made: Path
    ) -> None:
        """Evaluation failed and its code was mended: the run names the commit that mended it."""
        subprocess.run(
            ["git", "clone", "-q", "--depth=1", ROOT.as_uri(), tmp_path / "clean"], check=True
        )
        monkeypatch.chdir(tmp_path / "clean")
        key = key_of("mended")
        monkeypatch.setenv("DVC_EXP_NAME", "fails-in-evaluation")
        with live_run(shared, PARAMS) as training:
            end_training(training, "mended")
        (begun,) = with_key(shared, key)
        Store(shared).client.set_tag(begun.info.run_id, "params_sha256", "of what is committed now")
        Store(shared).client.set_tag(
            begun.info.run_id, "mlflow.source.git.commit", "the one before"
        )
        assert begun.data.tags["dvc.experiment"] == begun.info.run_name == "fails-in-evaluation"
        monkeypatch.delenv("DVC_EXP_NAME")
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        assert run.info.run_id == begun.info.run_id
        assert run.data.tags.items() >= describe_source(
            ""
        ).items() and run.info.run_name == run_name("")
        assert run.data.tags["dirty"] == "false"
        assert not {"dvc.experiment", "params_sha256"} & run.data.tags.keys()

    def test_goes_on_where_it_was_interrupted(
        self, tmp_path: Path, shared: Path, made: Path
    ) -> None:
        """Killed when the run to rebuild was just made, or before train's metrics came."""
        key = key_of("interrupted")
        Store(shared).create_run(PARAMS, {KEY: key})
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        self.assert_whole(run, shared, tmp_path)

    def test_leaves_no_half_of_a_run_complete(self, shared: Path, made: Path) -> None:
        key = key_of("no model")
        with pytest.raises(Exception, match="missing"):
            complete(shared, key, made, model="missing")
        assert not has_complete_run(shared, key, EVALUATION)
        complete(shared, key, made)
        assert has_complete_run(shared, key, EVALUATION)
        assert len(with_key(shared, key)) == 1

    def test_a_database_that_lacks_a_column_is_a_sentence(self, tmp_path: Path, made: Path) -> None:
        complete(tmp_path, key_of("the first"), made)
        with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
            connection.execute("ALTER TABLE runs DROP COLUMN deleted_time")
        cure = r"no such column.*\): it lacks a column of MLflow's: bring back a copy of it\.$"
        with pytest.raises(BadInput, match=cure):
            complete(tmp_path, key_of("the second"), made)

    def test_a_model_that_was_being_logged_at_a_kill_is_not_the_runs_model(
        self, tmp_path: Path, shared: Path, made: Path
    ) -> None:
        """MLflow keeps both, and hands them out in any order."""
        key = key_of("killed while logging")
        store = Store(shared)
        run_id = store.create_run(PARAMS, {KEY: key})
        for _ in range(3):
            half = store.client.create_logged_model(store.experiment_id, "model", run_id)
            store.client.log_outputs(run_id, [LoggedModelOutput(half.model_id, step=0)])
        complete(shared, key, made)
        (run,) = with_key(shared, key)
        assert len(models_of(run, uri_of(shared))) == 4
        found = download_model(store, run, tmp_path).model
        assert found.read_bytes() == (made / "model.skops").read_bytes()
