"""Full batch against mini-batch: softmax regression on 50,000 of MNIST's images until both have the same loss.

`python -m bench.batch_size` (keep the machine quiet, some minutes) runs each in a process of its own, through the code that `train`
uses, prints the table, and draws docs/batch_size.png, which the README and `dvc plots show` have.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from digits.common.arrays import open_array_file
from digits.common.resources import peak_memory
from digits.models.families import PipelineOptions, make_pipeline
from digits.plots.charts import loss_by_seconds, save_png
from digits.training.fit import TrainingSet, fit
from digits.training.options import Epoch, FitOptions

ROOT = Path(__file__).resolve().parent.parent
BATCHES = {
    "mini-batch, a step every 100 images": 100,
    "full batch, a step every 50,000 images": 50_000,
}
LOSS = 0.3  # cross entropy on images learned from
EPOCHS = 2_000
SETTINGS = {"solver": "sgd", "learning_rate": 0.5, "alpha": 0.0001, "epochs": EPOCHS}


class Reached(Exception):
    """The loss is as low as it was to be."""


def learn(batch_size: int) -> list[Epoch]:
    """All epochs until the loss is reached."""
    images = open_array_file(ROOT / "data" / "raw" / "images.npy", np.uint8, (70_000, 28, 28))
    y = np.load(ROOT / "data" / "raw" / "labels.npy")[:60_000]
    done: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        done.append(epoch)
        if epoch.training_loss <= LOSS:
            raise Reached

    settings = SETTINGS | {"batch_size": batch_size}
    pipeline = make_pipeline("softmax", settings, 42, PipelineOptions(scale="unit"))
    rows = np.arange(50_000, dtype=np.int32)
    try:
        fit(
            pipeline,
            TrainingSet(
                images.reshape(60_000, 28 * 28),
                y,
                np.arange(60_000, dtype=np.int32),
                n_originals=60_000,
            ),
            rows,
            FitOptions(epochs=EPOCHS, seed=42, on_epoch=on_epoch),
            held_out=np.arange(50_000, 60_000, dtype=np.int32),
        )
    except Reached:
        return done
    sys.exit(f"batch_size {batch_size}: {EPOCHS} epochs were not enough for a loss of {LOSS}")


def main() -> None:
    """Print the table and write the curves."""
    curves: dict[str, list[dict]] = {}
    for name, batch_size in BATCHES.items():
        alone = subprocess.run(
            [sys.executable, "-m", "bench.batch_size", str(batch_size)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        curves[name] = json.loads(alone.stdout)
        last = curves[name][-1]
        memory, before = last["peak_memory_mib"], curves[name][0]["before"]
        print(
            f"{name}: {last['epoch']} epochs, {last['seconds']:.1f} s, {memory:,.0f} MiB ({memory - before:,.0f} of them to learn)"
        )
    mini, full = (curve[-1] for curve in curves.values())
    print(f"full / mini: {full['seconds'] / mini['seconds']:.1f} times the time, "
          f"{full['peak_memory_mib'] / mini['peak_memory_mib']:.1f} times the memory")  # fmt: skip
    points = {
        name: [(epoch["seconds"], epoch["training_loss"]) for epoch in curve]
        for name, curve in curves.items()
    }
    save_png(loss_by_seconds(points), ROOT / "docs" / "batch_size.png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        held = peak_memory()
        print(json.dumps([asdict(epoch) | {"before": held} for epoch in learn(int(sys.argv[1]))]))
    else:
        main()
