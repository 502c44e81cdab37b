"""What a model said of each image that it had not learned from: what comparisons are made from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from digits.common.resources import all_threads


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

    @property
    def is_yes_no(self) -> bool:
        """Whether the target is yes or no, and not one of the ten digits."""
        return self.scores.ndim == 1

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


BATCH = 1_250  # images scored at a time: memory stays flat and the bar moves


def decision_scores(model: Pipeline, X: NDArray, label: str) -> NDArray[np.float64]:
    """How strongly a fitted model speaks for each class, by probability where it has one, else by decision function.

    Parameters: X (n, features); `label` names the work beside its progress bar. Returns: (n, classes), the columns as in
    `model.classes_`; for a yes/no target (n,), larger meaning yes.
    """
    score = model.predict_proba if has_probability(model) else model.decision_function

    def of_batch(start: int) -> NDArray[np.float64]:
        # One thread for each batch: many would add up a forest's trees in the order they happen to finish, and the last bits vary.
        with joblib.parallel_config(backend="threading", n_jobs=1):
            return score(X[start : start + BATCH]).astype(np.float64)

    with all_threads():
        work = joblib.Parallel(return_as="generator")(
            joblib.delayed(of_batch)(start) for start in range(0, len(X), BATCH)
        )
        total = -(-len(X) // BATCH)
        scores = np.concatenate(
            list(tqdm(work, f"scoring {label}", total, unit="batch", disable=None, leave=False))
        )
    return scores[:, 1] if len(model.classes_) == 2 and scores.ndim == 2 else scores


def has_probability(model: Pipeline) -> bool:
    """Whether the scores are probabilities, and a yes means more than 0.5 rather than more than 0."""
    return hasattr(model, "predict_proba")


def decide(scores: NDArray[np.float64], probability: bool) -> NDArray:
    """What the model predicts, given its scores: the digit with the highest, or for a yes/no target whether it says yes."""
    if scores.ndim == 1:
        return scores > (0.5 if probability else 0.0)
    return scores.argmax(axis=1).astype(np.uint8)
