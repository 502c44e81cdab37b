"""`make queue`: a grid of experiments, worked off by several workers that share the cores."""

import subprocess
import sys
import time
from contextlib import suppress
from unittest.mock import patch

import psutil
import pytest
from dvc_task.app.filesystem import FSApp

from digits.experiments import queue
from digits.experiments.queue import read_queue
from tests.scratch import Project, assert_complete


def queue_neighbors(project: Project, name: str, neighbors: int) -> None:
    """Queue an experiment by its name."""
    setting = f"models.knn.n_neighbors={neighbors}"
    project.dvc("exp", "run", "--queue", "-n", name, "-S", setting)


def test_a_grid_is_worked_off_and_what_fails_is_named(project: Project) -> None:
    seen = project.home / "threads"
    with (project.path / "stages" / "train.py").open("a", encoding="utf-8") as file:
        file.write(
            f"\n\nimport os\n\nopen({str(seen)!r}, 'a').write(os.environ['DIGITS_THREADS'] + ' ')\n"
        )
    project.commit("writes down on how many threads it works")
    assert project.run("python", "-m", "digits", "queue") == ""
    project.dvc("exp", "run", "--queue", "-S", "models.knn.n_neighbors=1,2")
    queue_neighbors(project, "bad", 9000)
    output = project.run(
        "python", "-m", "digits", "queue", "--jobs", "2", fails=True, DIGITS_THREADS="6"
    )
    assert "bad failed: `dvc queue logs NAME` says why." in output
    finished = [run for run in project.runs() if run.info.status == "FINISHED"]
    assert sorted(run.data.params["models.knn.n_neighbors"] for run in finished) == ["1", "2"]
    for run in finished:
        assert_complete(run, project)
    assert set(seen.read_text(encoding="utf-8").split()) == {"3"}


@pytest.mark.slow
def test_what_was_lost_with_a_killed_worker_fails_and_the_rest_is_done(project: Project) -> None:
    for neighbors, name in enumerate(("lost", "waits"), start=1):
        queue_neighbors(project, name, neighbors)
    project.dvc("queue", "start")
    deadline = time.monotonic() + 60
    while list(read_queue(project.path).active.values()) != ["lost"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # In this order, or the worker would still report that the experiment failed.
    for command in ("queue-worker", "exec-run"):
        kill(project, command)
    # As a kill leaves it in the midst of DVC's writing.
    (project.path / ".dvc/tmp/exps/rwlock").write_text("", encoding="utf-8")
    assert "lost failed: `dvc queue logs NAME` says why." in project.run(
        "python", "-m", "digits", "queue", fails=True
    )
    (run,) = (run for run in project.runs() if run.info.status == "FINISHED")
    assert run.info.run_name == "waits"
    assert_complete(run, project)


def kill(project: Project, command: str) -> None:
    """Kill DVC's processes of this repository that run such a command."""
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.NoSuchProcess):  # of another test, that has just ended
            is_meant = command in (process.info["cmdline"] or [])
            if is_meant and process.cwd().startswith(str(project.path)):
                process.kill()


@pytest.mark.slow
def test_stopped_workers_are_not_waited_for(project: Project) -> None:
    for neighbors in range(1, 4):
        queue_neighbors(project, f"k{neighbors}", neighbors)
    with subprocess.Popen(
        [sys.executable, "-m", "digits", "queue"],
        cwd=project.path,
        env=project.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as working:
        deadline = time.monotonic() + 60
        while not read_queue(project.path).active:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        project.dvc("queue", "stop")
        _, output = working.communicate(timeout=240)
    assert working.returncode == 1
    assert "still wait, and no worker is left: `make queue` goes on with them." in output


@pytest.mark.slow
def test_what_no_worker_is_at_is_not_waited_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that ends can take the next experiment with it, and DVC shows that as running."""
    queue_neighbors(project, "lost", 1)
    broker = project.path / ".dvc" / "tmp" / "exps" / "celery" / "broker"
    (message,) = (broker / "in").glob("*.celery.msg")
    message.rename(broker / "processed" / message.name)
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(queue, "START_TIMEOUT", 1)
    monkeypatch.setattr(queue, "POLL_SECONDS", 0.2)
    assert [*read_queue(project.path).active.values()] == ["lost"]
    assert queue.run_queue(project.path, 1) == ["lost"]
    assert not read_queue(project.path).left


@pytest.mark.slow
def test_a_second_failure_of_a_name_is_one_too_and_messages_are_read_once(
    project: Project,
) -> None:
    for _ in range(2):
        queue_neighbors(project, "bad", 9000)
        assert "bad failed" in project.run("python", "-m", "digits", "queue", fails=True)
    with patch.object(
        FSApp, "iter_processed", autospec=True, side_effect=FSApp.iter_processed
    ) as read:
        assert not read_queue(project.path).left
    # However many are over: once it was 190 times for 17 experiments, a quarter of a core.
    assert read.call_count == 1
