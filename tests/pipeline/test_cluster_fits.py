"""One fit on a Dask cluster: the same files as without it, whatever is killed."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import pytest

from digits.common.errors import BadInput
from digits.training import cluster
from tests.dask_cluster import LONG, needs_dask, says, scheduler, worker
from tests.imports import ROOT
from tests.runs import free_port
from tests.scratch import Project, wait_until

pytestmark = [pytest.mark.services, needs_dask]

# Trees, pairs of classes in two threads, and folds.
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "forest": {"train__model": "forest", "models__forest__n_estimators": 20},
    "committee": {
        "train__model": "svm",
        "train__features": ["pixels", "deskewed"],
        "train__scale": "unit",
        "train__copies": "support_vectors",
    },
    "folds": {
        "train__model": "sgd",
        "train__scale": "unit",
        "train__validate": "cross_validation",
        "models__sgd__epochs": 3,
    },
}

# At the end of its first piece a worker with this variable is killed: nobody gets the result.
KILL = """

import signal

_run_piece = run_piece


def run_piece(*arguments):
    result = _run_piece(*arguments)
    print("a piece", flush=True)
    if "KILLED_AT_ITS_FIRST_PIECE" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
"""


class Cluster:
    """A scheduler and workers, which come and go."""

    def __init__(self, folder: Path, processes: ExitStack) -> None:
        self.folder, self.port = folder, free_port()
        self._processes, self._n = processes, 0
        self.scheduler = processes.enter_context(scheduler(folder / "scheduler", self.port))

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def add(self, code: Path = ROOT, **env: str) -> subprocess.Popen[str]:
        """Start a worker with the code of a project, and wait until it is there."""
        self._n += 1
        where = Project(self.folder / str(self._n), self.folder / str(self._n) / "home")
        started = worker(where.path, self.port, PYTHONPATH=str(code), **env)
        process = self._processes.enter_context(started)
        wait_until(partial(says, where, "Registered to"), process, LONG)
        return process

    def n_pieces(self, number: int) -> int:
        """How many pieces a worker has run, of a project with KILL in it."""
        return (self.folder / str(number) / "home" / "log").read_text("utf-8").count("a piece\n")


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as processes:
        yield Cluster(tmp_path / "dask", processes)


def results(project: Project) -> dict[str, bytes]:
    """All that `train` makes."""
    made = [*(project.path / "models").rglob("*"), project.path / "metrics" / "validation.json"]
    made += [project.path / "plots" / "metrics_validation.csv"]
    assert len(made) > 10
    return {
        str(file.relative_to(project.path)): file.read_bytes() for file in made if file.is_file()
    }


def train(project: Project, address: str = "", fails: bool = False) -> str:
    variable = {"DASK_SCHEDULER_ADDRESS": address} if address else {}
    return project.run(sys.executable, "-m", "stages", "train", fails=fails, **variable)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_two_workers_and_one_that_is_killed_make_the_same_files(
    experiment: str, new_project: Callable[..., Project], dask: Cluster
) -> None:
    project = new_project()
    project.edit(**EXPERIMENTS[experiment])
    with (project.path / "digits" / "training" / "pieces.py").open("a", encoding="utf-8") as file:
        file.write(KILL)
    train(project)
    locally = results(project)
    dask.add(project.path)
    second = dask.add(project.path)
    train(project, dask.address)
    assert results(project) == locally
    assert dask.n_pieces(1) and dask.n_pieces(2)
    second.kill()
    killed = dask.add(project.path, KILLED_AT_ITS_FIRST_PIECE="1")
    train(project, dask.address)
    assert results(project) == locally
    assert killed.wait(LONG) == -signal.SIGKILL and dask.n_pieces(3) == 1


def test_a_cluster_that_cannot_be_reached_is_a_sentence_within_seconds(
    new_project: Callable[..., Project],
) -> None:
    project, start = new_project(), time.monotonic()
    before = results(project)
    address = f"tcp://127.0.0.1:{free_port()}"
    output = train(project, address, fails=True)
    # The connection is given up after 3; the rest are imports, on a machine that may be busy.
    assert time.monotonic() - start < 30
    assert f"no Dask scheduler answers at DASK_SCHEDULER_ADDRESS={address}" in output
    assert "Traceback" not in output and results(project) == before


@pytest.mark.parametrize(
    ("killed", "sentence"),
    [
        ("worker", "no worker of the Dask cluster has been at work for 2 seconds"),
        ("scheduler", "the Dask scheduler is gone"),
    ],
)
def test_when_no_worker_is_left_nobody_waits_for_ever(
    killed: str, sentence: str, dask: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 2)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", dask.address)
    process = {"worker": dask.add(), "scheduler": dask.scheduler}[killed]
    threads = threading.active_count()

    def run() -> None:
        with cluster.open_cluster(tmp_path) as opened:
            assert opened
            with opened.pieces():
                threading.Timer(1, process.kill).start()
                joblib.Parallel()(joblib.delayed(time.sleep)(LONG) for _ in range(3))

    start = time.monotonic()
    with pytest.raises(BadInput, match=sentence):
        run()
    assert time.monotonic() - start < 20
    assert threading.active_count() <= threads, "a thread of Dask's is left"
    assert not [*tmp_path.glob(".checkpoints/*")]


def test_a_worker_that_would_compute_otherwise_is_named_before_any_work(
    newcomer: Project, dask: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", dask.address)
    with (newcomer.path / "digits" / "models" / "svm.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    for code, variables, sentence in [
        (newcomer.path, {}, "has the project's code [0-9a-f]+ \\(the sender's is [0-9a-f]+\\)"),
        (ROOT, {"OPENBLAS_CORETYPE": "Nehalem"}, "has OPENBLAS_CORETYPE Nehalem \\(the sender"),
        (tmp_path, {}, "has no copy of the project's code"),
    ]:
        process = dask.add(code, **variables)
        with pytest.raises(BadInput, match=sentence), cluster.open_cluster(tmp_path):
            pass
        process.kill()
        process.wait()
