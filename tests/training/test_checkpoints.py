"""A training that is killed goes on from its checkpoint as if nothing had been."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.training.fit import fit
from digits.training.options import Epoch, FitName, FitOptions
from digits.training.validation import validate
from tests.imports import ROOT
from tests.small import BY_EPOCHS, IMAGES, LABELS, file_of, images, new

DATA = images(IMAGES[:400], LABELS[:400])
LEARNED, HELD_OUT = np.split(np.arange(400, dtype=np.int32), [300])
NAME = FitName(fold=1)
EVERY_EPOCH = [1, 2, 3, 4, 5]


class Killed(BaseException):
    """What ends a training in the midst."""


def train(
    model: str, folder: Path, checkpoints: Path | None = None, stop_after: int = 0
) -> tuple[list[Epoch], bytes]:
    """Fit by 5 epochs, and return the history and the model's file, written in a folder.

    Killed after so many epochs, the restored ones included.
    """
    history: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        history.append(epoch)
        if len(history) == stop_after:
            raise Killed

    options = FitOptions(epochs=5, seed=1, checkpoints=checkpoints, on_epoch=on_epoch)
    strong_penalty: dict[str, Any] = {"alpha": 0.01} if model == "softmax" else {}
    pipeline = new(model, epochs=5, **strong_penalty)
    fitted = fit(pipeline, DATA, LEARNED, options, HELD_OUT, NAME)
    return history, file_of(fitted, folder)


def without_cost(history: list[Epoch]) -> list[Epoch]:
    return [replace(epoch, seconds=0, peak_memory_mib=0) for epoch in history]


@pytest.mark.parametrize("model", BY_EPOCHS)
@pytest.mark.parametrize("stops", [[1], [4], [2, 1], [5]])
def test_a_killed_training_goes_on_as_if_nothing_had_been(
    tmp_path: Path, model: str, stops: list[int]
) -> None:
    checkpoints = tmp_path / "checkpoints"
    expected, file = train(model, tmp_path)
    for stop in stops:
        with pytest.raises(Killed):
            train(model, tmp_path, checkpoints, stop)
    history, resumed = train(model, tmp_path, checkpoints)
    assert resumed == file
    assert without_cost(history) == without_cost(expected)
    assert all(before.seconds < after.seconds for before, after in pairwise(history))
    assert train(model, tmp_path, checkpoints) == (history, file), "nothing is learned once more"


def test_each_fit_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    fold = (np.arange(400) % 3).astype(np.int8)
    reported: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        reported.append(epoch)
        if len(reported) == stop:
            raise Killed

    plain = FitOptions(epochs=3, seed=1)
    options = replace(plain, checkpoints=tmp_path / "checkpoints", on_epoch=on_epoch)
    pipeline = new("softmax", epochs=3)
    stop = 5
    with pytest.raises(Killed):
        validate(pipeline, DATA, fold, "cross_validation", options)
    before_the_kill, stop = reported.copy(), 0
    reported.clear()
    scores = validate(pipeline, DATA, fold, "cross_validation", options).scores
    assert reported[:5] == before_the_kill
    assert [(epoch.fit, epoch.epoch) for epoch in reported] == [
        (FitName(fold=fold), epoch) for fold in range(3) for epoch in (1, 2, 3)
    ]
    expected = validate(pipeline, DATA, fold, "cross_validation", plain).scores
    np.testing.assert_array_equal(scores, expected)


CODE = """
import sys
from pathlib import Path
from typing import Any
import numpy as np
from digits.models.persistence import save_model
from digits.training.fit import fit
from digits.training.options import FitOptions
from tests.small import IMAGES, LABELS, images, new

def on_epoch(epoch):
    print(epoch.epoch, flush=True)

data = images(np.tile(IMAGES, (2, 1)), np.tile(LABELS, 2))
for folder in map(Path, sys.argv[1:]):
    options = FitOptions(epochs=8, checkpoints=folder / "checkpoints", on_epoch=on_epoch)
    save_model(fit(new("mlp", epochs=8), data, options=options), folder / "model.skops")
"""


def start(*folders: Path) -> subprocess.Popen[str]:
    """Start a training by 8 epochs, whose numbers it prints, in each folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DIGITS_THREADS": "1"}
    command = [sys.executable, "-c", CODE, *map(str, folders)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def epochs_until_its_end(process: subprocess.Popen[str]) -> list[int]:
    return [int(line) for line in process.communicate(timeout=120)[0].split()]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL to send outside POSIX")
def test_sigkill_in_the_midst_of_an_epoch(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    with start(killed) as other:
        assert other.stdout
        assert [other.stdout.readline() for _ in range(2)] == ["1\n", "2\n"]
        other.kill()
    assert other.returncode == -9 and not (killed / "model.skops").exists()
    history = (killed / "checkpoints" / "all-folds" / "history.json").read_text(encoding="utf-8")
    assert 2 <= len(json.loads(history)) < 8
    with start(killed, whole) as resumed:
        assert epochs_until_its_end(resumed) == 2 * list(range(1, 9))
    assert (killed / "model.skops").read_bytes() == (whole / "model.skops").read_bytes()


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("model.skops", lambda path: path.write_bytes(path.read_bytes()[:-100])),
        ("model.skops", Path.unlink),
        ("history.json", lambda path: path.write_text("[{", encoding="utf-8")),
        ("history.json", lambda path: path.write_text("[{}]", encoding="utf-8")),
        ("history.json", lambda path: path.write_text('[{"fit": "fold 1"}]', encoding="utf-8")),
        ("history.json", Path.unlink),
    ],
    ids=["model cut", "model lost", "history cut", "history empty", "history old", "history lost"],
)
def test_a_damaged_checkpoint_is_a_warning_and_all_begins_anew(
    tmp_path: Path, file: str, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        train("softmax", tmp_path, checkpoints, 3)
    damage(checkpoints / NAME.folder / file)
    history, content = train("softmax", tmp_path, checkpoints)
    assert f"{checkpoints / NAME.folder} is damaged" in caplog.text
    assert [epoch.epoch for epoch in history] == EVERY_EPOCH
    assert content == train("softmax", tmp_path)[1]


def test_a_kill_while_the_checkpoint_is_replaced_loses_no_more_than_one_epoch(
    tmp_path: Path,
) -> None:
    checkpoints = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        train("softmax", tmp_path, checkpoints, 3)
    (checkpoints / NAME.folder).rename(checkpoints / f"{NAME.folder}.old")
    history, content = train("softmax", tmp_path, checkpoints)
    assert [epoch.epoch for epoch in history] == EVERY_EPOCH
    assert content == train("softmax", tmp_path)[1]
