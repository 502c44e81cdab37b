"""kill -9 at any moment: the next `dvc repro` ends as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults.tally import SEED, Tally, number, run_command
from tests.scratch import BY_EPOCHS, STAGES, Project, make_once

pytestmark = pytest.mark.faults

N_STAGE, N_QUEUE = number(9), number(6)  # for each of the six stages, and of a worker: 60

# Another experiment than the one that was reproduced: every stage has something to do.
EDIT: dict[str, Any] = {
    "split__folds": 4,
    "train__seed": 1,
    "train__train_sizes": [0.5],
    "models__softmax__epochs": 6,
    "evaluate__confidence": 0.9,
}
MODELS: dict[str, dict[str, Any]] = {"softmax": BY_EPOCHS, "knn": {}}
# DVC does not write its own files in one step. These are its words when it finds half of one, and
# the cures that docs/reliability.md names.
CURES: dict[str, Callable[[Project], object]] = {
    "dvc.lock' validation failed": lambda project: project.git("checkout", "dvc.lock"),
    "Unable to read RWLock-file": lambda project: (project.path / ".dvc/tmp/rwlock").unlink(),
}
Before = Callable[[str, str], tuple[Project, float]]


@pytest.fixture(scope="session")
def before(reproduced: Callable[..., Project], workshop: Path) -> Before:
    """A model's project in which the other experiment has come to a stage, and what that takes."""

    def get(model: str, stage: str) -> tuple[Project, float]:
        def make(folder: Path) -> None:
            folder.mkdir()
            project = reproduced(**MODELS[model]).copy(folder / "now")
            project.edit(**EDIT)
            for name in STAGES:
                project.copy(folder / name)
                started = time.monotonic()
                project.dvc("repro", "-s", "-f", name)
                seconds = time.monotonic() - started
                (folder / f"{name}.seconds").write_text(str(seconds), encoding="ascii")
            for name, after in pairwise(STAGES):
                give_what_comes_later(folder / name, folder / after, project.path)

        folder = make_once(workshop / f"before-{model}", make)
        seconds = float((folder / f"{stage}.seconds").read_text(encoding="ascii"))
        return Project(folder / stage, reproduced().home), seconds

    return get


def give_what_comes_later(template: Path, after: Path, end: Path) -> None:
    """Put the results of the stages after the next one into its cache: they need not run again."""
    for file in (end / ".dvc" / "cache").rglob("*"):
        place = file.relative_to(end)
        if file.is_file() and not (after / place).exists():
            (template / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, template / place)


@pytest.mark.parametrize("which", range(N_STAGE))
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_or_dvc(
    before: Before, tmp_path: Path, tally: Tally, stage: str, which: int
) -> None:
    rng = random.Random(f"{SEED} {stage} {which}")
    model = rng.choice(list(MODELS))
    template, seconds = before(model, stage)
    undisturbed = Project(template.path.parent / "now", template.home)
    project = template.copy(tmp_path / "digits")
    force = ["-f"] if stage == "fetch" else []
    kill, moment = rng.choice(["stage", "dvc", "both"]), rng.uniform(0.2, 1.05) * seconds
    name = f"{model}, {stage} after {moment:.2f} s, kill -9 of {kill}"
    repro = project.background("repro", "-s", *force, stage)
    time.sleep(moment)
    end(repro, kill)
    tally.tried += 1
    repro.communicate(timeout=60)
    output = tell(project, tally, name, "repro")
    if state(project) != state(undisturbed):
        tally.wrong(f"{name}: another dvc.lock or other files\n{output[-2000:]}")
    if left := [str(path) for path in project.path.glob("**/*.new")]:
        tally.lost(f"{name}: {left} are left")
    runs, expected = ([run.info.status for run in each.runs()] for each in (project, undisturbed))
    if runs.count("FINISHED") != len(expected) or "RUNNING" in runs:
        tally.lost(f"{name}: the runs are {runs}")


def state(project: Project) -> dict[str, bytes]:
    """The lock, and all that the stages made."""
    folders = ("data", "models", "metrics", "plots")
    files = [file for name in folders for file in (project.path / name).rglob("*")]
    return {
        str(file.relative_to(project.path)): file.read_bytes()
        for file in [project.path / "dvc.lock", *files]
        if file.is_file()
    }


def end(repro: subprocess.Popen[str], kill: str) -> None:
    """kill -9 of DVC, of the stage that it runs, or of both at once."""
    with suppress(psutil.NoSuchProcess):  # it is done already
        children = psutil.Process(repro.pid).children(recursive=True)
        stages = [child for child in children if "stages" in child.cmdline()]
        doomed = stages if kill == "stage" else []
        if kill == "both":
            doomed = children
        for process in doomed:
            process.kill()
        if kill != "stage" or not stages:
            os.kill(repro.pid, signal.SIGKILL)


def tell(project: Project, tally: Tally, name: str, *command: str) -> str:
    """Return what a DVC command says, which must succeed without a traceback."""
    code, output = run_command(project, sys.executable, "-m", "dvc", *command)
    for words, cure in CURES.items():
        if code and words in output:
            cure(project)
            code, output = run_command(project, sys.executable, "-m", "dvc", *command)
    if code:
        tally.lost(f"{name}: `dvc {' '.join(command)}` failed\n{output[-2000:]}")
    if "Traceback" in output:
        tally.traceback(f"{name}: {output[-2000:]}")
    return output


@pytest.mark.parametrize("which", range(N_QUEUE))
def test_a_queue_worker(
    reproduced: Callable[..., Project], tmp_path: Path, tally: Tally, which: int
) -> None:
    """What was lost is named; queued again, all are there."""
    rng = random.Random(f"{SEED} queue {which}")
    project = reproduced().copy(tmp_path / "digits")
    project.forget_runs()
    names = {f"k{neighbors}": neighbors for neighbors in (1, 2)}
    for name, neighbors in names.items():
        queue(project, name, neighbors)
    project.dvc("queue", "start")
    moment = rng.uniform(1, 14)
    time.sleep(moment)
    name = f"worker after {moment:.2f} s"
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            is_worker = {"queue-worker", "exec-run"} & set(process.info["cmdline"] or [])
            if is_worker and process.cwd().startswith(str(project.path)):
                process.kill()
    tally.tried += 1
    for _ in range(2):
        _, output = run_command(project, sys.executable, "-m", "digits", "queue", timeout=240)
        if "Traceback" in output:
            tally.traceback(f"{name}: {output[-2000:]}")
        missing = names.keys() - set(project.dvc("exp", "list", "--name-only").split())
        if unnamed := [lost for lost in missing if f"{lost} failed" not in output]:
            tally.lost(f"{name}: {unnamed} are not there, and not named\n{output[-2000:]}")
        for lost in missing:
            queue(project, lost, names[lost])
        if not missing:
            break
    else:
        tally.lost(f"{name}: {missing} are not there in the end")
    runs = {run.info.run_name for run in project.runs() if run.info.status == "FINISHED"}
    if not names.keys() <= runs:
        tally.lost(f"{name}: the runs are {runs}")


def queue(project: Project, name: str, neighbors: int) -> None:
    setting = f"models.knn.n_neighbors={neighbors}"
    project.dvc("exp", "run", "--queue", "-n", name, "-S", setting)
