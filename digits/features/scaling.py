"""Scalers of intensities, which learn nothing."""

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import FunctionTransformer, normalize


def to_unit_interval(X: NDArray) -> NDArray[np.float32]:
    """Return intensities 0..255 as float32 0..1."""
    return np.divide(X, 255, dtype=np.float32)


def to_float32(X: NDArray) -> NDArray[np.float32]:
    """Return X as float32."""
    return X.astype(np.float32, copy=False)


def sqrt_intensity(X: NDArray) -> NDArray[np.float32]:
    """Return the square root of |X| / 255 as float32: faint strokes count for more."""
    X = np.abs(X, dtype=np.float32)
    X /= 255
    return np.sqrt(X, out=X)


def to_length_1(X: NDArray) -> NDArray[np.float32]:
    """Return X (n, n_features) as float32, each row divided by its Euclidean length."""
    return normalize(X.astype(np.float32), copy=False)


def make_unit_scaler() -> FunctionTransformer:
    """Return a transformer that applies `to_unit_interval`."""
    return FunctionTransformer(to_unit_interval)


def make_float32() -> FunctionTransformer:
    """Return a transformer that applies `to_float32`."""
    return FunctionTransformer(to_float32)


def make_sqrt_scaler() -> FunctionTransformer:
    """Return a transformer that applies `sqrt_intensity`."""
    return FunctionTransformer(sqrt_intensity)


def make_length_scaler() -> FunctionTransformer:
    """Return a transformer that applies `to_length_1`."""
    return FunctionTransformer(to_length_1)
