"""A training by epochs that is killed goes on from its last epoch, by real DVC and MLflow."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from digits.params.schema import parse_params
from stages.runner.guard import PARAMS, Guard, Snapshot
from stages.runner.stage import Stage
from stages.train import train
from tests.epochs import assert_went_on
from tests.scratch import Project, wait_until

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

OUTS = ("models", "metrics/validation.json", "plots/metrics_validation.csv")

EPOCHS = 15


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


def train_here(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage's own work, in this process, which is faster."""
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.path)
    snapshot = Snapshot.take(project.path)
    stage = Stage("train", Guard("train", snapshot))
    train(parse_params(snapshot.files[PARAMS], PARAMS.name), stage)
    stage.publish()


def made(project: Project) -> dict[str, bytes]:
    """What `train` makes, by path."""
    paths = [project.path / path for path in OUTS]
    files = [file for path in paths for file in (path, *path.rglob("*")) if file.is_file()]
    return {str(file.relative_to(project.path)): file.read_bytes() for file in files}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "sgd"])
def test_a_killed_training_goes_on_from_its_last_epoch(
    project: Project, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of softmax, and with the stages after it: test_interrupted.py."""
    project.edit(
        **{"train__model": model, "train__scale": "unit", f"models__{model}__epochs": EPOCHS}
    )
    never_killed = project.copy(tmp_path / "never-killed" / "digits")
    kill_in_training(project)
    assert project.repro("train") == ["train"]
    train_here(never_killed, monkeypatch)
    assert len(made(project)) > 5 and made(project) == made(never_killed)
    edited = ["dvc.lock", "metrics/validation.json", "params.yaml", "plots/metrics_validation.csv"]
    assert project.git("status", "--porcelain") == "".join(f" M {file}\n" for file in edited)
    assert_went_on(project, never_killed, EPOCHS)


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
