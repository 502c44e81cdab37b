"""Representations and scales, as the table names them."""

import re
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import Normalizer, StandardScaler

from digits.features.catalogue import n_features
from digits.models.families import PipelineOptions, make_pipeline
from digits.params.representations import REPRESENTATIONS, SCALES
from tests.imports import ROOT
from tests.small import IMAGES, LABELS, SETTINGS, new


@pytest.mark.parametrize("scale", SCALES)
def test_scales_are_what_they_say(scale: str) -> None:
    scaled = IMAGES[:300]
    if scale != "none":
        scaled = new("knn", scale=scale)[:-1].fit_transform(scaled)
    if scale == "standard":
        varying = IMAGES[:300].std(axis=0) > 0
        assert not varying.all()
        expected = StandardScaler().fit_transform(IMAGES[:300].astype(np.float32))[:, varying]
        np.testing.assert_array_equal(scaled, expected)
        exact = scaled.astype(np.float64)
        np.testing.assert_allclose(exact.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(exact.std(axis=0), 1, atol=1e-6)
    else:
        formulas: dict[str, Any] = {
            "none": lambda X: X,
            "unit": lambda X: X / 255,
            "sqrt": lambda X: np.sqrt(X / 255),
            "length": Normalizer().transform,
        }
        np.testing.assert_allclose(scaled, formulas[scale](IMAGES[:300]), rtol=1e-6)
    assert scaled.dtype == (np.uint8 if scale == "none" else np.float32)


@pytest.mark.parametrize("model", ["sgd", "svm", "knn"])
def test_ink_where_no_training_image_has_any_does_not_count(model: str) -> None:
    """StandardScaler leaves such a pixel as it is: 255 beside some 1 of each other."""
    X, y = IMAGES[:600], LABELS[:600]
    fitted = new(model, scale="standard").fit(X, y)
    framed = np.where(X.std(axis=0) == 0, 255, X)
    assert (framed != X).any()
    np.testing.assert_array_equal(fitted.predict(framed), fitted.predict(X))


@pytest.mark.parametrize("features", REPRESENTATIONS)
def test_number_of_features_is_known_beforehand(features: str) -> None:
    wide = np.tile(IMAGES[:5], 2)
    for shape, X in (((8, 8), IMAGES[:5]), ((8, 16), wide), ((16, 8), wide)):
        options = PipelineOptions(features=features, shape=shape, scale="unit")
        steps = make_pipeline("knn", SETTINGS["knn"], 1, options)[:-1]
        assert steps.fit_transform(X).shape[1] == n_features(features, shape)


def test_params_yaml_names_every_representation_and_scale() -> None:
    lines = (ROOT / "params.yaml").read_text(encoding="utf-8").splitlines()
    scale = next(line for line in lines if line.startswith("  scale:"))
    features = next(i for i, line in enumerate(lines) if line.startswith("  features:"))
    assert re.findall(r"(?:# |\| )(\w+)", scale) == list(SCALES)
    comment = " ".join(line.strip(" #") for line in lines[features - 2 : features])
    assert comment.split(", ")[0].split(" | ") == list(REPRESENTATIONS)
