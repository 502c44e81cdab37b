"""Full batch against mini-batch: softmax regression on 50,000 images of MNIST, to the same loss.

`python -m bench.batch_size` runs each in a process of its own, through the code that `train` uses,
prints the table, and draws docs/batch_size.png, which docs/batches.md shows.
It takes some minutes, in which the machine should have nothing else to do.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from digits.common.arrays import open_array_file
from digits.common.environment import set_environment
from digits.common.resources import peak_memory
from digits.experiments.git import ROOT
from digits.models.families import PipelineOptions, make_pipeline
from digits.plots.style import BLUE, ORANGE, save_png
from digits.training.fit import TrainingSet, fit
from digits.training.options import Epoch, FitOptions

BATCH_SIZES = {
    "mini-batch, a step every 100 images": 100,
    "full batch, a step every 50,000 images": 50_000,
}
LOSS = 0.3  # cross entropy on the images learned from
EPOCHS = 2_000  # at most
SETTINGS = {"solver": "sgd", "learning_rate": 0.5, "alpha": 0.0001, "epochs": EPOCHS}


class LossReached(Exception):
    """The loss is LOSS or less."""


def train_until_loss(batch_size: int) -> list[Epoch]:
    """All epochs until the loss is reached."""
    images = open_array_file(ROOT / "data" / "raw" / "images.npy", np.uint8, (70_000, 28, 28))
    y = np.load(ROOT / "data" / "raw" / "labels.npy")[:60_000]
    source = np.arange(60_000, dtype=np.int32)
    data = TrainingSet(images.reshape(60_000, 28 * 28), y, source, n_originals=60_000)
    settings = SETTINGS | {"batch_size": batch_size}
    pipeline = make_pipeline("softmax", settings, 42, PipelineOptions(scale="unit"))
    epochs: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        epochs.append(epoch)
        if epoch.training_loss <= LOSS:
            raise LossReached

    options = FitOptions(epochs=EPOCHS, seed=42, on_epoch=on_epoch)
    try:
        fit(pipeline, data, source[:50_000], options, held_out=source[50_000:])
    except LossReached:
        return epochs
    sys.exit(f"batch_size {batch_size}: {EPOCHS} epochs were not enough for a loss of {LOSS}")


def train_in_own_process(batch_size: int) -> list[dict[str, Any]]:
    """The epochs, and as `before` the MiB that the process held before it learned."""
    command = [sys.executable, "-m", "bench.batch_size", str(batch_size)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    epochs: list[dict[str, Any]] = json.loads(done.stdout)
    return epochs


def loss_by_seconds(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Draw the loss against the seconds of learning.

    Parameters
    ----------
    curves : mapping of str to sequence of (float, float)
        Seconds and loss after each epoch, by the name of the line.
    """
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for (name, points), marker, colour in zip(curves.items(), "o.", (BLUE, ORANGE), strict=True):
        seconds, losses = zip(*points, strict=True)
        label = f"{name}: {len(points)} epochs, {seconds[-1]:,.1f} s"
        axes.plot(seconds, losses, marker=marker, color=colour, markersize=5, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("seconds of learning (logarithmic)")
    axes.set_ylabel("cross entropy on images learned from")
    axes.set_title("The same loss: one step after every few images, or one after all of them")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    """Print the table and draw the curves."""
    set_environment()  # of the processes below
    curves = {}
    for name, batch_size in BATCH_SIZES.items():
        curves[name] = train_in_own_process(batch_size)
        last = curves[name][-1]
        memory, before = last["peak_memory_mib"], curves[name][0]["before"]
        print(
            f"{name}: {last['epoch']} epochs, {last['seconds']:.1f} s, "
            f"{memory:,.0f} MiB ({memory - before:,.0f} of them to learn)"
        )
    mini, full = (curve[-1] for curve in curves.values())
    time_ratio = full["seconds"] / mini["seconds"]
    memory_ratio = full["peak_memory_mib"] / mini["peak_memory_mib"]
    print(f"full / mini: {time_ratio:.1f} times the time, {memory_ratio:.1f} times the memory")
    points = {
        name: [(epoch["seconds"], epoch["training_loss"]) for epoch in curve]
        for name, curve in curves.items()
    }
    save_png(loss_by_seconds(points), ROOT / "docs" / "batch_size.png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        before = peak_memory()
        epochs = train_until_loss(int(sys.argv[1]))
        print(json.dumps([asdict(epoch) | {"before": before} for epoch in epochs]))
    else:
        main()
