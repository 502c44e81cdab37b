"""From names to a scikit-learn pipeline: any model on any representation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from digits.features.deskew import Deskew
from digits.features.scattering import Scattering


def to_unit_interval(X: NDArray) -> NDArray[np.float32]:
    """Pixels 0..255 as float32 0..1."""
    return np.divide(X, 255, dtype=np.float32)


def sqrt_intensity(X: NDArray) -> NDArray[np.float32]:
    """The square root of what `unit` would give, without its sign: faint strokes count for more."""
    X = np.abs(X, dtype=np.float32)
    X /= 255
    return np.sqrt(X, out=X)


# In the order in which they are applied.
REPRESENTATIONS: dict[str, Any] = {
    "pixels": lambda shape: [],
    "deskewed": lambda shape: [("deskew", Deskew(shape))],
    "normalized": lambda shape: [("normalize", Deskew(shape, resize=True))],
    "scattering": lambda shape: [("scattering", Scattering(shape))],
}

for _name in ("deskewed", "normalized"):
    REPRESENTATIONS[f"{_name}_scattering"] = lambda shape, first=REPRESENTATIONS[_name]: [
        *first(shape),
        *REPRESENTATIONS["scattering"](shape),
    ]

SCALES: dict[str, Any] = {
    "none": lambda: [],
    "unit": lambda: [("scale", FunctionTransformer(to_unit_interval))],
    "standard": lambda: [("scale", StandardScaler())],
    "sqrt": lambda: [("scale", FunctionTransformer(sqrt_intensity))],
}


def n_features(features: str | Sequence[str], shape: tuple[int, int]) -> int:
    """How many features there are of an image (height, width); for a committee, what the member with the fewest has."""
    if not isinstance(features, str):
        return min(n_features(name, shape) for name in features)
    blank = np.zeros((1, shape[0] * shape[1]), np.uint8)
    return (
        blank.shape[1]
        if features == "pixels"
        else Pipeline(REPRESENTATIONS[features](shape)).fit_transform(blank).shape[1]
    )
