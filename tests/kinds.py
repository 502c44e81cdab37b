"""Every family on several representations, fitted on scikit-learn's small digits."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.metrics.predictions import decision_scores
from digits.models.families import FAMILIES
from tests.small import IMAGES, LABELS, file_of, learned

SCATTERING: dict[str, Any] = {"features": "deskewed_scattering", "scale": "sqrt", "components": 10}
GRADIENTS: dict[str, Any] = {"features": "normalized_gradients", "scale": "sqrt", "components": 10}
CLUSTERS: dict[str, Any] = {"scale": "sqrt", "clusters": 20}
COMMITTEE: dict[str, Any] = {"features": ["pixels", "deskewed_scattering"]}
ON_SCATTERING = ("svm", "mlp", "forest", "stacking")

# Each family on two representations, and by the other way in which it can learn.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    **{model: (model, {}) for model in FAMILIES},
    **{f"{model}-scattering": (model, SCATTERING) for model in ON_SCATTERING},
    "svm-gradients": ("svm", GRADIENTS),
    "softmax-scattering": ("softmax", SCATTERING | {"learning_rate": 1.0}),
    **{
        f"{model}-clusters": (model, CLUSTERS)
        for model in FAMILIES
        if model not in (*ON_SCATTERING, "softmax")
    },
    "sgd-epochs": ("sgd", {"epochs": 3, "loss": "log_loss"}),
    "softmax-lbfgs": ("softmax", {"solver": "lbfgs"}),
    **{f"{model}-committee": (model, COMMITTEE) for model in ("svm", "forest", "softmax")},
}
TEST_IMAGES, TEST_LABELS = IMAGES[300:700], LABELS[300:700]


def fresh(kind: str, target: str = "digit", seed: int = 42) -> Pipeline:
    """A model fitted on 300 images."""
    model, settings = KINDS[kind]
    labels = LABELS[:300] if target == "digit" else LABELS[:300] == 5
    return learned(model, IMAGES[:300], labels, seed, **settings)


fitted = functools.cache(fresh)  # several tests share the model: none may change it


def scores_of(model: Pipeline) -> NDArray[np.float64]:
    return decision_scores(model, TEST_IMAGES, "test")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the file of each kind, fitted now."""
    return {kind: hashlib.sha256(file_of(fresh(kind), folder)).hexdigest() for kind in KINDS}
