"""Settings that ask for more than the training images have are refused."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.data.folds import TEST
from digits.models.families import PipelineOptions, make_pipeline
from digits.training.fit import TrainingSet
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
        {"features": ["deskewed_scattering", "pixels"], "components": [50, 0]},
        {"model": "svm", "n_neighbors": 1000},
    ],
)
def test_as_many_as_there_are_is_allowed(settings: dict[str, Any]) -> None:
    check([], **settings)


def test_a_stacking_asks_about_images_that_its_members_did_not_learn_from() -> None:
    twice = np.tile(np.arange(50, dtype=np.int32), 2)
    data = TrainingSet(IMAGES[twice], LABELS[twice], twice, 50)
    options = PipelineOptions(shape=(8, 8))
    pipeline = make_pipeline("stacking", SETTINGS["stacking"], 1, options)
    with pytest.raises(BadInput, match=r"^train\.copies is all, but .* stacking: allowed is none"):
        check_limits(pipeline, options, "stacking", data, FOLD[:50], [])


def test_each_fold_of_a_stacking_has_an_image_of_every_class() -> None:
    rarest = min(np.bincount(LABELS[:100][FOLD[:100] == part]).min() for part in (0, 1))
    options = PipelineOptions(shape=(8, 8))
    for folds in (rarest, rarest + 1):
        settings = SETTINGS["stacking"] | {"folds": int(folds)}
        pipeline = make_pipeline("stacking", settings, 1, options)
        with nullcontext() if folds == rarest else pytest.raises(BadInput) as caught:
            check_limits(pipeline, options, "stacking", DATA, FOLD, [])
    assert caught and str(caught.value) == (
        f"models.stacking.folds is {rarest + 1}, allowed is at most {rarest}, the images of the "
        "rarest class in the smallest fit."
    )


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
            {"components": [0, 51], "features": ["pixels", "deskewed"]},
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


@pytest.mark.parametrize("components", [[100, 65], 65])
def test_no_member_has_more_components_than_features(components: int | list[int]) -> None:
    options = PipelineOptions(["scattering", "pixels"], (8, 8), components=components)
    pipeline = make_pipeline("knn", SETTINGS["knn"], 1, options)
    data, fold = images(IMAGES[:300], LABELS[:300]), np.repeat([0, 1], 150).astype(np.int8)
    with pytest.raises(BadInput, match=r"components is 65, .* 64, the features of an image in pix"):
        check_limits(pipeline, options, "knn", data, fold, [])
