"""After a kill, a failure or a server that goes away, there is one complete run in the end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from mlflow.entities import Run

from tests.proxy import proxy
from tests.runs import MlflowServer, free_port
from tests.scratch import BY_EPOCHS, Project, assert_complete, ran, wait_until

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

# Long enough to be interrupted.
LONG_TRAINING = {"models__softmax__epochs": 60, "train__seed": 1}


def start_training(
    project: Project, runs: Callable[[], list[Run]] | None = None, **env: str
) -> subprocess.Popen[str]:
    """`dvc repro` in the background, in a training of which MLflow has the first epochs."""
    project.edit(**LONG_TRAINING)
    training = project.background("repro", **{"SHELL": "/bin/sh"} | env)

    def is_learning() -> bool:
        return any(
            run.info.status == "RUNNING" and "history/training_loss" in run.data.metrics
            for run in (runs or project.runs)()
        )

    wait_until(is_learning, training)
    return training


@pytest.mark.parametrize(
    ("kill", "shell"),
    [
        pytest.param(lambda dvc, train: os.kill(train, signal.SIGKILL), "/bin/sh", id="kill -9"),
        pytest.param(lambda dvc, train: os.kill(train, signal.SIGTERM), "/bin/sh", id="SIGTERM"),
        pytest.param(lambda dvc, train: os.kill(dvc, signal.SIGKILL), "/bin/sh", id="kill -9 dvc"),
        # Where DVC is told of no shell it calls sh. Debian's stays between DVC and the stage, which
        # bash does not.
        pytest.param(
            lambda dvc, train: os.kill(dvc, signal.SIGKILL), "/bin/bash", id="kill -9 dvc, bash"
        ),
        pytest.param(lambda dvc, train: os.killpg(dvc, signal.SIGINT), "/bin/sh", id="Ctrl-C"),
    ],
)
def test_after_a_kill_the_next_repro_ends_right(
    by_epochs: Project,
    reproduced: Callable[..., Project],
    kill: Callable[[int, int], None],  # of the process of DVC, and that of the stage
    shell: str,
) -> None:
    project = by_epochs
    training = start_training(project, SHELL=shell)
    (run,) = project.runs()
    kill(training.pid, int(run.data.tags["process"].split()[0]))
    output, _ = training.communicate(timeout=60)
    assert training.returncode != 0, output
    assert project.repro() == ["train", "evaluate", "track"]
    assert not list(project.path.glob("**/*.new"))
    runs = {run.info.status: run for run in project.runs()}
    assert sorted(runs) == ["FINISHED", "KILLED"] and len(project.runs()) == 2
    assert_complete(runs["FINISHED"], project)
    undisturbed = reproduced(**BY_EPOCHS | LONG_TRAINING)
    locks = [(each.path / "dvc.lock").read_bytes() for each in (project, undisturbed)]
    assert locks[0] == locks[1]
    assert project.repro() == []


def test_a_failed_stage_is_a_failed_run_and_the_next_repro_ends_right(by_epochs: Project) -> None:
    project = by_epochs
    code = project.path / "digits" / "training" / "validation.py"
    before = code.read_text(encoding="utf-8")
    line = "    last = int(fold.max())"
    assert line in before
    code.write_text(before.replace(line, "    raise RuntimeError('on purpose')"), encoding="utf-8")
    project.edit(train__seed=1)
    assert "on purpose" in project.dvc("repro", fails=True)
    code.write_text(before, encoding="utf-8")
    assert project.repro() == ["train", "evaluate", "track"]
    runs = {run.info.status: run for run in project.runs()}
    assert sorted(runs) == ["FAILED", "FINISHED"] and len(project.runs()) == 2
    assert_complete(runs["FINISHED"], project)


def test_a_run_that_a_killed_process_left_is_ended_by_track_too(by_epochs: Project) -> None:
    """Whoever goes back to a known result after a kill does not train again."""
    project = by_epochs
    project.edit(train__seed=2)
    project.repro()
    known = (project.path / "params.yaml").read_bytes()
    project.edit(train__seed=42)
    assert project.repro() == ["track"]
    training = start_training(project)
    (run,) = (run for run in project.runs() if run.info.status == "RUNNING")
    os.kill(int(run.data.tags["process"].split()[0]), signal.SIGKILL)
    training.communicate(timeout=60)
    (project.path / "params.yaml").write_bytes(known)
    assert project.repro() == ["track"]
    assert sorted(run.info.status for run in project.runs()) == ["FINISHED", "FINISHED", "KILLED"]


def test_a_server_that_is_there(by_epochs: Project, server: MlflowServer) -> None:
    project = by_epochs
    project.edit(train__seed=1)
    assert project.repro(MLFLOW_TRACKING_URI=server.uri) == ["train", "evaluate", "track"]
    assert project.repro(MLFLOW_TRACKING_URI=server.uri) == []
    (run,) = server.runs()
    assert_complete(run, project, server.uri)
    assert project.runs() == []


def test_a_server_that_is_down_gets_the_run_later(by_epochs: Project, server: MlflowServer) -> None:
    project, port = by_epochs, free_port()
    uri = f"http://127.0.0.1:{port}"
    project.edit(train__seed=1)
    started = time.monotonic()
    output = project.dvc("repro", MLFLOW_TRACKING_URI=uri)
    assert time.monotonic() - started < 60
    assert ran(output) == ["train", "evaluate", "track"]
    assert "does not answer" in output
    assert_is_tracked_when_it_answers(project, server, port)
    assert project.repro(MLFLOW_TRACKING_URI=server.uri) == []
    assert project.git("status", "--porcelain", "--", "dvc.lock") == " M dvc.lock\n"


def test_a_server_that_dies_in_the_middle_of_a_training(
    by_epochs: Project, server: MlflowServer
) -> None:
    project, port = by_epochs, free_port()
    with proxy(server.uri, port) as before_it:
        training = start_training(project, server.runs, MLFLOW_TRACKING_URI=before_it.url)
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
