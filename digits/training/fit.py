"""How a pipeline learns from images and their copies."""

import itertools
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from digits.common.arrays import CHUNK, ArrayFile
from digits.common.errors import BadInput
from digits.common.resources import all_threads
from digits.features.base import ImageTransformer
from digits.models.committee import Committee
from digits.training.epochs import Epoch, Labelled, learn_by_epochs

log = logging.getLogger(__name__)

MEASURED = 10_000  # images, at most, on which the training loss is measured


@dataclass(frozen=True)
class TrainingSet:
    """What may be learned: `X` (n, pixels) uint8, in memory or in a file; `y` (n,); `source` (n,)
    int32, the original that each row is or was made from. The originals come first.
    """

    X: NDArray | ArrayFile
    y: NDArray
    source: NDArray[np.int32]
    features: dict[str, NDArray] = field(
        default_factory=dict
    )  # of the originals, once they were computed

    def read(self, rows: NDArray) -> NDArray:
        """The pixels (m, pixels) uint8 of some rows (m,), in memory."""
        return self.X.read(rows) if isinstance(self.X, ArrayFile) else np.asarray(self.X[rows])


@dataclass(frozen=True)
class FitOptions:
    """What there is to say about learning beside the pipeline.

    `copies`: learn from all rows, or with support_vectors first from the originals, then from the support vectors and their copies
    alone: the virtual support vector method of Schölkopf, Burges & Vapnik (1996), "Incorporating Invariances in Support Vector
    Learning Machines". `epochs` by `partial_fit`, None for one `fit`; `seed` of the order in which the images come; `checkpoints`
    the folder from which a killed training goes on; `on_epoch` is told of each epoch.
    """

    copies: Literal["all", "support_vectors"] = "all"
    epochs: int | None = None
    seed: int = 0
    checkpoints: Path | None = None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None


DEFAULT_OPTIONS = FitOptions()


def fit(
    pipeline: Pipeline,
    data: TrainingSet,
    rows: NDArray | None = None,
    how: FitOptions = DEFAULT_OPTIONS,
    held_out: NDArray | None = None,
    label: str = "all folds",
) -> Pipeline:
    """Fit a clone of the pipeline on some rows of the data, by default all, and return it.

    What comes before the model (scaling, PCA, clusters) learns from the originals among them, the model from the copies too.

    Parameters: `rows` (m,) ascending; `held_out` rows on which to follow the loss, epoch by epoch; `label` names this fit in
    messages and checkpoints. Raises BadInput when the model's numbers overflow.
    """
    rows = np.arange(len(data.y), dtype=np.int32) if rows is None else rows
    with all_threads(), warnings.catch_warnings(), _overflow_in_a_sentence():
        # How many epochs and how large a batch is the user's choice; that the loss still falls is for the learning curve to show.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger than sample size")
        if not isinstance(committee := pipeline[-1], Committee):
            return _fit(clone(pipeline), data, rows, how, held_out, label)
        jobs = [
            (clone(member), data, rows, how, held_out, f"{label}, {name}")
            for name, member in committee.members
        ]
        # One after the other if they report epochs; else side by side.
        work = joblib.Parallel(n_jobs=1 if how.epochs else None, require="sharedmem")
        return Pipeline(
            [("committee", clone(committee).of(work(joblib.delayed(_fit)(*job) for job in jobs)))]
        )


@contextmanager
def _overflow_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if not re.search("non-finite|overflow", str(error)):
            raise
        cure = "a smaller learning_rate or alpha helps, or train.scale other than none"
        raise BadInput(
            f"the model's numbers grow out of bounds while it learns: {cure} ({str(error).split('. ')[0]})."
        ) from error


def _fit(
    pipeline: Pipeline,
    data: TrainingSet,
    rows: NDArray,
    how: FitOptions,
    held_out: NDArray | None,
    label: str,
) -> Pipeline:
    n_originals = len(np.unique(data.source[rows]))
    originals, copies = rows[:n_originals], rows[n_originals:]
    prepare, model = _Preparation(pipeline, data), pipeline[-1]
    if how.epochs:
        prepare.learn(originals)
        sample = originals[:: -(-n_originals // MEASURED)]
        pipeline.steps[-1] = ("model", learn_by_epochs(
            model, prepare, rows, np.unique(data.y[originals]), how.epochs, how.seed,
            measured_on=(prepare(sample), None if held_out is None else prepare(held_out)),
            checkpoint=how.checkpoints and how.checkpoints / re.sub(r"\W+", "-", label), on_epoch=how.on_epoch, label=label,
        ))  # fmt: skip
    elif how.copies == "support_vectors":
        Z, y = prepare.fit(originals)
        support = clone(model).fit(Z, y).support_
        copies = copies[np.isin(data.source[copies], data.source[originals[support]])]
        log.info(
            "%s: %d of %d images are support vectors, with %d copies",
            label,
            len(support),
            n_originals,
            len(copies),
        )
        model.fit(*prepare.joined((Z[support], y[support]), copies))
    elif len(pipeline) > 1:
        model.fit(*prepare.joined(prepare.fit(originals), copies))
    else:
        model.fit(data.read(rows), data.y[rows])
    return pipeline


class _Preparation:
    """All of a pipeline that comes before the model: first what learns nothing, then what learns."""

    def __init__(self, pipeline: Pipeline, data: TrainingSet) -> None:
        steps = pipeline.steps[:-1]
        n_fixed = sum(
            1
            for _ in itertools.takewhile(
                lambda step: isinstance(step[1], ImageTransformer | FunctionTransformer), steps
            )
        )
        self._fixed, self._learned = (
            Pipeline(part or [("nothing", "passthrough")])
            for part in (steps[:n_fixed], steps[n_fixed:])
        )
        self._fixed.fit(data.read(np.arange(1)))
        self._is_dear = any(isinstance(step, ImageTransformer) for _, step in steps)
        self._data = data

    def learn(self, originals: NDArray) -> None:
        """Learn from originals, all of them in memory at once; where nothing learns, none is read."""
        if all(step == "passthrough" for _, step in self._learned.steps):
            return
        with threadpool_limits(1):
            self._learned.fit(self._features(originals))

    def fit(self, originals: NDArray) -> Labelled:
        """Learn from originals; what the model gets of them, and their labels."""
        with threadpool_limits(
            1
        ):  # k-means: the sums of several threads would differ in their last bits
            return self._learned.fit_transform(self._features(originals)), self._data.y[originals]

    def __call__(self, rows: NDArray) -> Labelled:
        """What the model gets of some rows, and their labels."""
        chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        parts = [
            self._learned.transform(self._fixed.transform(self._data.read(chunk)))
            for chunk in chunks
        ]
        return np.concatenate(parts), self._data.y[rows]

    def joined(self, first: Labelled, rows: NDArray) -> Labelled:
        """What there is already, and these rows after it."""
        if len(rows) == 0:
            return first
        more = self(rows)
        return np.concatenate([first[0], more[0]]), np.concatenate([first[1], more[1]])

    def _features(self, originals: NDArray) -> NDArray:
        """What learns nothing, of originals: computed once for all fits, if it takes long."""
        if not self._is_dear:
            return self._fixed.transform(self._data.read(originals))
        known = self._data.features
        if (name := str(self._fixed)) not in known:
            everything = np.arange(len(np.unique(self._data.source)))
            known[name] = self._fixed.transform(self._data.read(everything))
        return known[name] if len(originals) == len(known[name]) else known[name][originals]
