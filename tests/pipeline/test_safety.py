"""What must not happen in silence: a stage's inputs edited meanwhile, a damaged file, a merged lock, a lost result."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.scratch import Project


def snapshot(project: Project) -> dict[str, str]:
    """Everything in the workspace that a stage makes, by content."""
    files = [
        f
        for folder in ("data", "models", "metrics", "plots")
        for f in (project.path / folder).rglob("*")
        if f.is_file()
    ]
    return {
        str(f.relative_to(project.path)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def but(files: dict[str, str], name: str) -> dict[str, str]:
    return {file: content for file, content in files.items() if name not in file}


def edit_params(project: Project) -> None:
    project.edit(train__seed=7)


def edit_code(project: Project) -> None:
    with (project.path / "digits" / "families.py").open("a", encoding="utf-8") as file:
        file.write("# edited\n")


def edit_data(project: Project) -> None:
    file = project.path / "data" / "augmented" / "labels.npy"
    content = file.read_bytes()
    file.unlink()  # DVC's file is read-only where it is a link
    file.write_bytes(content[::-1])


def start_training(project: Project) -> subprocess.Popen[str]:
    """`dvc repro` in the background, in the midst of `train`."""
    train = project.background("repro")
    deadline = time.monotonic() + 60
    while not (project.path / "models.new").exists():
        assert train.poll() is None and time.monotonic() < deadline, train.communicate()[0]
        time.sleep(0.01)
    return train


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (edit_params, "params.yaml: train"),
        (edit_code, "digits/families.py"),
        (edit_data, "data/augmented/labels.npy"),
    ],
)
def test_a_stage_whose_inputs_change_while_it_runs_fails(
    project: Project, edit: Callable[[Project], None], named: str
) -> None:
    before = snapshot(project)
    project.edit(models__knn__n_neighbors=1)
    train = start_training(project)
    edit(project)
    output, _ = train.communicate(timeout=120)
    assert train.returncode != 0
    assert f"train: {named} changed while this stage ran; its result was dropped" in output
    assert but(snapshot(project), "augmented") == but(before, "augmented")


def test_an_edit_that_the_running_stage_does_not_depend_on_is_welcome(project: Project) -> None:
    project.edit(models__knn__n_neighbors=1)
    train = start_training(project)
    project.edit(evaluate__confidence=0.9, models__forest__n_estimators=3)
    output, _ = train.communicate(timeout=120)
    assert train.returncode == 0, output


def test_bad_params_leave_everything_as_it_was(project: Project) -> None:
    before = snapshot(project)
    project.edit(train__model="knnn", evaluate__confidence=2)
    for stage in ("split", "train", "evaluate"):
        output = project.dvc("repro", "-sf", stage, fails=True)
        assert "params.yaml: train.model is 'knnn', allowed: 'sgd', 'softmax'," in output
        assert "'few_labels' or 'mlp' (did you mean knn?)." in output
        assert "params.yaml: evaluate.confidence is 2: it must be less than 1." in output
        assert "Traceback" not in output
        assert snapshot(project) == before
    assert project.git("status", "--porcelain") == " M params.yaml\n"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("fetch__dataset", "idx:nowhere", "nowhere lacks train-images-idx3-ubyte"),
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
    ],
)
def test_what_only_the_data_can_tell_is_a_sentence_too(
    project: Project, key: str, value: object, sentence: str
) -> None:
    before = snapshot(project)
    project.edit(**{key: value})
    output = project.dvc("repro", fails=True)
    assert sentence in output
    assert "Traceback" not in output
    assert snapshot(project) == before


def test_ctrl_c_ends_a_stage_whatever_a_library_makes_of_it(project: Project) -> None:
    """scikit-learn's MLPClassifier swallows KeyboardInterrupt: the half-trained model became the result."""
    before = snapshot(project)
    code = """
import os, signal, sys, time
from stages.harness import run
def work(params, outs):
    outs.folder("data/split")
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        print("swallowed")
run("split", work)
"""
    assert "swallowed" not in project.run(sys.executable, "-c", code, fails=True)
    assert snapshot(project) == before and not list(project.path.glob("**/*.new"))


def test_the_test_images_are_not_read_before_evaluate(project: Project) -> None:
    """Whatever the test images are, the stages before `evaluate` make the same bytes of the rest."""
    before = snapshot(project)
    raw = project.path / "data" / "raw"
    fold = np.load(project.path / "data" / "split" / "fold.npy")
    images, labels = np.load(raw / "images.npy"), np.load(raw / "labels.npy")
    images[fold == -1] = 255 - images[fold == -1]
    labels[fold == -1] = 9 - labels[fold == -1]
    code = (
        "from pathlib import Path; import numpy as np;"
        "from digits.data.dataset import DataSet, save_raw;"
        "save_raw(DataSet(np.load('i.npy'), np.load('l.npy'), 1497), Path('data/raw'))"
    )
    for file in raw.iterdir():
        file.unlink()
    np.save(project.path / "i.npy", images)
    np.save(project.path / "l.npy", labels)
    project.run(sys.executable, "-c", code)
    for stage in ("split", "augment", "train"):
        project.run(sys.executable, "-m", f"stages.{stage}")
    after = snapshot(project)
    assert after["data/raw/images.npy"] != before["data/raw/images.npy"]
    for name in before:
        if name.startswith(("data/split", "data/augmented", "models", "metrics/validation")):
            assert after[name] == before[name], name
    project.run(sys.executable, "-m", "stages.evaluate")
    assert (
        project.json("metrics/test.json")["test_set"]
        != json.loads(project.git("show", "HEAD:metrics/test.json"))["test_set"]
    )


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
    project.dvc("checkout", "--force")
    output = project.dvc("repro", "-sf", "split", fails=True)
    assert "data/raw: the images and labels have SHA-256" in output


def test_a_damaged_file_on_the_remote_is_not_pulled(project: Project, tmp_path: Path) -> None:
    project.dvc("push")
    md5 = hashlib.md5((project.path / "models" / "model.skops").read_bytes()).hexdigest()
    (remote,) = project.path.parent.glob(f"digits-storage/files/md5/{md5[:2]}/{md5[2:]}")
    remote.chmod(0o644)
    remote.write_bytes(b"damaged" + remote.read_bytes()[7:])
    project.git("clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", project.home)
    clone.dvc("pull", fails=True)
    assert not (clone.path / "models" / "model.skops").exists()


def test_git_does_not_merge_what_never_ran(project: Project) -> None:
    """Two branches, each a result of its own: a merged dvc.lock would call their combination up to date."""
    project.git("checkout", "-qb", "confidence")
    project.edit(evaluate__confidence=0.9)
    project.repro()
    project.commit()
    project.git("checkout", "-q", "main")
    project.dvc("checkout")
    project.edit(augment__shifts=[[0, 1]])
    project.repro()
    project.commit()
    output = project.git("merge", "confidence", fails=True)
    assert "CONFLICT" in output and "dvc.lock" in output
    conflicts = project.git("diff", "--name-only", "--diff-filter=U").split()
    assert {"dvc.lock", "metrics/test.json"} <= set(conflicts)
    assert "params.yaml" not in conflicts
    project.git("checkout", "--ours", "--", *conflicts)
    assert project.repro() == ["evaluate", "track"]
    assert project.dvc("status").strip() == "Data and pipelines are up to date."


def test_a_stage_that_fails_in_a_clone_says_its_sentence_and_no_more(
    project: Project, tmp_path: Path
) -> None:
    """Its former outs, which DVC has deleted, are in git and in nobody's cache."""
    project.git("clone", "-q", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone", project.home)
    clone.edit(train__components=10_000)
    output = clone.dvc("repro", fails=True)
    assert "train: train.components is 10000, allowed is at most 64" in output
    assert "Traceback" not in output and "WARNING" not in output
