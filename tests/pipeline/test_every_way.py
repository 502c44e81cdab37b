"""Every way of running an experiment leaves one complete run of it: none lost, none twice, none RUNNING for ever."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs import free_port, mlflow_server
from tests.scratch import Project, assert_complete, ran

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

SEED = "train.seed=1"


@pytest.fixture(scope="module")
def _learned(_reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = _reproduced.copy(tmp_path_factory.mktemp("learned") / "digits")
    project.edit(train__model="softmax", train__scale="unit", models__softmax__epochs=3)
    project.repro()
    project.commit("learns by epochs")
    return project


@pytest.fixture
def project(_learned: Project, tmp_path: Path) -> Project:
    """A scratch repository with a model that learns by epochs; no run is there yet."""
    project = _learned.copy(tmp_path / "digits")
    (project.store / "mlflow.db").unlink()
    shutil.rmtree(project.store / "artifacts")
    return project


def repro(project: Project) -> Project:
    project.edit(train__seed=1)
    assert project.repro() == ["train", "evaluate", "track"]
    return project


def forced(project: Project) -> Project:
    project.repro("-f")
    project.repro("-f")
    return project


def exp_run(project: Project) -> Project:
    project.dvc("exp", "run", "-n", "one", "-S", SEED)
    project.dvc("exp", "run", "-n", "again", "-S", SEED, "--force")
    return project


def temp(project: Project) -> Project:
    project.dvc("exp", "run", "--temp", "-n", "aside", "-S", SEED)
    project.dvc("exp", "apply", "aside")
    assert project.repro() == ["track"], "what says that it is tracked was in the temporary copy"
    return project


def set_back(project: Project) -> Project:
    project.edit(train__seed=1)
    project.repro()
    project.edit(train__seed=42)
    assert project.repro() == ["track"]
    project.edit(train__seed=1)
    assert project.repro() == ["track"]
    return project


def clone_and_pull(project: Project) -> Project:
    project.dvc("push")
    project.git("clone", "-q", ".", str(project.path.parent / "clone"))
    clone = Project(project.path.parent / "clone", project.home)
    clone.dvc("pull")
    assert clone.repro() == ["track"]
    assert clone.git("status", "--porcelain") == ""
    return clone


def experiment_pushed_and_pulled(project: Project) -> Project:
    bare, storage = project.path.parent / "shared.git", str(project.path.parent / "digits-storage")
    project.dvc("remote", "modify", "--local", "storage", "url", storage)  # see .dvc/config
    project.git("clone", "-q", "--bare", ".", str(bare))
    project.git("remote", "add", "shared", str(bare))
    project.dvc("exp", "run", "-n", "mine", "-S", SEED)
    project.dvc("exp", "push", "shared", "mine")
    project.git("clone", "-q", str(bare), str(project.path.parent / "theirs"))
    theirs = Project(project.path.parent / "theirs", project.home)
    theirs.dvc("remote", "modify", "--local", "storage", "url", storage)
    theirs.dvc("exp", "pull", "origin", "mine")
    assert not Path("/digits-storage").exists()
    theirs.dvc("exp", "apply", "mine")
    theirs.dvc("pull")
    assert theirs.repro() == ["track"]
    assert [run.info.run_name for run in theirs.runs()] == ["mine"]
    return theirs


def wiped_store(project: Project) -> Project:
    for _ in range(2):
        shutil.rmtree(project.store)
        assert project.repro() == ["track"]
    return project


def worktree(project: Project) -> Project:
    place = project.path.parent / "worktree"
    project.git("worktree", "add", "-q", str(place))
    Project(place, project.home).repro()
    project.git("worktree", "remove", "--force", str(place))
    return project


def measured_otherwise(project: Project) -> Project:
    """The model is the same, but what a run shows of it must be what the code of its commit makes."""
    wiped_store(project)
    code = project.path / "digits" / "scores.py"
    before = code.read_text(encoding="utf-8")
    assert '{"n": n, "errors": errors}' in before
    code.write_text(
        before.replace('{"n": n, "errors": errors}', '{"n": n, "errors": errors, "halves": n / 2}'),
        encoding="utf-8",
    )
    project.repro()
    new, old = project.runs()
    assert (
        new.data.metrics["test/halves"] == new.data.metrics["test/n"] / 2
        and "test/halves" not in old.data.metrics
    )
    code.write_text(before, encoding="utf-8")
    assert project.repro() == ["track"]
    return project


WAYS: dict[Callable[[Project], Project], int] = {
    repro: 1, forced: 1, exp_run: 1, temp: 1, set_back: 2, clone_and_pull: 1, experiment_pushed_and_pulled: 1, wiped_store: 1,
    measured_otherwise: 2, worktree: 1,
}  # fmt: skip


@pytest.mark.parametrize(("way", "n_runs"), WAYS.items(), ids=[way.__name__ for way in WAYS])
def test_every_way_of_running(
    project: Project, way: Callable[[Project], Project], n_runs: int
) -> None:
    project = way(project)
    assert project.repro() == []
    runs = project.runs()
    assert len(runs) == n_runs
    for run in runs:
        assert_complete(run, project)


def test_four_queue_workers_on_a_store_that_does_not_exist_yet(project: Project) -> None:
    names = [f"s{seed}" for seed in range(8)]
    for seed, name in enumerate(names):
        project.dvc("exp", "run", "--queue", "-n", name, "-S", f"train.seed={seed}")
    shutil.rmtree(project.store)
    project.dvc("queue", "start", "-j", "4", DIGITS_THREADS="1")
    deadline = time.monotonic() + 400
    while (status := project.dvc("queue", "status")).count("Success") < len(names):
        assert "Failed" not in status and time.monotonic() < deadline, status
        time.sleep(3)
    assert sorted(run.info.run_name for run in project.runs()) == names
    for run in project.runs():
        assert run.data.tags["dvc.experiment"] == run.info.run_name
        assert_complete(run, project)


def start_training(
    project: Project, uri: str = "", shell: str = "/bin/sh"
) -> subprocess.Popen[str]:
    """`dvc repro` in the background, in the midst of a training of which MLflow has the first epochs."""
    project.edit(models__softmax__epochs=150, train__seed=1)
    training = project.background(
        "repro", SHELL=shell, **({"MLFLOW_TRACKING_URI": uri} if uri else {})
    )
    deadline = time.monotonic() + 60
    while not uri and not (project.store / "mlflow.db").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while not any(
        run.info.status == "RUNNING" and "history/training_loss" in run.data.metrics
        for run in project.runs(uri)
    ):
        assert time.monotonic() < deadline and training.poll() is None
        time.sleep(0.05)
    return training


@pytest.mark.parametrize(
    ("kill", "shell"),
    [
        (lambda dvc, train: os.kill(train, signal.SIGKILL), "/bin/sh"),
        (lambda dvc, train: os.kill(train, signal.SIGTERM), "/bin/sh"),
        (lambda dvc, train: os.kill(dvc, signal.SIGKILL), "/bin/sh"),
        (lambda dvc, train: os.kill(dvc, signal.SIGKILL), "/bin/bash"),
        (lambda dvc, train: os.killpg(dvc, signal.SIGINT), "/bin/sh"),
    ],
    # Where DVC is told of no shell it calls sh, and Debian's stays between DVC and the stage, which bash does not.
    ids=["kill -9 train", "SIGTERM to train", "kill -9 dvc", "kill -9 dvc, bash", "Ctrl-C"],
)
def test_after_a_kill_the_next_repro_ends_right(
    project: Project, kill: Callable[[int, int], None], shell: str
) -> None:
    training = start_training(project, shell=shell)
    (run,) = project.runs()
    kill(training.pid, int(run.data.tags["process"].split()[0]))
    output, _ = training.communicate(timeout=60)
    assert training.returncode != 0, output
    assert project.repro() == ["train", "evaluate", "track"]
    assert not list(project.path.glob("**/*.new"))
    runs = {run.info.status: run for run in project.runs()}
    assert sorted(runs) == ["FINISHED", "KILLED"] and len(project.runs()) == 2
    assert_complete(runs["FINISHED"], project)
    assert project.repro() == []


def test_a_failed_stage_is_a_failed_run_and_the_next_repro_ends_right(project: Project) -> None:
    code = project.path / "digits" / "protocol.py"
    before = code.read_text(encoding="utf-8")
    code.write_text(
        before.replace("    last = int(fold.max())", "    raise RuntimeError('on purpose')"),
        encoding="utf-8",
    )
    project.edit(train__seed=1)
    assert "on purpose" in project.dvc("repro", fails=True)
    code.write_text(before, encoding="utf-8")
    assert project.repro() == ["train", "evaluate", "track"]
    runs = {run.info.status: run for run in project.runs()}
    assert sorted(runs) == ["FAILED", "FINISHED"] and len(project.runs()) == 2
    assert_complete(runs["FINISHED"], project)


def test_a_run_that_a_killed_process_left_is_ended_by_track_too(project: Project) -> None:
    """Whoever goes back to a known result after a kill does not train again."""
    shutil.rmtree(project.store)
    project.repro()
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


def test_runs_on_a_server(project: Project, tmp_path: Path) -> None:
    with mlflow_server(tmp_path / "server", free_port()) as uri:
        project.edit(train__seed=1)
        project.repro(MLFLOW_TRACKING_URI=uri)
        assert project.repro(MLFLOW_TRACKING_URI=uri) == []
        (run,) = project.runs(uri)
        assert_complete(run, project, uri)
    assert not (project.store / "mlflow.db").exists()


def test_a_run_waits_for_a_server_that_is_down(project: Project, tmp_path: Path) -> None:
    port = free_port()
    project.edit(train__seed=1)
    started = time.monotonic()
    output = project.dvc("repro", MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")
    assert time.monotonic() - started < 60
    assert ran(output) == ["train", "evaluate", "track"]
    assert "does not answer" in output
    (kept,) = project.runs()
    assert_complete(kept, project)
    _wait_until(lambda: not (project.store / "tracked").exists())
    with mlflow_server(tmp_path / "server", port) as uri:
        assert project.repro(MLFLOW_TRACKING_URI=uri) == ["track"]
        (run,) = project.runs(uri)
        assert_complete(run, project, uri)
        assert run.data.metrics["cost/train_seconds"] == kept.data.metrics["cost/train_seconds"]
        assert project.repro(MLFLOW_TRACKING_URI=uri) == []
    assert project.git("status", "--porcelain", "--", "dvc.lock") == " M dvc.lock\n"


def test_a_server_that_dies_in_the_middle_of_a_training(project: Project, tmp_path: Path) -> None:
    port = free_port()
    with mlflow_server(tmp_path / "server", port) as uri:
        training = start_training(project, uri)
    output, _ = training.communicate(timeout=120)
    assert training.returncode == 0, output
    assert output.count("MLflow: ") < 4, "once it did not answer, it is not asked at each epoch"
    (kept,) = project.runs()
    assert_complete(kept, project)
    _wait_until(lambda: not (project.store / "tracked").exists())
    with mlflow_server(tmp_path / "server", port) as uri:
        assert project.repro(MLFLOW_TRACKING_URI=uri) == ["track"]
        (run,) = project.runs(uri)
        assert_complete(run, project, uri)
        assert run.data.metrics["cost/train_seconds"] == kept.data.metrics["cost/train_seconds"]


def _wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)
