"""Validation, the final fit, and scores that a metric can be computed from."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.data.folds import TEST
from digits.metrics.predictions import Predictions, decide, decision_scores, has_probability
from digits.training.fit import DEFAULT_OPTIONS, FitOptions, TrainingSet, fit


def validate(
    pipeline: Pipeline,
    data: TrainingSet,
    fold: NDArray[np.int8],
    scheme: Literal["holdout", "cross_validation"],
    how: FitOptions = DEFAULT_OPTIONS,
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
        scores[number] = decision_scores(model, data.read(held_out), f"fold {number}")
    rows = np.flatnonzero(originals & np.isin(held_out_in, numbers))
    ordered = np.empty((len(rows), *scores[last].shape[1:]))
    for number, of_fold in scores.items():
        ordered[held_out_in[rows] == number] = of_fold
    return Predictions(
        data.source[rows].astype(np.int64),
        data.y[rows],
        decide(ordered, has_probability(pipeline)),
        ordered,
    )
