"""What a model said of each image that it had not learned from: what comparisons are made from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """One model's answers for n images.

    `rows` (n,) int64: rows of data/raw; `labels` (n,) the truth and `predicted` (n,) the answers, uint8 digits or bool; `scores`
    float64, (n, 10) or for a yes/no target (n,), larger meaning yes, as `protocol.decision_scores` returns them.
    """

    rows: NDArray[np.int64]
    labels: NDArray
    predicted: NDArray
    scores: NDArray[np.float64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which images were read right (n,)."""
        return self.predicted == self.labels

    def save(self, folder: Path) -> None:
        """Write each array as `<name>.npy` in a folder, which is made."""
        folder.mkdir(exist_ok=True)
        for name in FILES:
            np.save(folder / name, getattr(self, name.removesuffix(".npy")))


FILES = ("rows.npy", "labels.npy", "predicted.npy", "scores.npy")


def load(open_file: Callable[[str], IO[bytes]]) -> Predictions:
    """Read what `save` wrote through a function that opens a file of the folder by its name."""
    arrays = []
    for name in FILES:
        with open_file(name) as file:
            arrays.append(np.lib.format.read_array(file, allow_pickle=False))
    return Predictions(*arrays)
