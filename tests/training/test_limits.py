"""Settings that ask for more than the training images have are refused."""

from typing import Any

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.data.folds import TEST
from digits.models.families import PipelineOptions, make_pipeline
from digits.training.learning_curve import draw_subsets
from digits.training.limits import check_limits
from tests.small import IMAGES, LABELS, SETTINGS, images

FOLD = np.concatenate([np.arange(100) % 2, np.full(20, TEST)]).astype(np.int8)
DATA = images(IMAGES[:100], LABELS[:100])


def check(
    train_sizes: list[float], model: str = "knn", n_neighbors: int = 4, **options: Any
) -> None:
    pipeline_options = PipelineOptions(shape=(8, 8), **options)
    settings = SETTINGS[model] | ({"n_neighbors": n_neighbors} if model == "knn" else {})
    pipeline = make_pipeline(model, settings, 1, pipeline_options)
    subsets = draw_subsets(DATA, FOLD, train_sizes, seed=0)
    check_limits(pipeline, pipeline_options, model, DATA, FOLD, subsets)


@pytest.mark.parametrize(
    "settings",
    [
        {"clusters": 50, "components": 50, "n_neighbors": 50},
        {"features": "scattering", "components": 50},
        {"model": "svm", "n_neighbors": 1000},
    ],
)
def test_as_many_as_there_are_is_allowed(settings: dict[str, Any]) -> None:
    check([], **settings)


@pytest.mark.parametrize(
    ("train_sizes", "settings", "sentence"),
    [
        ([], {"clusters": 51}, "train.clusters is 51, allowed is at most 50, the images of a fit."),
        (
            [0.6, 1.0],
            {"clusters": 31},
            "train.clusters is 31, allowed is at most 30, the images of the smallest of "
            "train.train_sizes.",
        ),
        (
            [],
            {"components": 51},
            "train.components is 51, allowed is at most 50, the images of a fit.",
        ),
        (
            [],
            {"n_neighbors": 51, "features": ["pixels", "deskewed"]},
            "n_neighbors of models.knn is 51, allowed is at most 50, the images of a fit.",
        ),
        (
            [],
            {"model": "voting", "clusters": 51},
            "train.clusters is 51, allowed is at most 50, the images of a fit.",
        ),
    ],
)
def test_more_than_there_are_is_bad_input(
    train_sizes: list[float], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput) as caught:
        check(train_sizes, **settings)
    assert str(caught.value) == sentence
