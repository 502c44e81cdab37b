"""Would more data help? Accuracy on the held-out images after learning from fewer of the others."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.common.files import read_csv
from digits.data.folds import TEST
from digits.metrics.intervals import proportion
from digits.metrics.predictions import Predictions, decide, decision_scores, has_probability
from digits.training.fit import DEFAULT_OPTIONS, FitOptions, TrainingSet, fit


class TrainSize(NamedTuple):
    """Accuracy on `n` held-out images with Wilson's 95 % interval, after learning from `train_size` originals and their copies."""

    train_size: int
    n: int
    accuracy: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.train_size} images: accuracy {self.accuracy:.4f} ({self.low:.4f} to {self.high:.4f})"


def subsets_of(
    data: TrainingSet, fold: NDArray[np.int8], shares: Sequence[float], seed: int
) -> list[NDArray[np.int32]]:
    """Originals to learn from, for each share of those outside the last fold, which holdout validation holds out.

    Each subset contains the ones before it, and has every class at its share, to within an image or two.

    Parameters: `data` all training images and their copies; `fold` as `assign_folds` returns it; `shares` ascending. Returns:
    ascending rows. Raises BadInput when a share is too small to have an image of every class, or more images than the one before.
    """
    of_training = fold[fold != TEST]
    learn = np.flatnonzero(of_training != of_training.max()).astype(np.int32)
    y = data.y[: len(of_training)]
    order = learn[_stratified_order(y[learn], seed)]
    sizes = [round(share * len(learn)) for share in shares]
    chosen = [np.sort(order[:size]) for size in sizes]
    for share, size, before, rows in zip(shares, sizes, [0, *sizes], chosen, strict=False):
        if size <= before or len(np.unique(y[rows])) < len(np.unique(y[learn])):
            what = "an image of every class" if size > before else f"more than the {before} before"
            raise BadInput(
                f"train.train_sizes: {share} of {len(learn)} images is {size}, allowed are shares that have {what}."
            )
    return chosen


def _stratified_order(y: NDArray, seed: int) -> NDArray[np.intp]:
    """Every place of y (n,) once, drawn by the seed, so that any beginning has each class at its share."""
    drawn = np.random.default_rng(seed).permutation(len(y))
    how_far = np.empty(len(y))
    for label in np.unique(y):
        members = drawn[y[drawn] == label]
        how_far[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(how_far, kind="stable")


def with_copies(data: TrainingSet, originals: NDArray[np.int32]) -> NDArray[np.int32]:
    """Originals and all their copies, as ascending rows."""
    return np.flatnonzero(np.isin(data.source, data.source[originals])).astype(np.int32)


def learning_curve(
    pipeline: Pipeline,
    data: TrainingSet,
    fold: NDArray[np.int8],
    chosen: Sequence[NDArray[np.int32]],
    said: Predictions,
    how: FitOptions,
) -> Iterator[TrainSize]:
    """Fit on each of the subsets, copies included, and score the originals of the last fold.

    Parameters: as of `protocol.validate`; `chosen` by `subsets_of`; `said` what `validate` returned: it learned
    from all images outside the last fold, so that is not done again.
    """
    held_out_in = fold[fold != TEST]
    held_out = np.flatnonzero(held_out_in == held_out_in.max()).astype(np.int32)
    quiet = replace(
        how, on_epoch=DEFAULT_OPTIONS.on_epoch
    )  # the epochs that are logged are those of validation and of the final fit
    for originals in chosen:
        n = len(originals)
        if n + len(held_out) == len(held_out_in):
            right = said.right[np.isin(said.rows, data.source[held_out])]
        else:
            model = fit(pipeline, data, with_copies(data, originals), quiet, label=f"{n} images")
            scores = decision_scores(model, data.read(held_out), f"after {n} images")
            right = decide(scores, has_probability(pipeline)) == data.y[held_out]
        accuracy, interval = (
            float(np.mean(right)),
            proportion(int(np.count_nonzero(right)), len(right), 0.95),
        )
        yield TrainSize(n, len(right), *(round(value, 10) for value in (accuracy, *interval)))


def load_train_sizes(path: Path) -> list[TrainSize]:
    """Read the rows that `train` wrote. Raises BadInput when the file is missing or holds something else."""
    return [
        TrainSize(int(row.pop("train_size")), int(row.pop("n")), **row) for row in read_csv(path)
    ]
