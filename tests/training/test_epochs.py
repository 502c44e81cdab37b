"""Epoch by epoch: every image once, losses as scikit-learn has them, a killed training that goes on, memory that stays flat."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, hinge_loss, log_loss

from digits.common.resources import all_threads
from digits.models.persistence import save_model
from digits.training.epochs import loss_and_accuracy, shuffled_blocks
from digits.training.fit import fit
from digits.training.options import Epoch, FitName, FitOptions
from digits.training.validation import validate
from tests.imports import ROOT
from tests.small import IMAGES, LABELS, images, new

MODELS: dict[str, dict[str, Any]] = {
    "sgd": {"epochs": 5}, "softmax": {"epochs": 5, "alpha": 0.01}, "mlp": {"epochs": 5},
}  # fmt: skip
DATA = images(IMAGES[:400], LABELS[:400])
LEARNED, HELD_OUT = np.split(np.arange(400, dtype=np.int32), [300])

SOME = FitName(fold=1)

every_model = pytest.mark.parametrize("model", MODELS)


class Killed(BaseException):
    """What ends a training in the midst."""


def train(
    model: str, folder: Path | None = None, stop_after: int = 0, name: FitName = SOME
) -> tuple[list[Epoch], bytes]:
    """Fit by 5 epochs and return the history and the model's file; or be killed when so many epochs are done."""
    history: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        history.append(epoch)
        if len(history) == stop_after:
            raise Killed

    options = FitOptions(epochs=5, seed=1, checkpoints=folder, on_epoch=on_epoch)
    fitted = fit(new(model, scale="unit", **MODELS[model]), DATA, LEARNED, options, HELD_OUT, name)
    return history, file_of(fitted)


def file_of(fitted: Any) -> bytes:
    path = Path(os.environ["PYTEST_MODEL"])
    save_model(fitted, path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def _file(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PYTEST_MODEL", str(tmp_path_factory.mktemp("file") / "model.skops"))


def without_cost(history: list[Epoch]) -> list[Epoch]:
    return [replace(epoch, seconds=0, peak_memory_mib=0) for epoch in history]


class TestBlocks:
    @settings(derandomize=True, deadline=None)
    @given(st.integers(0, 2000), st.integers(1, 700), st.integers(0, 5))
    def test_are_a_permutation_of_the_rows_in_sizes_asked_for(
        self, n: int, size: int, seed: int
    ) -> None:
        rows = np.arange(n, dtype=np.int32) * 3
        blocks = list(shuffled_blocks(rows, size, np.random.default_rng(seed)))
        assert [len(block) for block in blocks] == [size] * (n // size) + [n % size] * (
            n % size > 0
        )
        assert sorted(int(row) for block in blocks for row in block) == rows.tolist()
        again = list(shuffled_blocks(rows, size, np.random.default_rng(seed)))
        assert all(np.array_equal(one, other) for one, other in zip(blocks, again, strict=True))

    def test_come_from_all_over_and_in_another_order_each_time(self) -> None:
        rng = np.random.default_rng(0)
        one, other = (next(shuffled_blocks(np.arange(60_000), 5_000, rng)) for _ in range(2))
        assert not np.array_equal(one, other)
        assert len(np.unique(one // 5_000)) > 8

    def test_are_made_of_runs(self) -> None:
        """Of a file, a run is read in one go."""
        (block, *_) = shuffled_blocks(np.arange(60_000), 5_000, np.random.default_rng(0))
        assert np.mean(np.diff(block) == 1) > 0.98


class TestLosses:
    @pytest.mark.parametrize("target", ["digit", "five"])
    @pytest.mark.parametrize(
        ("model", "loss"),
        [("softmax", "log"), ("mlp", "log"), ("sgd", "hinge"), ("sgd", "log_loss")],
    )
    def test_are_those_of_scikit_learn(self, model: str, loss: str, target: str) -> None:
        other: dict[str, Any] = {"loss": loss} if model == "sgd" else {}
        X, y = IMAGES[300:700] / 255, LABELS[300:700] if target == "digit" else LABELS[300:700] == 5
        fitted = new(model, scale="none", **other)[-1]
        for _ in range(3):
            fitted.partial_fit(
                IMAGES[:300] / 255,
                LABELS[:300] if target == "digit" else LABELS[:300] == 5,
                classes=np.unique(y),
            )
        if loss == "hinge":
            expected = hinge_loss(y, fitted.decision_function(X), labels=fitted.classes_)
        else:
            expected = log_loss(y, fitted.predict_proba(X), labels=fitted.classes_)
        assert loss_and_accuracy(fitted, (X, y)) == pytest.approx(
            (expected, accuracy_score(y, fitted.predict(X))), abs=1e-6
        )

    @pytest.mark.parametrize("model", ["softmax", "sgd"])
    def test_may_be_of_images_that_lack_a_class(self, model: str) -> None:
        fitted = fit(new(model, epochs=2), DATA, options=FitOptions(epochs=2))
        X, y = fitted[:-1].transform(DATA.X), DATA.y
        parts = [
            (loss_and_accuracy(fitted[-1], (X[some], y[some]))[0], np.mean(some))
            for some in (y != 3, y == 3)
        ]
        assert sum(loss * share for loss, share in parts) == pytest.approx(
            loss_and_accuracy(fitted[-1], (X, y))[0], abs=2e-6
        )

    @every_model
    def test_are_told_of_what_was_learned_from_and_of_what_was_held_out(self, model: str) -> None:
        history, _ = train(model)
        fitted = fit(new(model, **MODELS[model]), DATA, LEARNED, FitOptions(epochs=5, seed=1))
        for rows, told in (
            (LEARNED, (history[-1].training_loss, history[-1].training_accuracy)),
            (HELD_OUT, (history[-1].validation_loss, history[-1].validation_accuracy)),
        ):
            with all_threads():
                assert told == loss_and_accuracy(
                    fitted[-1], (fitted[:-1].transform(DATA.read(rows)), DATA.y[rows])
                )

    @every_model
    def test_fall(self, model: str) -> None:
        history, _ = train(model)
        assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5]
        assert history[-1].training_loss < 0.7 * history[0].training_loss
        assert history[-1].training_accuracy > 0.8 and history[-1].fit == SOME
        assert all(0 < before.seconds < after.seconds for before, after in pairwise(history))


class TestResuming:
    @every_model
    @pytest.mark.parametrize("stops", [[1], [4], [2, 1], [5]])
    def test_a_killed_training_goes_on_as_if_nothing_had_been(
        self, tmp_path: Path, model: str, stops: list[int]
    ) -> None:
        """It is killed after so many epochs, the restored ones included."""
        expected, file = train(model)
        for stop in stops:
            with pytest.raises(Killed):
                train(model, tmp_path / "checkpoints", stop)
        history, resumed = train(model, tmp_path / "checkpoints")
        assert resumed == file
        assert without_cost(history) == without_cost(expected)
        assert all(before.seconds < after.seconds for before, after in pairwise(history))
        again, same = train(model, tmp_path / "checkpoints")
        assert same == file and again == history, "all is done: nothing is learned again"

    def test_each_fit_has_a_checkpoint_of_its_own(self, tmp_path: Path) -> None:
        fold = (np.arange(400) % 3).astype(np.int8)
        seen: list[Epoch] = []

        def on_epoch(epoch: Epoch) -> None:
            seen.append(epoch)
            if len(seen) == stop:
                raise Killed

        options = FitOptions(
            epochs=3, seed=1, checkpoints=tmp_path / "checkpoints", on_epoch=on_epoch
        )
        stop = 5
        with pytest.raises(Killed):
            validate(new("softmax", epochs=3), DATA, fold, "cross_validation", options)
        killed, stop = seen.copy(), 0
        seen.clear()
        scores = validate(new("softmax", epochs=3), DATA, fold, "cross_validation", options).scores
        assert seen[:5] == killed
        assert [(epoch.fit, epoch.epoch) for epoch in seen] == [
            (FitName(fold=n), e) for n in range(3) for e in (1, 2, 3)
        ]
        expected = validate(
            new("softmax", epochs=3), DATA, fold, "cross_validation", FitOptions(epochs=3, seed=1)
        ).scores
        np.testing.assert_array_equal(scores, expected)

    @pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL to send outside POSIX")
    def test_sigkill_in_the_midst_of_an_epoch(self, tmp_path: Path) -> None:
        code = """
import sys
from pathlib import Path
import numpy as np
from digits.training.fit import fit
from digits.training.options import FitOptions
from digits.models.persistence import save_model
from tests.small import IMAGES, LABELS, images, new
folder = Path(sys.argv[1])
options = FitOptions(epochs=8, checkpoints=folder / "checkpoints", on_epoch=lambda epoch: print(epoch.epoch, flush=True))
data = images(np.tile(IMAGES, (2, 1)), np.tile(LABELS, 2))
save_model(fit(new("mlp", epochs=8), data, options=options), folder / "model.skops")
"""

        def start(folder: Path) -> subprocess.Popen[str]:
            environment = os.environ | {"PYTHONPATH": str(ROOT), "DIGITS_THREADS": "1"}
            return subprocess.Popen(
                [sys.executable, "-c", code, folder],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )

        for name in ("whole", "killed"):
            (tmp_path / name).mkdir()
        with start(tmp_path / "whole") as whole, start(tmp_path / "killed") as killed:
            assert killed.stdout
            assert [killed.stdout.readline() for _ in range(2)] == ["1\n", "2\n"]
            killed.kill()
            assert [int(line) for line in whole.communicate(timeout=120)[0].split()] == list(
                range(1, 9)
            )
        assert killed.returncode == -9 and not (tmp_path / "killed" / "model.skops").exists()
        done = len(
            json.loads(
                (tmp_path / "killed" / "checkpoints" / "all-folds" / "history.json").read_text(
                    encoding="utf-8"
                )
            )
        )
        assert 2 <= done < 8
        with start(tmp_path / "killed") as resumed:
            assert [int(line) for line in resumed.communicate(timeout=120)[0].split()] == list(
                range(1, 9)
            )
        assert (tmp_path / "killed" / "model.skops").read_bytes() == (
            tmp_path / "whole" / "model.skops"
        ).read_bytes()

    @pytest.mark.parametrize(
        ("file", "damage"),
        [
            ("model.skops", lambda path: path.write_bytes(path.read_bytes()[:-100])),
            ("model.skops", Path.unlink),
            ("history.json", lambda path: path.write_text("[{", encoding="utf-8")),
            ("history.json", Path.unlink),
        ],
        ids=["model cut", "model lost", "history cut", "history lost"],
    )
    def test_a_damaged_checkpoint_is_a_warning_and_all_begins_anew(
        self,
        tmp_path: Path,
        file: str,
        damage: Callable[[Path], object],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with pytest.raises(Killed):
            train("softmax", tmp_path, 3)
        damage(tmp_path / SOME.folder / file)
        history, content = train("softmax", tmp_path)
        assert f"{tmp_path / SOME.folder} is damaged" in caplog.text
        assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5]
        assert content == train("softmax")[1]

    def test_a_kill_while_the_checkpoint_is_replaced_loses_no_more_than_one_epoch(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(Killed):
            train("softmax", tmp_path, 3)
        (tmp_path / SOME.folder).rename(tmp_path / f"{SOME.folder}.old")
        history, content = train("softmax", tmp_path)
        assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5]
        assert content == train("softmax")[1]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 100,000 images of MNIST's size."""
    path = tmp_path_factory.mktemp("many") / "images.npy"
    some = np.random.default_rng(0).integers(0, 256, (4_000, 28, 28), np.uint8)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (25 * 4_000, 28, 28))
    for copy in range(25):
        images[copy * 4_000 : (copy + 1) * 4_000] = some
    return path


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="only Linux tells in /proc what a process holds in memory at most",
)
class TestMemory:
    """The most that the process holds at a time, mapped pages of the file included."""

    CODE = """
import sys
from pathlib import Path
import numpy as np
from digits.common.arrays import open_array_file
from digits.common.resources import peak_memory
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitOptions
from tests.small import new
model, originals, copies = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
X = open_array_file(Path(sys.argv[1]), np.uint8, (None, 28, 28))
source = np.tile(np.arange(originals, dtype=np.int32), copies)
X = X.reshape(len(source), 28 * 28)
data = TrainingSet(X, (source % 10).astype(np.uint8), source, originals)
large = {} if model == "sgd" else {"batch_size": 1_000}
fit(new(model, epochs=1, **large), data, options=FitOptions(epochs=1))
print(peak_memory())
"""

    def peak(self, images: Path, model: str, originals: int, copies: int) -> float:
        command = [sys.executable, "-c", self.CODE, str(images), model, str(originals), str(copies)]
        return float(
            subprocess.check_output(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True)
        )

    @every_model
    def test_does_not_grow_with_the_number_of_copies(self, many: Path, model: str) -> None:
        assert self.peak(many, model, 4_000, copies=25) < 1.1 * self.peak(
            many, model, 4_000, copies=5
        )

    @every_model
    def test_does_not_grow_with_the_number_of_originals(self, many: Path, model: str) -> None:
        assert self.peak(many, model, 100_000, copies=1) < 1.1 * self.peak(
            many, model, 20_000, copies=1
        )
