"""data/augmented, data/split -> models/, the metrics on validation; the run is live in MLflow.

models/: model.skops, fitted on all training images; validation/, predictions by models fitted
without the fold; history.csv, epochs of the first fit; learning_curve.csv; example.npy; versions.
"""

import time
from pathlib import Path

import numpy as np

from digits.common.arrays import open_array
from digits.common.files import write_csv
from digits.common.resources import peak_memory
from digits.metrics.classification import fold_accuracies, metrics
from digits.metrics.tables import write_metrics
from digits.models.families import PipelineOptions, make_pipeline, n_epochs
from digits.models.persistence import save_model, save_versions
from digits.params.schema import Params
from digits.tracking.live import live_run
from digits.tracking.lookup import store_folder
from digits.training.cluster import open_cluster
from digits.training.dataset import open_training_set
from digits.training.fit import fit
from digits.training.history import EpochHistory
from digits.training.learning_curve import LearningCurvePoint, draw_subsets, learning_curve
from digits.training.limits import check_limits
from digits.training.options import FitOptions
from digits.training.validation import validate
from stages.runner.stage import Stage


def train(params: Params, stage: Stage) -> None:
    """Validate the pipeline, draw its learning curve, and fit it on all training images."""
    started, settings = time.monotonic(), params.train
    fold = open_array(Path("data/split/fold.npy"), np.int8, (None,))
    data, shape = open_training_set(Path("data/augmented"), fold, params.target, settings.copies)
    pipeline_options = PipelineOptions.from_params(settings, shape)
    pipeline = make_pipeline(settings.model, params.model_settings, settings.seed, pipeline_options)
    subsets = draw_subsets(data, fold, settings.train_sizes, settings.seed)
    check_limits(pipeline, pipeline_options, settings.model, data, fold, subsets)
    epochs, models = n_epochs(settings.model, params.model_settings), stage.out_folder("models")
    with (
        stage.checkpoints(enabled=bool(epochs)) as saved,
        open_cluster(stage.repository) as cluster,
        live_run(store_folder(stage.repository), params.effective()) as run,
    ):
        history = EpochHistory(run.log_epoch)
        options = FitOptions(settings.copies, epochs, settings.seed, saved, history.append, cluster)
        points: list[LearningCurvePoint] = []
        values: dict[str, float | int] = {"n": 0}
        if settings.validate_ != "none":
            predictions = validate(pipeline, data, fold, settings.validate_, options)
            predictions.save(models / "validation")
            values = metrics(predictions) | fold_accuracies(predictions, fold[predictions.rows])
            run.log_metrics(values, "validation")
            for point in learning_curve(pipeline, data, fold, subsets, predictions, options):
                run.log_metrics(point._asdict(), "learning_curve", step=point.train_size)
                points.append(point)
        write_metrics("validation", values, stage.out)
        write_csv(models / "learning_curve.csv", LearningCurvePoint._fields, points)
        np.save(models / "example.npy", data.read(np.arange(1)))
        save_model(fit(pipeline, data, options=options), models / "model.skops")
        save_versions(models / "versions.json", settings.engine)
        write_csv(models / "history.csv", *history.table())
        cost = {"train_seconds": time.monotonic() - started, "peak_memory_mib": peak_memory()}
        run.finish(models / "model.skops", cost)
