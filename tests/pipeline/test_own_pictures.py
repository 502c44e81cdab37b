"""A person's own pictures through the real pipeline: learned from, scored, refused where broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.drawn import encoded
from tests.labelled import draw_folder
from tests.scratch import STAGES, Project

pytestmark = pytest.mark.slow

TRAIN, TEST = range(140), range(140, 200)
MINE = "images:data/own/mine"
LEARNED = "the model learned from 140 of these pictures"


def draw(project: Project) -> Path:
    """200 pictures in data/own/mine, 60 of them for tests."""
    mine = project.path / "data" / "own" / "mine"
    draw_folder(mine / "train", TRAIN)
    draw_folder(mine / "test", TEST)
    return mine


@pytest.fixture
def evaluated(here: Callable[..., str]) -> Callable[[Project], dict[str, int | float]]:
    """What `evaluate --json` says of the pictures in data/own/mine."""

    def evaluate(project: Project) -> dict[str, int | float]:
        values: dict[str, int | float] = json.loads(
            here(project, "evaluate", "data/own/mine", "--json")
        )
        return values

    return evaluate


def test_a_folder_of_pictures_is_a_data_set(
    newcomer: Project,
    here: Callable[..., str],
    evaluated: Callable[[Project], dict[str, int | float]],
) -> None:
    mine = draw(newcomer)
    newcomer.edit(fetch__dataset=MINE)
    assert newcomer.repro() == list(STAGES)
    images = np.load(newcomer.path / "data" / "raw" / "images.npy")
    assert images.shape == (200, 28, 28)
    assert newcomer.json("data/raw/about.json")["n_train"] == len(TRAIN)
    test = newcomer.json("metrics/test.json")
    assert test["n"] == len(TEST) and test["accuracy"] > 0.7

    values = evaluated(newcomer)
    shared = ("n", "errors", "accuracy_low", "accuracy_high")
    assert [values[name] for name in shared] == pytest.approx([test[name] for name in shared])
    lines = here(newcomer, "predict", "data/own/mine/test/*/*", "--json").splitlines()
    answers = [json.loads(line) for line in lines if line.startswith("{")]
    right = [answer["digit"] == int(Path(answer["path"]).parent.name) for answer in answers]
    assert len(right) == len(TEST) and values["errors"] == right.count(False)
    assert LEARNED in here(newcomer, "evaluate", "data/own/mine/train")

    for number in range(7):
        (mine / "train" / "3" / f"blank {number}.png").write_bytes(encoded(np.full((9, 9), number)))
    said = newcomer.dvc("repro", fails=True)
    assert "fetch: data/own/mine/train: of 147 pictures, 7 cannot be used" in said
    assert said.count("holds no ink") == 7 and "and 2 more" in said and "Traceback" not in said
    assert np.array_equal(np.load(newcomer.path / "data" / "raw" / "images.npy"), images)
    assert not list((newcomer.path / "data").glob("*.new"))
    for file in (mine / "train" / "3").glob("blank *"):
        file.unlink()
    assert newcomer.repro() == []
    for digit in mine.glob("t*/*"):  # without train and test
        for file in digit.iterdir():
            (mine / digit.name).mkdir(exist_ok=True)
            shutil.move(file, mine / digit.name)
    shutil.rmtree(mine / "train")
    shutil.rmtree(mine / "test")
    said = newcomer.dvc("repro", fails=True)
    assert "split: split.strategy is canonical, but the data set has no test images" in said
    newcomer.edit(split__strategy="shuffled")
    assert newcomer.repro("evaluate")[0] == "split"
    assert newcomer.json("metrics/test.json")["n"] == round(200 / 7)


def test_extra_pictures_are_learned_from_and_change_nothing_else(
    project: Project,
    here: Callable[..., str],
    evaluated: Callable[[Project], dict[str, int | float]],
) -> None:
    names = ("data/raw/images.npy", "data/raw/labels.npy", "data/split/fold.npy")
    before = {name: np.load(project.path / name) for name in names}
    tested = project.json("metrics/test.json")
    validated = np.load(project.path / "models" / "validation" / "rows.npy")
    project.dvc("repro", "-sf", "track")  # the run that `promote` needs
    here(project, "promote", "workspace")
    mine = draw(project)
    without = evaluated(project)
    project.edit(fetch__extra=MINE)
    assert project.repro("evaluate")[:4] == list(STAGES[:4])
    n = len(before["data/raw/labels.npy"])
    for name, array in before.items():
        after = np.load(project.path / name)
        assert len(after) == n + len(TRAIN) and np.array_equal(after[:n], array), name
    assert set(np.load(project.path / names[2])[n:]) == {-2}
    assert project.json("metrics/test.json")["test_set"] == tested["test_set"]
    rows = np.load(project.path / "models" / "validation" / "rows.npy")
    np.testing.assert_array_equal(rows, validated)
    source = np.load(project.path / "data" / "augmented" / "source.npy")
    assert np.bincount(source)[n:].tolist() == [5] * len(TRAIN), "each with its four copies"

    for option in ([], ["--validation"]):
        compared = json.loads(here(project, "compare", "HEAD", "workspace", "--json", *option))
        assert compared["params"] == {"fetch.extra": {"a": None, "b": MINE}}
    assert project.repro() == ["track"]
    said = here(project, "promote", "workspace", "--force")
    assert f" on {len(validated)} validation images" in said

    values = evaluated(project)
    assert values["n"] == without["n"] == len(TEST)
    assert values["errors"] <= without["errors"]
    assert LEARNED in here(project, "evaluate", "data/own/mine/train")
    shutil.rmtree(mine / "test")
    said = here(project, "evaluate", "data/own/mine/train", fails=True)
    assert "the workspace is not one result: data/own changed since" in said
    project.edit(fetch__extra=None)
    project.repro("augment")
    for name, array in before.items():
        np.testing.assert_array_equal(np.load(project.path / name), array)
