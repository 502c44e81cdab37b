"""A training by epochs that is killed goes on from its last epoch, by real DVC and MLflow."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from mlflow.entities import Run

from tests.scratch import Project, assert_complete, wait_until

EPOCHS = 15
LOSS = "history/training_loss"
SECONDS = "history/seconds"


def curve(project: Project, run: Run, metric: str) -> dict[int, float]:
    """A logged metric by epoch."""
    points = project.client().get_metric_history(run.info.run_id, metric)
    assert len({point.step for point in points}) == len(points), "no epoch is logged twice"
    return {point.step: point.value for point in points}


def epochs_kept(project: Project) -> int:
    """How many epochs a training has kept by now."""
    for history in (project.path / ".checkpoints").glob("train-*/*/history.json"):
        try:
            return len(json.loads(history.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue  # just being replaced
    return 0


def kill_in_training(project: Project) -> None:
    """`dvc repro`, until the training has learned some epochs and is killed."""
    repro = project.background("repro", "train")
    wait_until(lambda: epochs_kept(project) >= 4, repro)  # an epoch is kept before it is logged
    (stage,) = (
        process
        for process in psutil.Process(repro.pid).children(recursive=True)
        if process.cmdline()[1:] == ["-m", "stages", "train"]
    )
    # At once: to ask MLflow for its number would take until the training is nearly done.
    stage.kill()
    repro.communicate(timeout=60)


def assert_goes_on(project: Project, model: str, tmp_path: Path) -> Run:
    """Kill a training, let it go on, and compare it with one that was never killed.

    Returns the run that came to its end.
    """
    project.edit(
        **{"train__model": model, "train__scale": "unit", f"models__{model}__epochs": EPOCHS}
    )
    never_killed = project.copy(tmp_path / "never-killed" / "digits")
    kill_in_training(project)
    assert project.repro("train") == ["train"]
    assert never_killed.repro("train") == ["train"]
    assert project.locked("train") == never_killed.locked("train")
    assert not list((project.path / ".checkpoints").iterdir())
    status, expected = (each.git("status", "--porcelain") for each in (project, never_killed))
    assert status == expected

    finished, killed = sorted(project.runs(), key=lambda run: run.info.status)
    assert (finished.info.status, killed.info.status) == ("FINISHED", "KILLED")
    before, after = curve(project, killed, SECONDS), curve(project, finished, SECONDS)
    assert set(after) == set(range(1, EPOCHS + 1)), "the run that came to its end has all epochs"
    both = [epoch for epoch in before if epoch in after]
    assert len(both) >= 3
    # An epoch that was learned again would have taken another time.
    assert sum(before[epoch] == after[epoch] for epoch in both) >= len(both) - 1
    (uninterrupted,) = never_killed.runs()
    assert curve(never_killed, uninterrupted, LOSS) == curve(project, finished, LOSS)
    return finished


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_last_epoch(project: Project, tmp_path: Path) -> None:
    run = assert_goes_on(project, "softmax", tmp_path)
    assert project.repro() == ["evaluate", "track"]
    assert_complete(project.client().get_run(run.info.run_id), project)
    assert len(project.runs()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "sgd"])
def test_so_does_a_killed_training_of_another_model(
    project: Project, tmp_path: Path, model: str
) -> None:
    assert_goes_on(project, model, tmp_path)


@pytest.mark.slow
def test_two_trainings_of_the_same_at_the_same_time_make_the_same_model(
    project: Project, tmp_path: Path
) -> None:
    """As two workers of a queue do, whose experiments differ in what only a later stage reads."""
    project.edit(train__model="softmax", train__scale="unit", models__softmax__epochs=40)
    both = [project.copy(tmp_path / name / "digits") for name in ("one", "other")]
    exps = project.path / ".dvc" / "tmp" / "exps"
    exps.mkdir(parents=True, exist_ok=True)
    copies = [Project(copy.path.rename(exps / f"{n}"), copy.home) for n, copy in enumerate(both)]
    trainings = [
        subprocess.Popen(
            [sys.executable, "-m", "stages", "train"],
            cwd=copy.path,
            env=copy.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for copy in copies
    ]
    outputs = [training.communicate(timeout=120)[0] for training in trainings]
    assert [training.returncode for training in trainings] == [0, 0], "\n".join(outputs)
    one, other = ((copy.path / "models" / "model.skops").read_bytes() for copy in copies)
    assert one == other
    assert not list((project.path / ".checkpoints").iterdir())
