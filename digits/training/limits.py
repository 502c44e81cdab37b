"""Settings that ask for more than the training images have."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.features.catalogue import n_features
from digits.models.committee import Committee
from digits.models.families import PipelineOptions
from digits.training.fit import TrainingSet


def check_limits(
    pipeline: Pipeline,
    options: PipelineOptions,
    model: str,
    data: TrainingSet,
    fold: NDArray[np.int8],
    subsets: Sequence[NDArray],
) -> None:
    """Check that the smallest fit has images enough for the pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted, made with `options`.
    options : PipelineOptions
        What comes before the model.
    model : str
        The model's section in params.yaml.
    data : TrainingSet
        All training images and their copies.
    fold : ndarray of shape (n,), int8
        As `assign_folds` returns it.
    subsets : sequence of ndarray
        As `draw_subsets` returns them.

    Raises
    ------
    BadInput
        When a number of clusters, components, neighbours or folds of a stacking is larger than what
        there is, or a stacking would have copies.
    """
    largest_fold = np.bincount(fold[fold >= 0]).max()
    limits = {"images of a fit": data.n_originals - int(largest_fold)}
    if subsets:
        limits["images of the smallest of train.train_sizes"] = len(subsets[0])
    _check("train.clusters", options.clusters, limits)
    for name, components in options.members():
        if components:
            assert options.shape
            of = "" if isinstance(options.features, str) else f" in {name}"
            n = n_features(name, options.shape)
            _check("train.components", components, limits | {f"features of an image{of}": n})
    if isinstance(committee := pipeline[-1], Committee):
        _, pipeline = committee.members[0]  # all have the same model
    if model == "stacking":
        _check_stacking(pipeline[-1].cv, data, fold, subsets)
    for name, value in pipeline.get_params().items():
        if name.endswith("n_neighbors"):
            _check(f"n_neighbors of models.{model}", value, limits)


def _check_stacking(
    folds: int, data: TrainingSet, fold: NDArray[np.int8], subsets: Sequence[NDArray]
) -> None:
    """Check that its members answer about images that they did not learn from."""
    if len(data.y) > data.n_originals:
        raise BadInput(
            "train.copies is all, but train.model is stacking: allowed is none, as its members are "
            "asked about images that they did not learn from, copies included."
        )
    fold_of_original = fold[data.source[: data.n_originals]]
    largest = np.bincount(fold_of_original).argmax()
    smallest = subsets[0] if subsets else np.flatnonzero(fold_of_original != largest)
    _, counts = np.unique(data.y[smallest], return_counts=True)
    limits = {"images of the rarest class in the smallest fit": int(counts.min())}
    _check("models.stacking.folds", folds, limits)


def _check(key: str, value: int, limits: Mapping[str, int]) -> None:
    limited_by, limit = min(limits.items(), key=lambda item: item[1])
    if value > limit:
        raise BadInput(f"{key} is {value}, allowed is at most {limit}, the {limited_by}.")
