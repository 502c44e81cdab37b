"""Validation, the final fit, and scores that a metric can be computed from."""

from typing import Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from digits.files import read_rows
from digits.folds import TEST
from digits.learning import PLAIN, How, Images, fit
from digits.machine import all_threads
from digits.predictions import Predictions

BATCH = 1_250  # images scored at a time: memory stays flat and the bar moves


def validate(
    pipeline: Pipeline, data: Images, fold: NDArray[np.int8], scheme: Literal["holdout", "cross_validation"], how: How = PLAIN
) -> Predictions:
    """Fit without a fold and score it, for the last fold (holdout) or all of them (cross_validation).

    Parameters: `data` all training images and their copies; `fold` as `assign_folds` returns it. Folds are over sources: no copy of
    an image is on both sides, and only the originals of a held-out fold are scored. Returns what was said of them, in their order.
    """
    held_out_in = fold[data.source]
    originals = np.arange(len(held_out_in)) < np.count_nonzero(fold != TEST)
    last = int(fold.max())
    numbers = range(last + 1) if scheme == "cross_validation" else [last]
    scores: dict[int, NDArray[np.float64]] = {}
    for number in numbers:
        learn = np.flatnonzero(held_out_in != number).astype(np.int32)
        held_out = np.flatnonzero(originals & (held_out_in == number)).astype(np.int32)
        model = fit(pipeline, data, learn, how, held_out, f"fold {number}")
        scores[number] = decision_scores(model, read_rows(data.X, held_out), f"fold {number}")
    rows = np.flatnonzero(originals & np.isin(held_out_in, numbers))
    ordered = np.empty((len(rows), *scores[last].shape[1:]))
    for number, of_fold in scores.items():
        ordered[held_out_in[rows] == number] = of_fold
    return Predictions(data.source[rows].astype(np.int64), data.y[rows], decide(ordered, has_probability(pipeline)), ordered)


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
        work = joblib.Parallel(return_as="generator")(joblib.delayed(of_batch)(start) for start in range(0, len(X), BATCH))
        total = -(-len(X) // BATCH)
        scores = np.concatenate(list(tqdm(work, f"scoring {label}", total, unit="batch", disable=None, leave=False)))
    return scores[:, 1] if len(model.classes_) == 2 and scores.ndim == 2 else scores


def has_probability(model: Pipeline) -> bool:
    """Whether the scores are probabilities, and a yes means more than 0.5 rather than more than 0."""
    return hasattr(model, "predict_proba")


def decide(scores: NDArray[np.float64], probability: bool) -> NDArray:
    """What the model predicts, given its scores: the digit with the highest, or for a yes/no target whether it says yes."""
    if scores.ndim == 1:
        return scores > (0.5 if probability else 0.0)
    return scores.argmax(axis=1).astype(np.uint8)
