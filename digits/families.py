"""From a model's name to a scikit-learn pipeline."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from digits.neighbors import PixelNeighborsClassifier

# n_jobs stays None everywhere: how many threads work is the caller's business (joblib.parallel_config) and must not be in the
# saved model.
FAMILIES: dict[str, Any] = {
    "sgd": lambda seed, **settings: SGDClassifier(random_state=seed, **settings),
    "forest": lambda seed, **settings: RandomForestClassifier(random_state=seed, **settings),
    "knn": lambda seed, **settings: PixelNeighborsClassifier(algorithm="brute", **settings),
}


def unit(X: NDArray) -> NDArray[np.float32]:
    """Pixels 0..255 as float32 0..1."""
    return np.divide(X, 255, dtype=np.float32)


SCALES: dict[str, Any] = {
    "none": lambda: "passthrough",
    "unit": lambda: FunctionTransformer(unit),
    "standard": lambda: StandardScaler(),
}


def make_pipeline(model: str, settings: Mapping[str, Any], scale: str, components: int, seed: int) -> Pipeline:
    """An unfitted pipeline: scale -> PCA -> model, the steps that are off passing everything through.

    Parameters: `model` a key of FAMILIES and `settings` its keyword arguments; `scale` a key of SCALES; `components` of the PCA,
    0 for none; `seed` the random_state of whatever draws.
    """
    reduce: BaseEstimator | str = PCA(components, random_state=seed) if components else "passthrough"
    return Pipeline([("scale", SCALES[scale]()), ("pca", reduce), ("model", FAMILIES[model](seed, **settings))])
