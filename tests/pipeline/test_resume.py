"""A training that learns by epochs and is killed goes on from its last epoch, by real DVC and MLflow."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import psutil
import pytest
from mlflow.entities import Run

from digits.common.dvc_yaml import parse_yaml
from tests.scratch import Project

LOSS = "history/training_loss"
SECONDS = "history/seconds"


def curve(project: Project, run: Run, metric: str) -> dict[int, float]:
    """A logged metric by epoch."""
    client = mlflow.MlflowClient(f"sqlite:///{project.store / 'mlflow.db'}")
    points = client.get_metric_history(run.info.run_id, metric)
    assert len({point.step for point in points}) == len(points), "no epoch is logged twice"
    return {point.step: point.value for point in points}


def model_md5(project: Project) -> str:
    lock = parse_yaml((project.path / "dvc.lock").read_bytes(), "dvc.lock")
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
def test_a_killed_training_goes_on_from_its_last_epoch(
    project: Project, tmp_path: Path, model: str
) -> None:
    project.edit(**{"train__model": model, "train__scale": "unit", f"models__{model}__epochs": 15})
    never_killed = project.copy(tmp_path / "never-killed" / "digits")
    train = project.background("repro")
    wait_for(project.path / ".checkpoints", train, epochs=4)  # an epoch is kept before it is logged
    (stage,) = (
        p
        for p in psutil.Process(train.pid).children(recursive=True)
        if p.cmdline()[1:] == ["-m", "stages.train"]
    )
    stage.kill()  # at once: MLflow would have to be set up first to say its number, and the training would be nearly done
    train.communicate(timeout=60)

    assert project.repro() == ["train", "evaluate", "track"]
    assert never_killed.repro() == ["train", "evaluate", "track"]
    assert model_md5(project) == model_md5(never_killed)
    assert not list((project.path / ".checkpoints").iterdir())
    assert (
        project.git("status", "--porcelain").splitlines()
        == never_killed.git("status", "--porcelain").splitlines()
    )

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
    code = "from stages.harness import checkpoints\nwith checkpoints('train') as folder: print(folder.name)"
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


def test_two_trainings_of_the_same_at_the_same_time_make_the_same_model(
    project: Project, tmp_path: Path
) -> None:
    """As two workers of a queue do, whose experiments differ in what only a later stage reads: each in a copy of its own."""
    project.edit(train__model="softmax", train__scale="unit", models__softmax__epochs=40)
    copies = [project.copy(tmp_path / name / "digits") for name in ("one", "other")]
    trainings = [
        subprocess.Popen(
            [sys.executable, "-m", "stages.train"], cwd=copy.path, env=copy.env | {"DVC_ROOT": str(project.path)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for copy in copies
    ]  # fmt: skip
    said = [training.communicate(timeout=120)[0] for training in trainings]
    assert [training.returncode for training in trainings] == [0, 0], "\n".join(said)
    one, other = ((copy.path / "models" / "model.skops").read_bytes() for copy in copies)
    assert one == other
    assert not list((project.path / ".checkpoints").iterdir())


def test_checkpoints_belong_to_one_training_at_a_time_and_are_free_once_it_is_killed(
    project: Project,
) -> None:
    code = """
import sys
from stages.harness import checkpoints
with checkpoints("train") as folder:
    print(folder and folder.name, flush=True)
    if sys.argv[1] == "works":
        (folder / "some").mkdir(parents=True, exist_ok=True)
        print("at work", flush=True)
        sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    kept = project.path / ".checkpoints"
    with subprocess.Popen(
        [*command, "works"],
        cwd=project.path,
        env=project.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout
        name, _ = first.stdout.readline().strip(), first.stdout.readline()
        assert project.run(*command, "ends").splitlines()[-1] == "None"
        assert (kept / name / "some").is_dir(), "what ends removes its own checkpoints alone"
        os.utime(kept / name, (0, 0))
        project.edit(train__seed=1)
        assert project.run(*command, "ends").strip() != name and (kept / name / "some").is_dir(), (
            "old, but in use"
        )
        first.kill()
    project.git("checkout", "-q", "params.yaml")
    os.utime(kept / name)
    assert (kept / name / "some").is_dir()
    assert project.run(*command, "ends").strip() == name
    assert not list(kept.iterdir()), "done"
