"""After a kill, a failure or a server that goes away, there is one complete run in the end."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import psutil
import pytest

from digits.tracking.database import EXPERIMENT
from tests.epochs import assert_went_on
from tests.proxy import proxy
from tests.runs import MlflowServer, free_port
from tests.scratch import BY_EPOCHS, Project, assert_complete, ran, wait_until

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

# Long enough to be interrupted.
EPOCHS = 60
LONG_TRAINING = {"models__softmax__epochs": EPOCHS, "train__seed": 1}


def learning(database: Path) -> int:
    """The process of a training of which a store has the first epochs; 0 if there is none.

    MLflow itself would be asked for so long that the training is nearly done.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT tags.value FROM tags JOIN runs USING (run_uuid) JOIN latest_metrics AS metric "
            "USING (run_uuid) WHERE tags.key = 'process' AND runs.status = 'RUNNING' "
            "AND metric.key = 'history/training_loss' AND metric.step >= 3"
        ).fetchone()
    return int(found[0].split()[0]) if found else 0


def start_training(
    project: Project, database: Path | None = None, **env: str
) -> tuple[subprocess.Popen[str], int]:
    """`dvc repro` in the background, in a training of which MLflow has the first epochs.

    With the number of the stage's process.
    """
    training = project.background("repro", **{"SHELL": "/bin/sh"} | env)
    found = database or project.store / "mlflow.db"
    wait_until(lambda: learning(found), training)
    return training, learning(found)


@pytest.fixture
def learned(reproduced: Callable[..., Project]) -> Project:
    """A project with what the training comes to that nothing disturbs. Only look at it."""
    return reproduced(**BY_EPOCHS | LONG_TRAINING)


@pytest.fixture
def project(learned: Project, tmp_path: Path) -> Project:
    """One in which that training has still to run: DVC's cache has what `evaluate` makes of it."""
    project = learned.copy(tmp_path / "digits")
    forget(project)
    return project


def go_back(project: Project) -> None:
    """To the results of another experiment."""
    project.git("restore", "--source", "HEAD~1", "--", "dvc.lock", "metrics", "plots")


def forget(project: Project) -> None:
    """Have the training run again, and it alone: DVC's cache has what `evaluate` makes of it."""
    go_back(project)
    for file in [*(project.path / ".dvc" / "cache" / "runs").glob("*/*/*")]:
        if "python -m stages train" in file.read_text(encoding="utf-8"):
            shutil.rmtree(file.parent)
    (project.store / "artifacts").mkdir(exist_ok=True)
    project.forget_runs()


def fail(project: Project) -> None:
    code = project.path / "digits" / "training" / "validation.py"
    before = code.read_text(encoding="utf-8")
    line = "    last = int(fold.max())"
    assert line in before
    code.write_text(before.replace(line, "    raise RuntimeError('on purpose')"), encoding="utf-8")
    assert "on purpose" in project.dvc("repro", fails=True)
    code.write_text(before, encoding="utf-8")


def assert_ends_right(project: Project, undisturbed: Project, status: str) -> None:
    """The next repro does, with a run of this status and one complete run."""
    assert project.repro() == ["train", "track"]
    assert not list(project.path.glob("**/*.new"))
    runs = {run.info.status: run for run in project.runs()}
    assert sorted(runs) == sorted(["FINISHED", status]) and len(project.runs()) == 2
    assert_complete(runs["FINISHED"], project)
    locks = [(each.path / "dvc.lock").read_bytes() for each in (project, undisturbed)]
    assert locks[0] == locks[1]
    assert project.repro() == []


KILLS: dict[str, tuple[str, Callable[[int, int], None]]] = {  # of DVC's process, and the stage's
    "kill -9": ("/bin/sh", lambda dvc, train: os.kill(train, signal.SIGKILL)),
    "SIGTERM": ("/bin/sh", lambda dvc, train: os.kill(train, signal.SIGTERM)),
    "kill -9 dvc": ("/bin/sh", lambda dvc, train: os.kill(dvc, signal.SIGKILL)),
    # Where DVC is told of no shell it calls sh. Debian's stays between DVC and the stage, which
    # bash does not.
    "kill -9 dvc, bash": ("/bin/bash", lambda dvc, train: os.kill(dvc, signal.SIGKILL)),
    "Ctrl-C": ("/bin/sh", lambda dvc, train: os.killpg(dvc, signal.SIGINT)),
}


@pytest.mark.parametrize("way", KILLS)
def test_after_a_kill_the_next_repro_ends_right(
    project: Project, learned: Project, way: str
) -> None:
    shell, kill = KILLS[way]
    training, stage = start_training(project, SHELL=shell)
    kill(training.pid, stage)
    output, _ = training.communicate(timeout=60)
    assert training.returncode != 0 and "Traceback" not in output, output
    assert_ends_right(project, learned, "KILLED")
    assert_went_on(project, learned, EPOCHS)


def test_a_failed_stage_is_a_failed_run_and_the_next_repro_ends_right(
    project: Project, learned: Project
) -> None:
    """And `track` ends a run that a killed process left."""
    fail(project)
    assert_ends_right(project, learned, "FAILED")

    # Whoever goes back to a known result after a kill does not train again.
    known = (project.path / "params.yaml").read_bytes()
    go_back(project)
    project.edit(train__seed=2)
    training, stage = start_training(project)
    psutil.Process(stage).kill()
    training.communicate(timeout=60)
    (project.path / "params.yaml").write_bytes(known)
    assert project.repro() == ["track"]
    statuses = sorted(run.info.status for run in project.runs())
    assert statuses == ["FAILED", "FINISHED", "KILLED"]


def test_a_server_that_is_there_is_down_or_dies(project: Project, server: MlflowServer) -> None:
    """There: the run is on it. Else it is kept, and sent by a later `dvc repro`."""
    client = mlflow.MlflowClient(server.uri)

    def begin_anew(name: str) -> None:
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert experiment
        client.rename_experiment(experiment.experiment_id, name)
        forget(project)

    assert project.repro(MLFLOW_TRACKING_URI=server.uri) == ["train", "track"]
    assert project.repro(MLFLOW_TRACKING_URI=server.uri) == []
    (run,) = server.runs()
    assert_complete(run, project, server.uri)
    assert project.runs() == []

    begin_anew("there")
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    started = time.monotonic()
    output = project.dvc("repro", MLFLOW_TRACKING_URI=uri)
    assert time.monotonic() - started < 60
    assert ran(output) == ["train", "track"]
    assert "does not answer" in output
    assert_is_tracked_when_it_answers(project, server, port)
    assert project.repro(MLFLOW_TRACKING_URI=server.uri) == []
    assert project.git("status", "--porcelain") == "", "dvc.lock is as with the server"

    begin_anew("down")
    port = free_port()
    with proxy(server.uri, port) as before_it:
        database = server.folder / "runs.db"
        training, _ = start_training(project, database, MLFLOW_TRACKING_URI=before_it.url)
    output, _ = training.communicate(timeout=120)
    assert training.returncode == 0, output
    assert output.count("MLflow: ") < 4, "once it did not answer, it is not asked at each epoch"
    assert_is_tracked_when_it_answers(project, server, port)


def assert_is_tracked_when_it_answers(project: Project, server: MlflowServer, port: int) -> None:
    """The run is in the embedded store, and after the next repro on the server too."""
    (kept,) = project.runs()
    assert_complete(kept, project)
    wait_until(lambda: not (project.store / "tracked").exists())
    with proxy(server.uri, port) as before_it:
        assert project.repro(MLFLOW_TRACKING_URI=before_it.url) == ["track"]
    (run,) = server.runs()
    assert_complete(run, project, server.uri)
    assert run.data.metrics["cost/train_seconds"] == kept.data.metrics["cost/train_seconds"]
