"""Learning epoch by epoch, a block of images at a time: the memory it takes does not grow with their number. (What comes before the
model and learns too, such as a PCA, needs all originals at once.)

After each epoch the model is saved where a training that was killed finds it, and goes on as if nothing had been.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
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

log = logging.getLogger(__name__)

BLOCK = 5_000  # images in memory at once, when a step takes no more

RUN = 100  # images read one after the other: a block is made of such runs, from all over the data


@dataclass(frozen=True)
class Epoch:
    """How far a fit has come: mean loss (log loss, or hinge loss for a model without probabilities) and accuracy, after `epoch`
    passes, on images learned from and on images held out (None: there are none); seconds of learning so far, all epochs together,
    and the most memory that the process has held, in MiB.
    """

    fit: str
    epoch: int
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    peak_memory_mib: float


Labelled = tuple[NDArray, NDArray]  # (n, features) as the model gets them, and what they are (n,)


def learn_by_epochs(
    model: Any,
    block: Callable[[NDArray], Labelled],
    rows: NDArray,
    classes: NDArray,
    epochs: int,
    seed: int,
    measured_on: tuple[Labelled, Labelled | None],
    checkpoint: Path | None,
    on_epoch: Callable[[Epoch], None],
    label: str,
) -> Any:
    """Call `partial_fit` on every block of the rows, `epochs` times over, and return the model.

    Parameters: `block` fetches rows; `rows` (n,) all to learn from; `classes` they may belong to; `seed` of the order, another one
    in each epoch; `measured_on` images learned from, and images held out or None; `checkpoint` a folder to save the state in after
    each epoch, and to go on from if it is there; `on_epoch` is told of each epoch, restored ones included.
    """
    model, history = (checkpoint and _restored(checkpoint)) or (model, [])
    for epoch in history:
        on_epoch(epoch)
    spent = history[-1].seconds if history else 0.0
    batch_size = getattr(model, "batch_size", 1)
    size = max(BLOCK // batch_size, 1) * batch_size  # whole steps
    for number in range(len(history) + 1, epochs + 1):
        started = time.monotonic()
        order = np.random.default_rng([seed, number])
        bar = tqdm(
            total=len(rows),
            desc=f"{label}, epoch {number}/{epochs}",
            unit="image",
            unit_scale=True,
            disable=None,
            leave=False,
        )
        with bar:
            for some in shuffled_blocks(rows, size, order):
                X, y = block(some)
                model.partial_fit(X, y, classes=classes)
                bar.update(len(some))
        spent += time.monotonic() - started
        training, held_out = measured_on
        loss, accuracy = loss_and_accuracy(model, training)
        validation_loss, validation_accuracy = (
            loss_and_accuracy(model, held_out) if held_out else (None, None)
        )
        history.append(
            Epoch(
                label,
                number,
                loss,
                accuracy,
                validation_loss,
                validation_accuracy,
                spent,
                peak_memory(),
            )
        )
        if checkpoint:
            _save(checkpoint, model, history)
        on_epoch(history[-1])
    return model


def shuffled_blocks(rows: NDArray, size: int, rng: np.random.Generator) -> Iterator[NDArray]:
    """The rows in blocks of `size` (the last may be smaller), each made of short runs from all over them.

    Runs are read from disk in one go, which single rows at random would not be.
    """
    run = min(RUN, size)
    starts = rng.permutation(-(-len(rows) // run)) * run
    left = np.empty(0, rows.dtype)
    for start in starts:
        left = np.concatenate([left, rows[start : start + run]])
        if len(left) >= size:
            yield left[:size]
            left = left[size:]
    if len(left):
        yield left


def loss_and_accuracy(model: Any, data: Labelled) -> tuple[float, float]:
    """Mean log loss, or hinge loss for a model without probabilities, and accuracy."""
    X, y = data
    if hasattr(model, "predict_proba"):
        loss = log_loss(y, model.predict_proba(X), labels=model.classes_)
    else:
        loss = hinge_loss(y, model.decision_function(X), labels=model.classes_)
    accuracy = float(np.mean(model.predict(X) == y))
    return round(float(loss), 6), round(
        accuracy, 6
    )  # what lies beyond differs from machine to machine


def _restored(checkpoint: Path) -> tuple[Any, list[Epoch]] | None:
    """The model and its history, from the checkpoint or, if it was just being replaced, from the one before."""
    for folder in (checkpoint, checkpoint.with_name(checkpoint.name + ".old")):
        if folder.exists():
            try:
                history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
                return load_model(folder / "model.skops")[-1], [
                    Epoch(**values) for values in history
                ]
            except (BadInput, OSError, ValueError, TypeError) as error:
                log.warning("%s is damaged (%s) and not used", folder, error)
    return None


def _save(checkpoint: Path, model: Any, history: list[Epoch]) -> None:
    new = checkpoint.with_name(checkpoint.name + ".new")
    remove(new)
    new.mkdir(parents=True)
    save_model(Pipeline([("model", model)]), new / "model.skops")
    (new / "history.json").write_text(
        json.dumps([asdict(epoch) for epoch in history]), encoding="utf-8"
    )
    replace(new, checkpoint)
