"""Fitting a pipeline on training images and their copies.

The steps before the model learn from the originals, the model from the copies too.
"""

import itertools
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from digits.common.arrays import CHUNK, ArrayFile, SomeRows, read_rows
from digits.common.errors import BadInput
from digits.common.resources import all_threads
from digits.features.base import ImageTransformer
from digits.models.committee import Committee, sample
from digits.training.epochs import EpochData, Labelled, ReadBlocks, learn_by_epochs
from digits.training.options import ALL_FOLDS, DEFAULT_OPTIONS, FitName, FitOptions

log = logging.getLogger(__name__)

MEASURED = 10_000  # images, at most, on which the training loss is measured
AT_ONCE = 30_000  # images held out, at most, that are measured at once: MNIST's with two folds


@dataclass(frozen=True)
class TrainingSet:
    """All training images, the originals first and then their copies.

    Attributes
    ----------
    X : ndarray or ArrayFile of shape (n, n_pixels), uint8
        The pixels, in memory or in a file.
    y : ndarray of shape (n,)
        Labels: digits as uint8, or bool.
    source : ndarray of shape (n,), int32
        Which image of the data set each row is, or was made from.
    n_originals : int
        How many of the first rows are no copies.
    features : dict
        Features of all originals that take long to compute, by what computed them: they are kept
        from one fit to the next.
    """

    X: NDArray | ArrayFile
    y: NDArray
    source: NDArray[np.int32]
    n_originals: int
    features: dict[str, NDArray] = field(default_factory=dict, repr=False)

    def originals(self, rows: NDArray) -> NDArray:
        """Those of the rows that are originals."""
        return rows[rows < self.n_originals]

    def copies_of(self, rows: NDArray) -> NDArray[np.int32]:
        """The rows, ascending, of all copies of some originals."""
        is_copy = np.arange(len(self.source)) >= self.n_originals
        return np.flatnonzero(is_copy & np.isin(self.source, self.source[rows])).astype(np.int32)

    def read(self, rows: NDArray) -> NDArray[np.uint8]:
        """The pixels (m, n_pixels) of some rows (m,), in memory."""
        return read_rows(self.X, rows)

    def some(self, rows: NDArray) -> SomeRows:
        """The pixels of some rows (m,), which are read when they are sliced."""
        return SomeRows(self.X, rows)


def fit(
    pipeline: Pipeline,
    data: TrainingSet,
    rows: NDArray | None = None,
    options: FitOptions = DEFAULT_OPTIONS,
    held_out: NDArray | None = None,
    name: FitName = ALL_FOLDS,
) -> Pipeline:
    """Fit a clone of the pipeline and return it.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted, as `make_pipeline` returns it.
    data : TrainingSet
        What it learns from.
    rows : ndarray of shape (m,) or None
        Ascending: learn from these alone.
    options : FitOptions
        How it learns.
    held_out : ndarray of shape (k,) or None
        Ascending rows on which the loss is measured after each epoch.
    name : FitName
        Of this fit, in messages and checkpoints.

    Raises
    ------
    BadInput
        When the model's numbers overflow, or fewer features vary than `train.components` asks for.
    """
    rows = np.arange(len(data.y), dtype=np.int32) if rows is None else rows
    with all_threads(), warnings.catch_warnings(), _name_the_setting():
        # The user chooses the number of epochs and the batch size; whether the loss still falls
        # is seen in the history.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger than sample size")
        committee = pipeline[-1]
        if not isinstance(committee, Committee):
            return _fit(clone(pipeline), data, rows, options, held_out, name)
        # Members that report epochs are fitted one after the other, others side by side.
        fitted = joblib.Parallel(n_jobs=1 if options.epochs else None, require="sharedmem")(
            joblib.delayed(_fit)(
                clone(member), data, rows, options, held_out, replace(name, member=member_name)
            )
            for member_name, member in committee.members
        )
        some = data.read(sample(data.originals(rows)))
        return Pipeline([("committee", Committee.from_fitted(committee.members, fitted, some))])


@contextmanager
def _name_the_setting() -> Iterator[None]:
    """Raise BadInput where the data show only during a fit that a setting is out of bounds."""
    try:
        yield
    except ValueError as error:
        if found := re.match(r"n_components=(\d+) must be between 0 and .*?=(\d+)", str(error)):
            raise BadInput(
                f"train.components is {found[1]}, allowed is at most {found[2]}: of train.scale "
                "standard, the other features are the same in all images of a fit."
            ) from error
        if not re.search("non-finite|overflow", str(error)):
            raise
        raise BadInput(
            "the model's numbers grow out of bounds while it learns: a smaller learning_rate or "
            f"alpha helps, or train.scale other than none ({str(error).split('. ')[0]})."
        ) from error


def _fit(
    pipeline: Pipeline,
    data: TrainingSet,
    rows: NDArray,
    options: FitOptions,
    held_out: NDArray | None,
    name: FitName,
) -> Pipeline:
    """Fit the pipeline itself and return it."""
    preprocessing, model = _Preprocessing(pipeline, data), pipeline[-1]
    originals = data.originals(rows)
    copies = rows[len(originals) :]
    if options.epochs:
        preprocessing.fit(originals)
        epoch_data = EpochData(
            read=preprocessing.transform,
            rows=rows,
            classes=np.unique(data.y[originals]),
            training=preprocessing.blocks(originals[:: -(-len(originals) // MEASURED)]),
            held_out=None if held_out is None else preprocessing.blocks(held_out),
        )
        pipeline.steps[-1] = ("model", learn_by_epochs(model, epoch_data, options, name))
    elif options.copies == "support_vectors":
        Z, y = preprocessing.fit_transform(originals)
        support = _learn(clone(model), Z, y, options).support_
        copies = np.intersect1d(copies, data.copies_of(originals[support]))
        log.info(
            "%s: %d of %d images are support vectors, with %d copies",
            name.label,
            len(support),
            len(originals),
            len(copies),
        )
        _learn(model, *preprocessing.append((Z[support], y[support]), copies), options)
    elif len(pipeline) > 1:
        features = preprocessing.append(preprocessing.fit_transform(originals), copies)
        _learn(model, *features, options)
    else:
        _learn(model, data.read(rows), data.y[rows], options)
    return pipeline


def _learn(model: Any, X: NDArray, y: NDArray, options: FitOptions) -> Any:
    """Fit a model, on the cluster if there is one."""
    with options.cluster.pieces_of(model) if options.cluster else nullcontext():
        return model.fit(X, y)


def keep_features(pipeline: Pipeline, data: TrainingSet) -> None:
    """Compute the features that take long once, for all fits to come."""
    committee = pipeline[-1]
    members = committee.members if isinstance(committee, Committee) else [("", pipeline)]
    with all_threads():
        for _, member in members:
            _Preprocessing(clone(member), data).keep_features()


class _Preprocessing:
    """The steps before the model: first those that learn nothing, then those that learn."""

    def __init__(self, pipeline: Pipeline, data: TrainingSet) -> None:
        steps = pipeline.steps[:-1]
        fixed = list(itertools.takewhile(lambda step: _learns_nothing(step[1]), steps))
        self._data = data
        self._is_expensive = any(isinstance(step, ImageTransformer) for _, step in steps)
        self._key = joblib.hash([(type(step), step.get_params()) for _, step in fixed])
        self._fixed = Pipeline(fixed or [("nothing", "passthrough")])
        self._learned = Pipeline(steps[len(fixed) :] or [("nothing", "passthrough")])
        self._fixed.fit(data.read(np.arange(1)))

    def fit(self, originals: NDArray) -> None:
        """Learn from originals, all in memory at once; none is read where nothing learns."""
        if all(step == "passthrough" for _, step in self._learned.steps):
            return
        with threadpool_limits(1):  # as in fit_transform
            self._learned.fit(self._features(originals))

    def fit_transform(self, originals: NDArray) -> Labelled:
        """Learn from originals, and return the model's input for them, and their labels."""
        # Of k-means, the sums of several threads would differ in their last bits.
        with threadpool_limits(1):
            return self._learned.fit_transform(self._features(originals)), self._data.y[originals]

    def transform(self, rows: NDArray) -> Labelled:
        """Return the model's input for some rows, and their labels."""
        parts = [
            self._learned.transform(
                self._fixed.transform(self._data.read(rows[start : start + CHUNK]))
            )
            for start in range(0, len(rows), CHUNK)
        ]
        return np.concatenate(parts), self._data.y[rows]

    def blocks(self, rows: NDArray) -> ReadBlocks:
        """Return a function that yields the model's input for some rows, and their labels.

        More than AT_ONCE are not kept, but transformed anew at each call, CHUNK at a time.
        """
        if len(rows) <= AT_ONCE:
            kept = [self.transform(rows)]
            return lambda: kept
        starts = range(0, len(rows), CHUNK)
        return lambda: (self.transform(rows[start : start + CHUNK]) for start in starts)

    def append(self, first: Labelled, rows: NDArray) -> Labelled:
        """Return the model's input that there is already, and after it that for some rows."""
        if len(rows) == 0:
            return first
        X, y = self.transform(rows)
        return np.concatenate([first[0], X]), np.concatenate([first[1], y])

    def keep_features(self) -> None:
        """Compute the features of all originals that take long, if they are not there yet."""
        cache = self._data.features
        if self._is_expensive and self._key not in cache:
            every_original = np.arange(self._data.n_originals)
            cache[self._key] = self._fixed.transform(self._data.read(every_original))

    def _features(self, originals: NDArray) -> NDArray:
        """Return what the steps that learn nothing make of originals."""
        if not self._is_expensive:
            return self._fixed.transform(self._data.read(originals))
        self.keep_features()
        features = self._data.features[self._key]
        return features if len(originals) == len(features) else features[originals]


def _learns_nothing(step: object) -> bool:
    return isinstance(step, ImageTransformer | FunctionTransformer)
