"""Validation: predictions of training images by models that did not learn from them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.arrays import CHUNK
from digits.metrics.predictions import Predictions, decide, decision_scores, has_probability
from digits.training.fit import TrainingSet, fit, keep_features
from digits.training.options import DEFAULT_OPTIONS, Epoch, FitName, FitOptions


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
    if options.cluster and len(held_out_folds) > 1:
        scores_of_fold = _score_on_cluster(pipeline, data, fold_of_row, held_out_folds, options)
    else:
        scores_of_fold = {
            number: _score_fold(pipeline, data, fold_of_row, number, options)
            for number in held_out_folds
        }
    scores = np.empty((len(rows), *scores_of_fold[last].shape[1:]))
    for number, of_fold in scores_of_fold.items():
        scores[fold_of_original[rows] == number] = of_fold
    return Predictions(
        rows=data.source[rows].astype(np.int64),
        labels=data.y[rows],
        predicted=decide(scores, has_probability(pipeline)),
        scores=scores,
    )


def _score_fold(
    pipeline: Pipeline,
    data: TrainingSet,
    fold_of_row: NDArray[np.int8],
    number: int,
    options: FitOptions,
) -> NDArray[np.float64]:
    """Learn from the other folds, and score the originals of one."""
    learn = np.arange(len(fold_of_row), dtype=np.int32)[fold_of_row != number]
    held_out = np.flatnonzero(fold_of_row[: data.n_originals] == number).astype(np.int32)
    name = FitName(fold=number)
    model = fit(pipeline, data, learn, options, held_out, name)
    return decision_scores(model, data.some(held_out), name.label)


def _score_on_cluster(
    pipeline: Pipeline,
    data: TrainingSet,
    fold_of_row: NDArray[np.int8],
    held_out_folds: Sequence[int],
    options: FitOptions,
) -> dict[int, NDArray[np.float64]]:
    """Score the folds side by side; their epochs are reported when all are done."""
    assert options.cluster
    if not options.epochs:
        keep_features(pipeline, data)
    alone = replace(options, cluster=None, checkpoints=None, on_epoch=DEFAULT_OPTIONS.on_epoch)
    with options.cluster.pieces():
        folds = joblib.Parallel(pre_dispatch="all")(
            joblib.delayed(_score_with_epochs)(pipeline, data, fold_of_row, number, alone)
            for number in held_out_folds
        )
    for _, epochs in folds:
        for epoch in epochs:
            options.on_epoch(epoch)
    return {number: scores for number, (scores, _) in zip(held_out_folds, folds, strict=True)}


def _score_with_epochs(
    pipeline: Pipeline,
    data: TrainingSet,
    fold_of_row: NDArray[np.int8],
    number: int,
    options: FitOptions,
) -> tuple[NDArray[np.float64], list[Epoch]]:
    """Score a fold on a worker, and return what it would have reported after each epoch."""
    epochs: list[Epoch] = []
    reporting = replace(options, on_epoch=epochs.append)
    return _score_fold(pipeline, data, fold_of_row, number, reporting), epochs


def _fold_of_row(fold: NDArray[np.int8], source: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return the fold of each row, a byte each: at once, NumPy would take eight on the way."""
    fold_of_row = np.empty(len(source), fold.dtype)
    for start in range(0, len(source), CHUNK):
        fold_of_row[start : start + CHUNK] = fold[source[start : start + CHUNK]]
    return fold_of_row
