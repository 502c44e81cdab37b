"""Predictions of images that a model did not learn from, and how they follow from its scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.common.arrays import SomeRows
from digits.common.errors import BadInput
from digits.common.resources import all_threads

if TYPE_CHECKING:  # `compare` reads predictions without scikit-learn, whose import takes .3 seconds
    from sklearn.pipeline import Pipeline

FILES = ("rows.npy", "labels.npy", "predicted.npy", "scores.npy")

BATCH = 1_250  # images scored at a time: memory stays flat and the progress bar moves


@dataclass(frozen=True)
class Predictions:
    """One model's predictions of n images, with what comparisons of models are computed from.

    Parameters
    ----------
    rows : ndarray of shape (n,), int64
        The images, as rows of data/raw.
    labels : ndarray of shape (n,), uint8 or bool
        What is true: a digit, or for a yes/no target whether it is a yes.
    predicted : ndarray of shape (n,), uint8 or bool
        What the model predicts.
    scores : ndarray of shape (n, classes) or (n,), float64
        As `decision_scores` returns them; one for each image for a yes/no target, larger meaning
        yes.
    """

    rows: NDArray[np.int64]
    labels: NDArray
    predicted: NDArray
    scores: NDArray[np.float64]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction (n,) is what is true."""
        return self.predicted == self.labels

    @property
    def is_yes_no(self) -> bool:
        """Whether the target is yes or no, and not one of the ten digits."""
        return self.scores.ndim == 1

    def save(self, folder: Path) -> None:
        """Write each array as ``<name>.npy`` to a folder, which is made."""
        folder.mkdir(exist_ok=True)
        for name in FILES:
            np.save(folder / name, getattr(self, name.removesuffix(".npy")))

    @classmethod
    def load(cls, open_file: Callable[[str], IO[bytes]]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        open_file : callable
            Opens a file of the folder by its name, wherever the folder is.
        """
        arrays = []
        for name in FILES:
            with open_file(name) as file:
                arrays.append(np.lib.format.read_array(file, allow_pickle=False))
        return cls(*arrays)

    @classmethod
    def load_folder(cls, folder: Path) -> Self:
        """Read a model's predictions in validation from the folder into which `save` wrote them.

        Raises
        ------
        BadInput
            When a file of it is missing or damaged.
        """
        try:
            return cls.load(lambda name: (folder / name).open("rb"))
        except (OSError, ValueError, EOFError) as error:
            raise BadInput(
                f"{folder} cannot be read as a model's predictions in validation ({error}): "
                "`dvc repro` makes it again."
            ) from error


def predict(
    model: "Pipeline", X: NDArray | SomeRows, rows: NDArray[np.int64], y: NDArray, label: str
) -> Predictions:
    """Return a fitted model's predictions of some images.

    Parameters
    ----------
    model : Pipeline
        Fitted.
    X : ndarray or SomeRows of shape (n, n_pixels), uint8
        The images.
    rows : ndarray of shape (n,), int64
        Their rows in the data set.
    y : ndarray of shape (n,)
        What is true of them.
    label : str
        Names the work beside its progress bar.
    """
    scores = decision_scores(model, X, label)
    return Predictions(rows, y, decide(scores, has_probability(model)), scores)


def decision_scores(model: "Pipeline", X: NDArray | SomeRows, label: str) -> NDArray[np.float64]:
    """Score the classes: by probability if the model has one, else by decision function.

    Parameters
    ----------
    model : Pipeline
        The fitted model.
    X : ndarray or SomeRows of shape (n, features)
        Images, one a row.
    label : str
        What is scored, for the progress bar.

    Returns
    -------
    ndarray of shape (n, classes) or (n,), float64
        Columns as in ``model.classes_``; for a yes/no target one score for each image, larger
        meaning yes.
    """
    score = model.predict_proba if has_probability(model) else model.decision_function

    def score_batch(start: int) -> NDArray[np.float64]:
        # One thread for each batch: several would add up a forest's trees in the order in which
        # they happen to finish, and the last bits would vary.
        with joblib.parallel_config(backend="threading", n_jobs=1):
            return score(X[start : start + BATCH]).astype(np.float64)

    with all_threads():
        batches = joblib.Parallel(return_as="generator")(
            joblib.delayed(score_batch)(start) for start in range(0, len(X), BATCH)
        )
        total = -(-len(X) // BATCH)
        scores = np.concatenate(
            list(tqdm(batches, f"scoring {label}", total, unit="batch", disable=None, leave=False))
        )
    return scores[:, 1] if len(model.classes_) == 2 and scores.ndim == 2 else scores


def has_probability(model: "Pipeline") -> bool:
    """Whether the scores of a model are probabilities."""
    return hasattr(model, "predict_proba")


def decide(scores: NDArray[np.float64], probability: bool) -> NDArray:
    """Predict from scores.

    Parameters
    ----------
    scores : ndarray of shape (n, 10) or (n,), float64
        As `decision_scores` returns them.
    probability : bool
        Whether they are probabilities: then a yes has more than 0.5, else more than 0.

    Returns
    -------
    ndarray of shape (n,), uint8 or bool
        The digit with the highest score, or for a yes/no target whether it is a yes.
    """
    if scores.ndim == 1:
        return scores > (0.5 if probability else 0.0)
    return scores.argmax(axis=1).astype(np.uint8)
