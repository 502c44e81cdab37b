"""Learning epoch by epoch, with a checkpoint after each.

A block of images is in memory at a time, so memory does not grow with their number. (Steps before
the model that learn too, such as a PCA, need all originals at once.)
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import hinge_loss, log_loss
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from digits.common.errors import BadInput
from digits.common.files import remove, replace
from digits.common.resources import peak_memory
from digits.models.persistence import load_model, save_model
from digits.training.options import Epoch, FitName, FitOptions

log = logging.getLogger(__name__)

BLOCK = 5_000  # images in memory at once, unless a step takes more

RUN = 100  # consecutive images of a block, which are read in one go

Labelled = tuple[NDArray, NDArray]  # features (n, n_features) and labels (n,)

ReadBlocks = Callable[[], Iterable[Labelled]]  # yields the same blocks at each call


@dataclass(frozen=True)
class EpochData:
    """What a model learns from epoch by epoch, and what it is measured on after each.

    Attributes
    ----------
    read : callable
        Returns the features and labels of some rows.
    rows : ndarray of shape (n,)
        All rows to learn from.
    classes : ndarray of shape (n_classes,)
        Sorted: all that labels may be.
    training : callable
        Reads the blocks of images learned from, to measure the loss on.
    held_out : callable or None
        Reads the blocks of images held out, to measure the loss on.
    """

    read: Callable[[NDArray], Labelled]
    rows: NDArray
    classes: NDArray
    training: ReadBlocks
    held_out: ReadBlocks | None


def learn_by_epochs(model: Any, data: EpochData, options: FitOptions, name: FitName) -> Any:
    """Call `partial_fit` on every block of the rows in each epoch, and return the model.

    Parameters
    ----------
    model : estimator
        Unfitted; with a checkpoint of the same name, the one in it goes on instead.
    data : EpochData
        What to learn from.
    options : FitOptions
        With the number of epochs; the order of the rows is another in each.
    name : FitName
        Of this fit.
    """
    assert options.epochs
    checkpoint = options.checkpoints / name.folder if options.checkpoints else None
    history: list[Epoch] = []
    if checkpoint and (restored := _restore(checkpoint)):
        model, history = restored
    for epoch in history:
        options.on_epoch(epoch)
    seconds = history[-1].seconds if history else 0.0
    for number in range(len(history) + 1, options.epochs + 1):
        started = time.monotonic()
        rng = np.random.default_rng([options.seed, number])
        _learn_one_epoch(model, data, rng, f"{name.label}, epoch {number}/{options.epochs}")
        seconds += time.monotonic() - started
        training = loss_and_accuracy(model, data.training())
        validation: tuple[float | None, float | None] = (None, None)
        if data.held_out:
            validation = loss_and_accuracy(model, data.held_out())
        history.append(Epoch(name, number, *training, *validation, seconds, peak_memory()))
        if checkpoint:
            _save(checkpoint, model, history)
        options.on_epoch(history[-1])
    return model


def _learn_one_epoch(
    model: Any, data: EpochData, rng: np.random.Generator, description: str
) -> None:
    batch_size = getattr(model, "batch_size", 1)
    size = max(BLOCK // batch_size, 1) * batch_size  # whole steps
    with tqdm(
        total=len(data.rows),
        desc=description,
        unit="image",
        unit_scale=True,
        disable=None,
        leave=False,
    ) as bar:
        for rows in shuffled_blocks(data.rows, size, rng):
            X, y = data.read(rows)
            model.partial_fit(X, y, classes=data.classes)
            bar.update(len(rows))


def shuffled_blocks(rows: NDArray, size: int, rng: np.random.Generator) -> Iterator[NDArray]:
    """Yield the rows in shuffled blocks, each made of short runs of consecutive ones.

    A run is read from disk in one go, which single rows drawn at random would not be.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        The rows.
    size : int
        Of a block; the last may be smaller.
    rng : numpy.random.Generator
        Draws the order of the runs.
    """
    run = min(RUN, size)
    starts = rng.permutation(-(-len(rows) // run)) * run
    pending = np.empty(0, rows.dtype)
    for start in starts:
        pending = np.concatenate([pending, rows[start : start + run]])
        if len(pending) >= size:
            yield pending[:size]
            pending = pending[size:]
    if len(pending):
        yield pending


def loss_and_accuracy(model: Any, blocks: Iterable[Labelled]) -> tuple[float, float]:
    """Return the mean loss and the accuracy of a fitted model, to six decimals.

    Of each block, the scores alone stay in memory.

    The loss is log loss, or hinge loss for a model without probabilities.
    """
    has_probability = hasattr(model, "predict_proba")
    score = model.predict_proba if has_probability else model.decision_function
    measured = [(y, score(X), model.predict(X) == y) for X, y in blocks]
    y, scores, correct = (np.concatenate(parts) for parts in zip(*measured, strict=True))
    loss = (log_loss if has_probability else hinge_loss)(y, scores, labels=model.classes_)
    accuracy = float(np.mean(correct))
    # Further decimals differ from machine to machine.
    return round(float(loss), 6), round(accuracy, 6)


def _restore(checkpoint: Path) -> tuple[Any, list[Epoch]] | None:
    """Read model and history of a checkpoint, or if it was just being replaced, of the old one."""
    for folder in (checkpoint, checkpoint.with_name(checkpoint.name + ".old")):
        if folder.exists():
            try:
                return load_model(folder / "model.skops")[-1], _read_history(folder)
            except (BadInput, OSError, ValueError, TypeError, KeyError) as error:
                log.warning("%s is damaged (%s) and not used", folder, error)
    return None


def _read_history(folder: Path) -> list[Epoch]:
    epochs = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [Epoch(**values | {"fit": FitName(**values["fit"])}) for values in epochs]


def _save(checkpoint: Path, model: Any, history: list[Epoch]) -> None:
    new = checkpoint.with_name(checkpoint.name + ".new")
    remove(new)
    new.mkdir(parents=True)
    save_model(Pipeline([("model", model)]), new / "model.skops")
    epochs = json.dumps([asdict(epoch) for epoch in history])
    (new / "history.json").write_text(epochs, encoding="utf-8")
    replace(new, checkpoint)
