"""A small convolutional network in Keras, as people train it on MNIST; run by bench.frontier.

`.venv-bench/bin/python bench/network.py FOLDER EPOCHS [augment]` learns from the images of folds 0
to 4 in FOLDER, scores those of fold 5 after each epoch, and prints one line of JSON. The seconds
are those of learning alone, the making of the graph included, without scoring. It runs in an
environment of its own, so it imports nothing of this project.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras  # type: ignore[import-not-found]
import numpy as np
import tensorflow  # type: ignore[import-untyped]

BATCH = 128
DISTORTIONS = (  # a little of each, another for every image in every epoch
    ("RandomRotation", 10 / 360),
    ("RandomTranslation", (0.1, 0.1)),
    ("RandomZoom", 0.1),
)


def make_network(steps: int, augment: bool) -> Any:
    """Two blocks of two convolutions, and a dense layer; Adam, its rate falling as a cosine."""
    layers = keras.layers
    parts = [layers.Input((28, 28, 1)), layers.Rescaling(1 / 255)]
    if augment:
        parts += [
            getattr(layers, name)(
                *(amount if isinstance(amount, tuple) else (amount,)), fill_mode="constant"
            )
            for name, amount in DISTORTIONS
        ]
    for filters in (32, 64):
        parts += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
        ]
    parts += [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
    network = keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return network


class Curve(keras.callbacks.Callback):
    """Seconds of learning so far and errors on the held-out images, after each epoch."""

    def __init__(self, X: Any, y: Any) -> None:
        super().__init__()
        self.X, self.y = X, y
        self.points: list[tuple[float, int]] = []
        self.seconds = self.scoring_seconds = 0.0
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Stop the clock, score, and go on."""
        now = time.monotonic()
        self.seconds += now - self.started
        scores = self.model.predict(self.X, batch_size=1000, verbose=0)
        self.points.append((self.seconds, int(np.sum(scores.argmax(axis=1) != self.y))))
        self.started = time.monotonic()
        self.scoring_seconds = self.started - now


def peak_memory() -> float:
    """The most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # not on Windows

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(folder: str, epochs: str, augment: str = "") -> None:
    """Learn, and print what came out."""
    images = np.load(Path(folder, "images.npy"))[..., None]
    labels, fold = np.load(Path(folder, "labels.npy")), np.load(Path(folder, "fold.npy"))
    X, y = images[fold < 5], labels[fold < 5]
    keras.utils.set_random_seed(42)
    n_epochs = int(epochs)
    curve = Curve(images[fold == 5], labels[fold == 5])
    network = make_network(-(-len(X) // BATCH) * n_epochs, bool(augment))
    network.fit(X, y, batch_size=BATCH, epochs=n_epochs, verbose=0, callbacks=[curve])
    result = {
        "seconds": curve.points[-1][0],
        "scoring_seconds": curve.scoring_seconds,
        "errors": curve.points[-1][1],
        "curve": curve.points,
        "memory_mib": peak_memory(),
        "software": f"Keras {keras.__version__} on TensorFlow {tensorflow.__version__}",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
