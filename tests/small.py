"""Small, fast settings for every family, and scikit-learn's small digits to learn from."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.data.loaders import digits_8x8
from digits.models.families import FAMILIES, PipelineOptions, make_pipeline, n_epochs
from digits.models.persistence import save_model
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitOptions

IMAGES = digits_8x8().images.reshape(-1, 64)
LABELS = digits_8x8().labels

_FOREST = {"n_estimators": 10, "max_depth": None, "min_samples_leaf": 1}
_SOFTMAX = {"solver": "sgd", "batch_size": 10, "learning_rate": 0.1, "alpha": 0.0001, "epochs": 5}
_MLP = {
    "hidden_layers": [30],
    "batch_size": 10,
    "learning_rate": 0.005,
    "alpha": 0.0001,
    "epochs": 5,
}
_KNN = {"n_neighbors": 4, "weights": "distance"}
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"loss": "hinge", "alpha": 0.0001, "max_iter": 1000, "tol": 0.1, "epochs": None},
    "softmax": _SOFTMAX,
    "knn": _KNN,
    "svm": {"kernel": "rbf", "C": 10.0, "gamma": "scale", "degree": 3, "coef0": 0.0},
    "forest": _FOREST,
    "extra_trees": _FOREST,
    "boosting": {
        "learning_rate": 0.4,
        "max_iter": 4,
        "max_leaf_nodes": 6,
        "l2_regularization": 0.0,
    },
    "voting": {"members": {"knn": _KNN, "forest": _FOREST, "softmax": _SOFTMAX}},
    "stacking": {"members": {"knn": _KNN, "softmax": _SOFTMAX}, "folds": 3, "final": _FOREST},
    "few_labels": {"labels": 50, "share": 0.5, "C": 1.0},
    "mlp": _MLP,
}
assert list(SETTINGS) == list(FAMILIES), "every family is tested: give it small settings here"
BY_EPOCHS = [model for model, family in FAMILIES.items() if family.by_epochs]


def new(
    model: str,
    seed: int = 42,
    scale: str = "unit",
    components: int | list[int] = 0,
    clusters: int = 0,
    **settings: Any,
) -> Pipeline:
    """An unfitted pipeline with the small settings, some of which may be others."""
    features = settings.pop("features", "pixels")
    options = PipelineOptions(
        features=features, scale=scale, components=components, clusters=clusters
    )
    return make_pipeline(model, SETTINGS[model] | settings, seed, options)


def images(X: NDArray, y: NDArray) -> TrainingSet:
    """Originals without copies."""
    return TrainingSet(X, y, np.arange(len(X), dtype=np.int32), len(X))


def options_of(model: str, seed: int = 42, **settings: Any) -> FitOptions:
    """How the model learns with the small settings, some of which may be others."""
    return FitOptions(epochs=n_epochs(model, SETTINGS[model] | settings), seed=seed)


def learned(model: str, X: NDArray, y: NDArray, seed: int = 42, **settings: Any) -> Pipeline:
    """The small model, fitted as the pipeline fits it."""
    ours = {name: value for name, value in settings.items() if name in SETTINGS[model]}
    options = options_of(model, seed, **ours)
    return fit(new(model, seed, **settings), images(X, y), options=options)


def file_of(model: Pipeline, folder: Path) -> bytes:
    """The bytes of the model's file, which is written in a folder."""
    save_model(model, folder / "model.skops")
    return (folder / "model.skops").read_bytes()
