"""data/augmented, data/split -> models/, metrics/validation.json; the run is live in MLflow meanwhile.

models/model.skops: the pipeline fitted on all training images; validation/: what models fitted without them said of the held-out
originals (digits/predictions.py); learning_curve.csv, a row for each epoch of the first fit, if it learned by epochs;
train_sizes.csv, a row for each of train.train_sizes; example.npy, one image as the model gets it. Test images are not read here.
"""

import logging
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from digits.common.arrays import open_array, open_array_file
from digits.common.errors import BadInput
from digits.common.files import write_csv, write_json
from digits.common.resources import peak_memory
from digits.data.folds import TEST, make_target
from digits.features.catalogue import n_features
from digits.metrics.classification import fold_accuracies, metrics
from digits.models.families import PipelineOptions, make_pipeline, n_epochs
from digits.models.persistence import save_model
from digits.params.schema import Params
from digits.tracking.lookup import store_folder
from digits.training.fit import TrainingSet, fit
from digits.training.learning_curve import LearningCurvePoint, draw_subsets, learning_curve
from digits.training.options import Epoch, FitOptions
from digits.training.validation import validate
from stages.runner.stage import Stage

log = logging.getLogger(__name__)
CURVE = ["epoch", "training_loss", "validation_loss", "training_accuracy", "validation_accuracy"]


def train(params: Params, stage: Stage) -> None:
    from digits.tracking.live import live_run

    started = time.monotonic()
    augmented = Path("data/augmented")
    images = open_array_file(augmented / "images.npy", np.uint8, (None, None, None))
    labels = open_array(augmented / "labels.npy", np.uint8, (len(images),))
    source = open_array(augmented / "source.npy", np.int32, (len(images),))
    fold = open_array(Path("data/split/fold.npy"), np.int8, (None,))

    how = params.train
    _, height, width = images.shape
    n_originals = int(np.count_nonzero(fold != TEST))
    n = n_originals if how.copies == "none" else len(images)
    data = TrainingSet(
        X=images.reshape(n, height * width),
        y=make_target(labels[:n], params.target),
        source=np.asarray(source[:n]),
        n_originals=n_originals,
    )
    most = {"images of a fit": len(np.unique(data.source)) - np.bincount(fold[fold != TEST]).max()}
    subsets = draw_subsets(data, fold, how.train_sizes, how.seed)
    if subsets:
        most["images of the smallest of train.train_sizes"] = len(subsets[0])
    check_at_most("train.clusters", how.clusters, most)
    check_at_most(
        "train.components",
        how.components,
        most | {"features of an image": n_features(how.features, (height, width))},
    )
    pipeline = make_pipeline(
        how.model,
        params.model_settings,
        how.seed,
        PipelineOptions(
            features=how.features,
            shape=(height, width),
            scale=how.scale,
            components=how.components,
            clusters=how.clusters,
            engine=how.engine,
        ),
    )
    epochs = n_epochs(how.model, params.model_settings)
    for name, value in pipeline.get_params().items():
        if name.endswith("n_neighbors"):
            check_at_most(f"n_neighbors of models.{how.model}", value, most)

    models = stage.out_folder("models")
    with (
        stage.checkpoints() if epochs else nullcontext() as unfinished,
        live_run(store_folder(stage.repository), params.effective()) as tracked,
    ):
        curve: list[Epoch] = []

        def on_epoch(epoch: Epoch) -> None:
            curve.append(epoch)
            tracked.log_epoch(epoch)

        options = FitOptions(
            copies="support_vectors" if how.copies == "support_vectors" else "all",
            epochs=epochs,
            seed=how.seed,
            checkpoints=unfinished,
            on_epoch=on_epoch,
        )
        values: dict[str, float | int] = {"n": 0}
        if how.validate_ != "none":
            said = validate(pipeline, data, fold, how.validate_, options)
            said.save(models / "validation")
            values = metrics(said) | fold_accuracies(said, fold[said.rows])
            log.info(
                "validation: %d errors in %d, accuracy %.4f",
                values["errors"],
                values["n"],
                values["accuracy"],
            )
        write_json(stage.out("metrics/validation.json"), values)
        tracked.log_metrics(values, "validation")

        sizes: list[LearningCurvePoint] = []
        if subsets:  # then there was a validation
            for size in learning_curve(pipeline, data, fold, subsets, said, options):
                log.info("%s", size)
                tracked.log_metrics(size._asdict(), "learning_curve", step=size.train_size)
                sizes.append(size)
        write_csv(models / "learning_curve.csv", LearningCurvePoint._fields, sizes)

        np.save(models / "example.npy", data.read(np.arange(1)))
        save_model(fit(pipeline, data, options=options), models / "model.skops")
        first = [epoch for epoch in curve if epoch.fit == curve[0].fit]
        write_csv(
            models / "history.csv",
            CURVE,
            ([getattr(epoch, name) for name in CURVE] for epoch in first),
        )
        cost = {"train_seconds": time.monotonic() - started, "peak_memory_mib": peak_memory()}
        tracked.finish(models / "model.skops", cost)


def check_at_most(key: str, value: int, most: dict[str, int]) -> None:
    """Raises BadInput when a number asks for more than there is."""
    what, limit = min(most.items(), key=lambda item: item[1])
    if value > limit:
        raise BadInput(f"{key} is {value}, allowed is at most {limit}, the {what}.")
