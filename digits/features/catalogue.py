"""Make the transformers that the tables of representations and scales name."""

from typing import Any

import numpy as np

from digits.params.representations import REPRESENTATIONS, SCALES


def make_steps(features: str, shape: tuple[int, int] | None) -> list[tuple[str, Any]]:
    """Return new transformers of a representation, as steps of a pipeline.

    Parameters
    ----------
    features : str
        A key of REPRESENTATIONS.
    shape : (height, width) or None
        Of the images, in pixels; None for square ones.
    """
    return [step.make(shape=shape) for step in REPRESENTATIONS[features].steps]


def make_scaler(scale: str) -> list[tuple[str, Any]]:
    """Return new transformers of a scale, a key of SCALES, as steps of a pipeline."""
    return [step.make() for step in SCALES[scale].steps]


def n_features(features: str, shape: tuple[int, int]) -> int:
    """Return the number of features of an image.

    Parameters
    ----------
    features : str
        A key of REPRESENTATIONS.
    shape : (height, width)
        Of the image, in pixels.
    """
    X = np.zeros((1, shape[0] * shape[1]), np.uint8)
    for _, transformer in make_steps(features, shape):
        X = transformer.fit_transform(X)
    return X.shape[1]
