"""A training that learns by epochs and is killed goes on from its last epoch, by real DVC and MLflow."""

import json
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import psutil
import pytest
import yaml
from mlflow.entities import Run

from tests.scratch import Project

LOSS = "learning_curve/training_loss"
SECONDS = "learning_curve/seconds"


def curve(project: Project, run: Run, metric: str) -> dict[int, float]:
    """A logged metric by epoch."""
    client = mlflow.MlflowClient(f"sqlite:///{project.store / 'mlflow.db'}")
    points = client.get_metric_history(run.info.run_id, metric)
    assert len({point.step for point in points}) == len(points), "no epoch is logged twice"
    return {point.step: point.value for point in points}


def model_md5(project: Project) -> str:
    lock = yaml.safe_load((project.path / "dvc.lock").read_text(encoding="utf-8"))
    return str(lock["stages"]["train"]["outs"][-1]["md5"])


def wait_for(what: Path, process: subprocess.Popen[str], epochs: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0]
        for history in what.glob("train-*/*/history.json"):
            try:
                if len(json.loads(history.read_text(encoding="utf-8"))) >= epochs:
                    return
            except (OSError, ValueError):
                continue  # just being replaced
        time.sleep(0.005)
    raise AssertionError("it did not come so far")


@pytest.mark.parametrize("model", ["softmax", "mlp", "sgd"])
def test_a_killed_training_goes_on_from_its_last_epoch(project: Project, tmp_path: Path, model: str) -> None:
    project.edit(**{"train__model": model, "train__scale": "unit", f"models__{model}__epochs": 15})
    never_killed = project.copy(tmp_path / "never-killed" / "digits")
    train = project.background("repro")
    wait_for(project.path / ".checkpoints", train, epochs=4)  # an epoch is kept before it is logged
    (stage,) = (p for p in psutil.Process(train.pid).children(recursive=True) if p.cmdline()[1:] == ["-m", "stages.train"])
    stage.kill()  # at once: MLflow would have to be set up first to say its number, and the training would be nearly done
    train.communicate(timeout=60)

    assert project.repro() == ["train", "evaluate", "track"]
    assert never_killed.repro() == ["train", "evaluate", "track"]
    assert model_md5(project) == model_md5(never_killed)
    assert not list((project.path / ".checkpoints").iterdir())
    assert project.git("status", "--porcelain").splitlines() == never_killed.git("status", "--porcelain").splitlines()

    finished, killed = sorted(project.runs(), key=lambda run: run.info.status)
    assert (finished.info.status, killed.info.status) == ("FINISHED", "KILLED")
    before, after = curve(project, killed, SECONDS), curve(project, finished, SECONDS)
    assert set(after) == set(range(1, 16)), "the whole curve is in the run that came to an end"
    both = [epoch for epoch in before if epoch in after]
    assert len(both) >= 3
    # An epoch that was learned again would have taken another time.
    assert sum(before[epoch] == after[epoch] for epoch in both) >= len(both) - 1
    assert curve(never_killed, never_killed.runs()[0], LOSS) == curve(project, finished, LOSS)


def test_checkpoints_of_other_inputs_are_not_used(project: Project) -> None:
    """Two trainings that differ in one param or in the data have folders of their own."""
    code = "from stages.harness import checkpoints; print(checkpoints('train').name)"
    names = set()
    for edit in ({}, {"train__seed": 1}, {"target": 5}, {"models__knn__n_neighbors": 2}):
        project.edit(**edit)
        names.add(project.run(sys.executable, "-c", code))
    with (project.path / "data" / "augmented" / "labels.npy").open("ab") as file:
        file.write(b"x")
    names.add(project.run(sys.executable, "-c", code))
    project.edit(evaluate__confidence=0.5, models__forest__n_estimators=3)
    names.add(project.run(sys.executable, "-c", code))
    assert len(names) == 5, "what train does not depend on does not matter"
