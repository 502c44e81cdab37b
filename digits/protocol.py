"""Validation, the final fit, and scores that a metric can be computed from."""

import os
from dataclasses import dataclass
from typing import Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from digits.errors import BadInput
from digits.folds import TEST

BATCH = 2_500  # images scored at a time: memory stays flat and the bar moves


@dataclass(frozen=True)
class Validation:
    """What a model said of training images it had not learned from.

    `rows` (m,) int64: rows of data/raw in ascending order; `y` (m,): the truth; `scores` float64, (m, 10) or for a yes/no target
    (m,), as `decision_scores` returns them.
    """

    rows: NDArray[np.int64]
    y: NDArray
    scores: NDArray[np.float64]


def validate(
    pipeline: Pipeline,
    X: NDArray,
    y: NDArray,
    source: NDArray[np.int32],
    fold: NDArray[np.int8],
    scheme: Literal["holdout", "cross_validation"],
) -> Validation:
    """Fit without a fold and score it, for the last fold (holdout) or all of them (cross_validation).

    Parameters: X (n, features), y (n,) and source (n,): training images, originals first, and the row of data/raw that each came
    from; `fold` as `assign_folds` returns it. Folds are over sources: no copy of an image is on both sides, and only the originals
    of a held-out fold are scored.
    """
    held_out_in = fold[source]
    originals = np.arange(len(source)) < np.count_nonzero(fold != TEST)
    last = int(fold.max())
    numbers = range(last + 1) if scheme == "cross_validation" else [last]
    scores: dict[int, NDArray[np.float64]] = {}
    for number in numbers:
        learn, held_out = held_out_in != number, originals & (held_out_in == number)
        model = fit(clone(pipeline), X[learn], y[learn])
        scores[number] = decision_scores(model, X[held_out], f"fold {number}")
    rows = np.flatnonzero(originals & np.isin(held_out_in, numbers))
    ordered = np.empty((len(rows), *scores[last].shape[1:]))
    for number, of_fold in scores.items():
        ordered[held_out_in[rows] == number] = of_fold
    return Validation(source[rows].astype(np.int64), y[rows], ordered)


def fit(pipeline: Pipeline, X: NDArray, y: NDArray) -> Pipeline:
    """Fit on all the threads that DIGITS_THREADS allows; their number does not change the result."""
    with joblib.parallel_config(backend="threading", n_jobs=threads()):
        return pipeline.fit(X, y)


def threads() -> int:
    """How many threads may work: the environment variable DIGITS_THREADS, by default one per core."""
    given = os.environ.get("DIGITS_THREADS", "")
    if given and (not given.isdecimal() or int(given) < 1):
        raise BadInput(f"the environment variable DIGITS_THREADS is {given!r}, allowed is a whole number from 1.")
    return int(given or os.cpu_count() or 1)


def decision_scores(model: Pipeline, X: NDArray, label: str) -> NDArray[np.float64]:
    """How strongly a fitted model speaks for each class, by probability where it has one, else by decision function.

    Parameters: X (n, features); `label` names the work beside its progress bar. Returns: (n, classes), the columns as in
    `model.classes_`; for a yes/no target (n,), larger meaning yes.
    """
    score = model.predict_proba if has_probability(model) else model.decision_function
    batches = tqdm(range(0, len(X), BATCH), desc=f"scoring {label}", unit="batch", disable=None, leave=False)
    # Not in parallel: a forest would add up its trees in the order they happen to finish, and the last bits would vary.
    scores = np.concatenate([score(X[start : start + BATCH]) for start in batches]).astype(np.float64)
    return scores[:, 1] if len(model.classes_) == 2 and scores.ndim == 2 else scores


def has_probability(model: Pipeline) -> bool:
    """Whether the scores are probabilities, and a yes means more than 0.5 rather than more than 0."""
    return hasattr(model, "predict_proba")


def decide(scores: NDArray[np.float64], probability: bool) -> NDArray:
    """What the model predicts, given its scores: the digit with the highest, or for a yes/no target whether it says yes."""
    if scores.ndim == 1:
        return scores > (0.5 if probability else 0.0)
    return scores.argmax(axis=1).astype(np.uint8)
