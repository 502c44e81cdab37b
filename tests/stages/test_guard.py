"""A stage notices that its inputs changed meanwhile, and tells its inputs from others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.common.files import CLUTTER
from stages.runner.guard import Guard, Snapshot
from tests.scratch import Project


@pytest.fixture
def guard_of_train(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Guard]:
    """The guard that `train` would have if it began now."""
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", project.env["DVC_SITE_CACHE_DIR"])
    return lambda: Guard("train", Snapshot.take(Path.cwd()))


def append(file: str, content: bytes = b"# edited\n") -> None:
    with Path(file).open("ab") as opened:
        opened.write(content)


def swap(file: str) -> None:
    """Change a file's content, neither its size nor its name."""
    content = Path(file).read_bytes()
    Path(file).unlink()  # DVC's file is read-only where it is a link
    Path(file).write_bytes(content[::-1])


def test_an_edit_meanwhile_is_named(project: Project, guard_of_train: Callable[[], Guard]) -> None:
    edits: dict[str, Callable[[], None]] = {
        "params.yaml: train": lambda: project.edit(train__seed=7),
        "params.yaml: models.${train.model}": lambda: project.edit(models__knn__n_neighbors=1),
        "digits/models/families.py": lambda: append("digits/models/families.py"),
        "digits/models/new.py": lambda: append("digits/models/new.py"),
        "stages/train.py": Path("stages/train.py").unlink,
        "data/augmented/labels.npy": lambda: swap("data/augmented/labels.npy"),
        "data/augmented/new.npy": lambda: append("data/augmented/new.npy"),
        "data/split/fold.npy": Path("data/split/fold.npy").unlink,
        "requirements.lock": lambda: append("requirements.lock"),
    }
    for named, edit in edits.items():
        guard = guard_of_train()
        edit()
        with pytest.raises(BadInput) as caught:
            guard.check()
        assert str(caught.value) == (
            f"{named} changed while this stage ran; its result was dropped, run `dvc repro` again."
        )


def test_an_edit_of_what_the_stage_does_not_depend_on_is_welcome(
    project: Project, guard_of_train: Callable[[], Guard]
) -> None:
    guard = guard_of_train()
    project.edit(evaluate__confidence=0.9, models__forest__n_estimators=3)
    for file in ("digits/tracking/live.py", "stages/evaluate.py", "digits/models/svm.py~"):
        append(file)
    guard.check()


def test_a_touch_is_no_change_and_clutter_is_nobodys_data(
    guard_of_train: Callable[[], Guard],
) -> None:
    guard = guard_of_train()
    for file in ("data/augmented/labels.npy", "data/split/fold.npy", "requirements.lock"):
        Path(file).touch()
    images = Path("data/augmented/images.npy")
    content = images.read_bytes()
    images.unlink()  # another inode
    images.write_bytes(content)
    for clutter in CLUTTER:
        name = clutter.replace("*", "x").replace("[Tt]", "T").replace("[Dd]", "d")
        for folder in ("data/augmented", "data/split", "digits/models"):
            append(f"{folder}/{name}")
    Path("data/split/.ipynb_checkpoints").mkdir()
    append("data/split/.ipynb_checkpoints/labels.npy")
    guard.check()
    assert guard.digest == guard_of_train().digest


def test_a_folder_of_ones_own_is_compared_by_its_files(
    project: Project, guard_of_train: Callable[[], Guard]
) -> None:
    del guard_of_train  # in the project's folder
    own = project.path / "data" / "own" / "mine"
    own.mkdir()
    (own / "images").write_bytes(b"0123")
    guard = Guard("fetch", Snapshot.take(Path.cwd()))
    (own / "images").touch()
    (own / ".DS_Store").touch()
    guard.check()
    (own / "images").write_bytes(b"3210")
    with pytest.raises(BadInput, match=r"^data/own/mine/images changed while"):
        guard.check()


def test_the_digest_is_another_for_other_inputs_and_for_those_alone(
    project: Project, guard_of_train: Callable[[], Guard]
) -> None:
    """Two trainings that differ in one param or in the data have checkpoints of their own."""
    digests = [guard_of_train().digest]
    for edit in ({"train__seed": 1}, {"target": 5}, {"models__knn__n_neighbors": 2}):
        project.edit(**edit)
        digests.append(guard_of_train().digest)
    append("data/augmented/labels.npy", b"x")
    digests.append(guard_of_train().digest)
    append("digits/models/families.py")
    digests.append(guard_of_train().digest)
    assert len(set(digests)) == len(digests)
    project.edit(evaluate__confidence=0.5, models__forest__n_estimators=3)
    assert guard_of_train().digest == digests[-1], "what train does not depend on does not matter"
