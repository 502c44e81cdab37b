"""Learning epoch by epoch: blocks of rows, and the losses that are reported."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, hinge_loss, log_loss

from digits.common.resources import all_threads
from digits.training.epochs import loss_and_accuracy, shuffled_blocks
from digits.training.fit import fit
from digits.training.options import Epoch, FitName, FitOptions
from tests.small import BY_EPOCHS, IMAGES, LABELS, images, new

DATA = images(IMAGES[:400], LABELS[:400])
LEARNED, HELD_OUT = np.split(np.arange(400, dtype=np.int32), [300])
NAME = FitName(fold=1)

every_model = pytest.mark.parametrize("model", BY_EPOCHS)


def history_of(model: str) -> list[Epoch]:
    """Of 5 epochs of a fit."""
    history: list[Epoch] = []
    options = FitOptions(epochs=5, seed=1, on_epoch=history.append)
    fit(new(model, epochs=5), DATA, LEARNED, options, HELD_OUT, NAME)
    return history


class TestBlocks:
    @given(st.integers(0, 2000), st.integers(1, 700), st.integers(0, 5))
    def test_are_a_permutation_of_the_rows_in_sizes_asked_for(
        self, n: int, size: int, seed: int
    ) -> None:
        rows = np.arange(n, dtype=np.int32) * 3
        blocks, same = (
            list(shuffled_blocks(rows, size, np.random.default_rng(seed))) for _ in range(2)
        )
        sizes = [size] * (n // size) + ([n % size] if n % size else [])
        assert [len(block) for block in blocks] == sizes
        assert sorted(int(row) for block in blocks for row in block) == rows.tolist()
        assert all(np.array_equal(one, other) for one, other in zip(blocks, same, strict=True))

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
        labels = LABELS if target == "digit" else LABELS == 5
        X, y = IMAGES[300:700] / 255, labels[300:700]
        fitted = new(model, scale="none", **other)[-1]
        for _ in range(3):
            fitted.partial_fit(IMAGES[:300] / 255, labels[:300], classes=np.unique(y))
        if loss == "hinge":
            expected = hinge_loss(y, fitted.decision_function(X), labels=fitted.classes_)
        else:
            expected = log_loss(y, fitted.predict_proba(X), labels=fitted.classes_)
        assert loss_and_accuracy(fitted, [(X, y)]) == pytest.approx(
            (expected, accuracy_score(y, fitted.predict(X))), abs=1e-6
        )

    @pytest.mark.parametrize("model", ["softmax", "sgd"])
    def test_may_be_of_images_that_lack_a_class(self, model: str) -> None:
        fitted = fit(new(model, epochs=2), DATA, options=FitOptions(epochs=2))
        X, y = fitted[:-1].transform(DATA.X), DATA.y
        parts = [
            (loss_and_accuracy(fitted[-1], [(X[rows], y[rows])])[0], np.mean(rows))
            for rows in (y != 3, y == 3)
        ]
        assert sum(loss * share for loss, share in parts) == pytest.approx(
            loss_and_accuracy(fitted[-1], [(X, y)])[0], abs=2e-6
        )

    @every_model
    def test_are_reported_of_images_learned_from_and_of_images_held_out(self, model: str) -> None:
        last = history_of(model)[-1]
        fitted = fit(new(model, epochs=5), DATA, LEARNED, FitOptions(epochs=5, seed=1))
        for rows, reported in (
            (LEARNED, (last.training_loss, last.training_accuracy)),
            (HELD_OUT, (last.validation_loss, last.validation_accuracy)),
        ):
            with all_threads():
                X = fitted[:-1].transform(DATA.read(rows))
                assert reported == loss_and_accuracy(fitted[-1], [(X, DATA.y[rows])])

    @every_model
    def test_are_the_same_of_images_measured_a_chunk_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch, model: str
    ) -> None:
        """But for the last decimal, as matrices of few rows are multiplied in another way."""
        at_once = history_of(model)
        monkeypatch.setattr("digits.training.fit.AT_ONCE", 99)
        monkeypatch.setattr("digits.training.fit.CHUNK", 30)
        for one, other in zip(history_of(model), at_once, strict=True):
            assert one.training_accuracy == other.training_accuracy
            assert one.validation_accuracy == other.validation_accuracy
            assert one.training_loss == pytest.approx(other.training_loss, abs=2e-6)
            assert one.validation_loss == pytest.approx(other.validation_loss, abs=2e-6)

    @every_model
    def test_fall(self, model: str) -> None:
        history = history_of(model)
        assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5]
        assert history[-1].training_loss < 0.7 * history[0].training_loss
        assert history[-1].training_accuracy > 0.8 and history[-1].fit == NAME
        assert all(0 < before.seconds < after.seconds for before, after in pairwise(history))
