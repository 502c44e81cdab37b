"""`make queue`: a grid of experiments, worked off by several workers that share the cores."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
from dvc_task.app.filesystem import FSApp

from digits.experiments import queue
from digits.experiments.queue import read_queue
from tests.scratch import Project, assert_complete, wait_until

NOTHING_QUEUED = "Nothing is queued: `dvc exp run --queue` queues experiments.\n"


def queue_neighbors(project: Project, name: str, neighbors: int) -> None:
    """Queue an experiment by its name."""
    setting = f"models.knn.n_neighbors={neighbors}"
    project.dvc("exp", "run", "--queue", "-n", name, "-S", setting)


def test_a_grid_is_worked_off_and_what_fails_is_named(
    project: Project, digits: Callable[..., tuple[int, str, str]]
) -> None:
    """Two workers at once, on a store that does not exist yet."""
    seen = project.home / "threads"
    with (project.path / "stages" / "train.py").open("a", encoding="utf-8") as file:
        file.write(
            f"\n\nimport os\n\nopen({str(seen)!r}, 'a').write(os.environ['DIGITS_THREADS'] + ' ')\n"
        )
    project.commit("writes down on how many threads it works")
    assert digits(project, "queue") == (0, NOTHING_QUEUED, "")
    shutil.rmtree(project.store)
    project.dvc("exp", "run", "--queue", "-n", "s", "-S", "models.knn.n_neighbors=1,2")
    queue_neighbors(project, "bad", 0)
    # Without an environment that is activated.
    output = project.digits(
        "queue", "--jobs", "2", fails=True, DIGITS_THREADS="6", PATH="/usr/bin:/bin"
    )
    assert "bad failed: `dvc queue logs NAME` says why." in output
    finished = [run for run in project.runs() if run.info.status == "FINISHED"]
    assert sorted(run.data.params["models.knn.n_neighbors"] for run in finished) == ["1", "2"]
    assert sorted(run.info.run_name for run in finished) == ["s-1", "s-2"]
    for run in finished:
        assert run.data.tags["dvc.experiment"] == run.info.run_name
        assert_complete(run, project)
    assert set(seen.read_text(encoding="utf-8").split()) == {"3"}


# A training waits until this file is there, and does not begin if there is anything in it.
GATE = """
import sys
import time
from pathlib import Path

gate = Path({gate!r})
while not gate.exists():
    time.sleep(0.1)
if gate.read_text():
    sys.exit(gate.read_text())
"""


@pytest.fixture
def gate(project: Project, tmp_path: Path) -> Path:
    """The file that a training in the project waits for."""
    file, train = tmp_path / "gate", project.path / "stages" / "train.py"
    code = GATE.format(gate=str(file)) + train.read_text(encoding="utf-8")
    train.write_text(code, encoding="utf-8")
    project.commit("a training waits to be let in")
    return file


@pytest.mark.slow
def test_what_was_lost_with_a_killed_worker_fails_and_the_rest_is_done(
    project: Project,
    gate: Path,
    digits: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also what no worker is at, though DVC says so, and what stopped workers have left.

    One after the other in one project, so each failure after the first is another of its name.
    """
    assert digits(project, "queue") == (0, NOTHING_QUEUED, "")
    lose_on_the_way_to_a_worker(project, monkeypatch)
    stop_workers(project, gate)

    queue_neighbors(project, "waits", 2)
    project.dvc("queue", "start")
    wait_until(lambda: list(read_queue(project.path).active.values()) == ["lost"])
    # In this order, or the worker would still report that the experiment failed.
    for command in ("queue-worker", "exec-run"):
        kill(project, command)
    # As a kill leaves it in the midst of DVC's writing.
    (project.path / ".dvc/tmp/exps/rwlock").write_text("", encoding="utf-8")
    gate.touch()
    assert digits(project, "queue") == (
        1,
        "",
        "lost is over, 1 of 2\nwaits is over, 2 of 2\n"
        "digits: lost failed: `dvc queue logs NAME` says why.\n",
    )
    (run,) = (run for run in project.runs() if run.info.status == "FINISHED")
    assert run.info.run_name == "waits"
    assert_complete(run, project)
    with patch.object(
        FSApp, "iter_processed", autospec=True, side_effect=FSApp.iter_processed
    ) as read:
        assert not read_queue(project.path).left
    # However many are over: once it was 190 times for 17 experiments, a quarter of a core.
    assert read.call_count == 1, "messages are read once"


def lose_on_the_way_to_a_worker(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends can take the next experiment with it, and DVC shows that as running."""
    queue_neighbors(project, "lost", 1)
    broker = project.path / ".dvc" / "tmp" / "exps" / "celery" / "broker"
    (message,) = (broker / "in").glob("*.celery.msg")
    message.rename(broker / "processed" / message.name)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "START_TIMEOUT", 1)
        patch.setattr(queue, "POLL_SECONDS", 0.2)
        assert [*read_queue(project.path).active.values()] == ["lost"]
        assert queue.run_queue(project.path, 1) == ["lost"]
    assert not read_queue(project.path).left


def stop_workers(project: Project, gate: Path) -> None:
    """Stopped workers are not waited for; what they were at is over, and `lost` still waits."""
    for neighbors, name in enumerate(("first", "lost"), start=1):
        queue_neighbors(project, name, neighbors)
    with subprocess.Popen(
        [sys.executable, "-m", "digits", "queue"],
        cwd=project.path,
        env=project.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as working:
        wait_until(lambda: read_queue(project.path).active)
        project.dvc("queue", "stop")
        gate.write_text("not today", encoding="utf-8")
        _, output = working.communicate(timeout=240)
    assert working.returncode == 1
    assert (
        "digits: lost still wait, and no worker is left: `make queue` goes on with them." in output
    )
    gate.unlink()


def kill(project: Project, command: str) -> None:
    """Kill DVC's processes of this repository that run such a command."""
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.NoSuchProcess):  # of another test, that has just ended
            is_meant = command in (process.info["cmdline"] or [])
            if is_meant and process.cwd().startswith(str(project.path)):
                process.kill()
