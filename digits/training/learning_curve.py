"""The learning curve: held-out accuracy after learning from fewer of the training images."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions, predict
from digits.training.fit import TrainingSet, fit
from digits.training.options import DEFAULT_OPTIONS, FitName, FitOptions

log = logging.getLogger(__name__)


class LearningCurvePoint(NamedTuple):
    """Accuracy on held-out images, with Wilson's 95 % interval, by the number learned from.

    Attributes
    ----------
    train_size : int
        How many originals were learned from, with their copies.
    n : int
        How many held-out images were scored.
    accuracy, low, high : float
        The share of them that was right, and its interval.
    """

    train_size: int
    n: int
    accuracy: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f"{self.low:.4f} to {self.high:.4f}"
        return f"{self.train_size} images: accuracy {self.accuracy:.4f} ({interval})"


def draw_subsets(
    data: TrainingSet, fold: NDArray[np.int8], train_sizes: Sequence[float], seed: int
) -> list[NDArray[np.int32]]:
    """Draw a share of the originals outside the last fold, for each of some shares.

    Each subset contains the ones before it, and has every class at its share, to within an image
    or two. The last fold is the one that holdout validation holds out.

    Parameters
    ----------
    data : TrainingSet
        All training images and their copies.
    fold : ndarray of shape (n_images,), int8
        The fold of each image of the data set, as `assign_folds` returns it.
    train_sizes : sequence of float
        Ascending shares above 0, up to 1.
    seed : int
        Of the drawing.

    Returns
    -------
    list of ndarray, int32
        Ascending rows, for each share.

    Raises
    ------
    BadInput
        When a subset would lack a class, or have no more images than the one before.
    """
    if not train_sizes:
        return []
    fold_of_original = fold[data.source[: data.n_originals]]
    learn = np.flatnonzero(fold_of_original != fold_of_original.max()).astype(np.int32)
    y = data.y[learn]
    order = learn[_stratified_order(y, seed)]
    subsets: list[NDArray[np.int32]] = []
    previous = 0
    for share in train_sizes:
        size = round(share * len(learn))
        subset = np.sort(order[:size])
        if size <= previous or len(np.unique(data.y[subset])) < len(np.unique(y)):
            allowed = f"more than the {previous} before" if previous else "one image or more"
            if size > previous:
                allowed = "an image of every class"
            raise BadInput(
                f"train.train_sizes: {share} of {len(learn)} images is {size}, allowed are shares "
                f"that have {allowed}."
            )
        subsets.append(subset)
        previous = size
    return subsets


def _stratified_order(y: NDArray, seed: int) -> NDArray[np.intp]:
    """Draw an order of y (n,) of which every beginning has each class at its share."""
    drawn = np.random.default_rng(seed).permutation(len(y))
    position = np.empty(len(y))  # within the class, from 0 to 1
    for label in np.unique(y):
        members = drawn[y[drawn] == label]
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(position, kind="stable")


def learning_curve(
    pipeline: Pipeline,
    data: TrainingSet,
    fold: NDArray[np.int8],
    subsets: Sequence[NDArray[np.int32]],
    predictions: Predictions,
    options: FitOptions,
) -> Iterator[LearningCurvePoint]:
    """Fit on each of the subsets, copies included, and score the originals of the last fold.

    Parameters
    ----------
    pipeline, data, fold, options
        As of `validate`.
    subsets : sequence of ndarray
        As `draw_subsets` returns them.
    predictions : Predictions
        As `validate` returned them: it has learned from all images outside the last fold already.
    """
    fold_of_original = fold[data.source[: data.n_originals]]
    held_out = np.flatnonzero(fold_of_original == fold_of_original.max()).astype(np.int32)
    # The epochs that are reported are those of validation and of the final fit.
    quiet = replace(options, on_epoch=DEFAULT_OPTIONS.on_epoch)
    for originals in subsets:
        n = len(originals)
        if n + len(held_out) == data.n_originals:
            right = predictions.correct[np.isin(predictions.rows, data.source[held_out])]
        else:
            rows = np.concatenate([originals, data.copies_of(originals)])
            model = fit(pipeline, data, rows, quiet, name=FitName(n_images=n))
            X, source = data.some(held_out), data.source[held_out].astype(np.int64)
            right = predict(model, X, source, data.y[held_out], f"after {n} images").correct
        accuracy = float(np.mean(right))
        interval = wilson_interval(int(np.count_nonzero(right)), len(right), 0.95)
        measured = (round(value, 10) for value in (accuracy, *interval))
        point = LearningCurvePoint(n, len(right), *measured)
        log.info("%s", point)
        yield point
