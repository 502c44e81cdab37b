"""Validation: predictions of training images by models that did not learn from them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.arrays import CHUNK
from digits.metrics.predictions import Predictions, decide, decision_scores, has_probability
from digits.training.fit import TrainingSet, fit
from digits.training.options import DEFAULT_OPTIONS, FitName, FitOptions


def validate(
    pipeline: Pipeline,
    data: TrainingSet,
    fold: NDArray[np.int8],
    scheme: Literal["holdout", "cross_validation"],
    options: FitOptions = DEFAULT_OPTIONS,
) -> Predictions:
    """Hold out the last fold, or each in turn: learn from the others and score it.

    Folds are over sources: no copy of a held-out image is learned from, and only the originals of
    a fold are scored.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted; stays so.
    data : TrainingSet
        All training images and their copies.
    fold : ndarray of shape (n_images,), int8
        The fold of each image of the data set, as `assign_folds` returns it.
    scheme : {"holdout", "cross_validation"}
        Hold out the last fold, or every one.
    options : FitOptions
        How the pipeline learns.

    Returns
    -------
    Predictions
        Of the held-out originals, in their order.
    """
    fold_of_row = _fold_of_row(fold, data.source)
    fold_of_original = fold_of_row[: data.n_originals]
    last = int(fold.max())
    held_out_folds = range(last + 1) if scheme == "cross_validation" else [last]
    rows = np.flatnonzero(np.isin(fold_of_original, held_out_folds))
    scores_of_fold: dict[int, NDArray[np.float64]] = {}
    for number in held_out_folds:
        learn = np.arange(len(fold_of_row), dtype=np.int32)[fold_of_row != number]
        held_out = np.flatnonzero(fold_of_original == number).astype(np.int32)
        name = FitName(fold=number)
        model = fit(pipeline, data, learn, options, held_out, name)
        scores_of_fold[number] = decision_scores(model, data.some(held_out), name.label)
    scores = np.empty((len(rows), *scores_of_fold[last].shape[1:]))
    for number, of_fold in scores_of_fold.items():
        scores[fold_of_original[rows] == number] = of_fold
    return Predictions(
        rows=data.source[rows].astype(np.int64),
        labels=data.y[rows],
        predicted=decide(scores, has_probability(pipeline)),
        scores=scores,
    )


def _fold_of_row(fold: NDArray[np.int8], source: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return the fold of each row, a byte each: at once, NumPy would take eight on the way."""
    fold_of_row = np.empty(len(source), fold.dtype)
    for start in range(0, len(source), CHUNK):
        fold_of_row[start : start + CHUNK] = fold[source[start : start + CHUNK]]
    return fold_of_row
