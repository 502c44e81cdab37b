"""What must not happen in silence: edits meanwhile, damaged files, merged locks, lost results."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digits.common.files import remove
from digits.data.dataset import DataSet, save_raw
from stages.runner.guard import Snapshot
from stages.runner.run import run
from stages.train import train
from tests.scratch import Project, wait_until

N_TRAIN = 1_497  # of the small digits; the rest are their test images


def snapshot(project: Project) -> dict[str, str]:
    """Everything in the workspace that a stage makes, by content."""
    files = [
        file
        for folder in ("data", "models", "metrics", "plots")
        for file in (project.path / folder).rglob("*")
        if file.is_file()
    ]
    return {
        str(file.relative_to(project.path)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def start_training(project: Project) -> subprocess.Popen[str]:
    """`dvc repro train` in the background, in the midst of `train`."""
    project.edit(models__knn__n_neighbors=1)
    repro = project.background("repro", "train")
    wait_until((project.path / "models.new").exists, repro)
    return repro


@pytest.mark.slow
def test_a_stage_whose_inputs_change_while_it_runs_fails(project: Project) -> None:
    """Whichever input it is: tests/stages/test_guard.py."""
    labels, families = "data/augmented/labels.npy", "digits/models/families.py"
    before = snapshot(project)
    repro = start_training(project)
    project.edit(train__seed=7)
    with (project.path / families).open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    content = (project.path / labels).read_bytes()
    (project.path / labels).unlink()  # DVC's file is read-only where it is a link
    (project.path / labels).write_bytes(content[::-1])
    output, _ = repro.communicate(timeout=120)
    assert repro.returncode != 0
    named = f"{families}, {labels}, params.yaml: train"
    assert f"train: {named} changed while this stage ran; its result was dropped" in output
    after = snapshot(project)
    assert after.pop(labels) != before.pop(labels)
    assert after == before


@pytest.mark.slow
def test_an_edit_that_the_running_stage_does_not_depend_on_is_welcome(project: Project) -> None:
    repro = start_training(project)
    project.edit(evaluate__confidence=0.9, models__forest__n_estimators=3)
    output, _ = repro.communicate(timeout=120)
    assert repro.returncode == 0, output


@pytest.mark.slow
def test_bad_params_leave_everything_as_it_was(project: Project) -> None:
    before = snapshot(project)
    project.edit(train__model="knnn", evaluate__confidence=2)
    stages = ("split", "train", "evaluate")
    output = project.dvc("repro", "--keep-going", "-sf", *stages, fails=True)
    for sentence in (
        "params.yaml: train.model is 'knnn': allowed are sgd, softmax,",
        "few_labels, mlp (did you mean knn?).",
        "params.yaml: evaluate.confidence is 2: it must be less than 1.",
    ):
        assert output.count(sentence) == len(stages), output
    assert "Traceback" not in output
    assert snapshot(project) == before
    assert project.git("status", "--porcelain") == " M params.yaml\n"


@pytest.mark.slow
def test_what_only_the_data_can_tell_is_a_sentence_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(project)
    project.edit(fetch__dataset="idx:nowhere")
    output = project.dvc("repro", fails=True)
    assert "allowed is a folder below data/own" in output
    assert "Traceback" not in output
    assert snapshot(project) == before

    # The stage itself in this process, which is faster.
    for name, setting in project.env.items():
        monkeypatch.setenv(name, setting)
    monkeypatch.chdir(project.path)
    monkeypatch.setattr("stages.runner.run.exit_on_signals", lambda: None)
    settings: list[tuple[str, int, str]] = [
        (
            "train__components",
            65,
            "train: train.components is 65, allowed is at most 64, the features of an image.",
        ),
        (
            "models__knn__n_neighbors",
            2000,
            "n_neighbors of models.knn is 2000, allowed is at most 998, the images of a fit.",
        ),
    ]
    for key, value, sentence in settings:
        project.git("checkout", "-q", "--", "params.yaml")
        project.edit(**{key: value})
        for out in project.locked("train"):  # as DVC does before it starts a stage
            remove(project.path / out)
        with pytest.raises(SystemExit, match=re.escape(sentence)):
            run("train", lambda: train, Snapshot.take(project.path))
        assert snapshot(project) == before

    (project.path / ".dvc").rename(project.path / "dvc")  # as if DVC had been set up above
    with pytest.raises(SystemExit, match=r"train: .*\.dvc is missing, as this project is a DVC"):
        run("train", lambda: train, Snapshot.take(project.path))
    assert not (project.path / ".dvc").exists()


def test_ctrl_c_ends_a_stage_whatever_a_library_makes_of_it(project: Project) -> None:
    """scikit-learn's MLPClassifier takes it for the wish to stop there, half trained."""
    before = snapshot(project)
    code = """
import os, signal, time
from pathlib import Path
from stages.runner.guard import Snapshot
from stages.runner.run import run

def work(params, stage):
    stage.out_folder("data/split")
    try:
        print("interrupted", flush=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        print("swallowed")

run("split", lambda: work, Snapshot.take(Path.cwd()))
"""
    output = project.run(sys.executable, "-c", code, fails=True)
    assert "interrupted" in output and "swallowed" not in output
    assert snapshot(project) == before and not list(project.path.glob("**/*.new"))


def test_a_disk_without_room_is_a_sentence_and_the_former_outs_stay(project: Project) -> None:
    before = snapshot(project)
    code = """
import resource
from pathlib import Path
from stages.augment import augment
from stages.runner.guard import Snapshot
from stages.runner.run import run

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
run("augment", lambda: augment, Snapshot.take(Path.cwd()))
"""
    output = project.run(sys.executable, "-c", code, fails=True)
    assert "augment: a file could not be written (File too large): make room there, and" in output
    assert "Traceback" not in output
    assert snapshot(project) == before and not list(project.path.glob("data/*.new"))


@pytest.mark.slow
def test_the_test_images_are_not_read_before_evaluate(project: Project) -> None:
    """Whatever they are, the stages before `evaluate` make the same bytes of the rest."""
    before = snapshot(project)
    raw = project.path / "data" / "raw"
    fold = np.load(project.path / "data" / "split" / "fold.npy")
    images, labels = np.load(raw / "images.npy"), np.load(raw / "labels.npy")
    images[fold == -1] = 255 - images[fold == -1]
    labels[fold == -1] = 9 - labels[fold == -1]
    for file in raw.iterdir():
        file.unlink()
    save_raw(DataSet(images, labels, N_TRAIN), raw)
    stages = ("split", "augment", "train", "evaluate")
    code = f"from stages.__main__ import main\nfor stage in {stages}: main(stage)"
    project.run(sys.executable, "-c", code)  # in one process, which is faster
    after = snapshot(project)
    assert after["data/raw/images.npy"] != before["data/raw/images.npy"]
    for name in before:
        if name.startswith(("data/split", "data/augmented", "models", "metrics/validation")):
            assert after[name] == before[name], name
    committed = json.loads(project.git("show", "HEAD:metrics/test.json"))
    assert project.json("metrics/test.json")["test_set"] != committed["test_set"]


@pytest.mark.slow
def test_a_cached_file_altered_in_place_is_noticed(project: Project) -> None:
    """DVC checks it out without a word, since its mode and size are as they were."""
    images = (project.path / "data" / "raw" / "images.npy").read_bytes()
    md5 = hashlib.md5(images).hexdigest()
    cached = project.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    cached.chmod(0o644)
    cached.write_bytes(images[:-1] + b"\x07")
    cached.chmod(0o444)
    for file in (project.path / "data" / "raw").iterdir():
        file.unlink()
    project.dvc("checkout", "--force", "data/raw")
    output = project.dvc("repro", "-sf", "split", fails=True)
    assert "data/raw: the images and labels have SHA-256" in output


@pytest.mark.slow
def test_a_damaged_file_on_the_remote_is_not_pulled(project: Project, tmp_path: Path) -> None:
    project.dvc("push", "models")
    md5 = hashlib.md5((project.path / "models" / "model.skops").read_bytes()).hexdigest()
    (remote,) = project.path.parent.glob(f"digits-storage/files/md5/{md5[:2]}/{md5[2:]}")
    remote.chmod(0o644)
    remote.write_bytes(b"damaged" + remote.read_bytes()[7:])
    clone = project.clone(tmp_path / "clone")
    clone.dvc("pull", "models", fails=True)
    assert not (clone.path / "models" / "model.skops").exists()


@pytest.mark.slow
def test_git_does_not_merge_what_never_ran(project: Project) -> None:
    """Two branches with results of their own: a merged dvc.lock would call their sum up to date."""
    project.git("checkout", "-qb", "confidence")
    project.edit(evaluate__confidence=0.9)
    project.repro("evaluate")
    project.commit()
    project.git("checkout", "-q", "main")
    project.edit(models__knn__n_neighbors=1)
    assert project.repro("evaluate") == ["train", "evaluate"]
    project.commit()
    output = project.git("merge", "confidence", fails=True)
    assert "CONFLICT" in output and "dvc.lock" in output
    conflicts = project.git("diff", "--name-only", "--diff-filter=U").split()
    assert {"dvc.lock", "metrics/test.json"} <= set(conflicts)
    assert "params.yaml" not in conflicts
    project.git("checkout", "--ours", "--", *conflicts)
    assert project.repro("evaluate") == ["evaluate"]
    status = json.loads(project.dvc("status", "--json"))
    assert status.keys() == {"track"}, "all else is up to date"


@pytest.mark.slow
def test_a_stage_that_fails_in_a_clone_says_its_sentence_and_no_more(
    project: Project, tmp_path: Path
) -> None:
    """Its former outs, which DVC has deleted, are in git and in nobody's cache."""
    clone = project.clone(tmp_path / "clone")
    clone.edit(train__components=10_000)
    output = clone.dvc("repro", fails=True)
    assert "train: train.components is 10000, allowed is at most 64" in output
    assert "Traceback" not in output and "WARNING" not in output
