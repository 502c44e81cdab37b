"""models/ and, for the first and only time, the test images -> the metrics on them, plots/.

data/predictions: the model's predictions of the test images, by which `python -m digits compare`
tells whether two models differ.
"""

from pathlib import Path

import numpy as np

from digits.common.arrays import open_array, sha256
from digits.common.files import read_csv, write_csv
from digits.data.dataset import open_raw
from digits.data.folds import TEST, make_target, name_classes
from digits.metrics.classification import metrics
from digits.metrics.curves import at_chosen_threshold, curve_tables
from digits.metrics.label_errors import without_disputed
from digits.metrics.predictions import Predictions, has_probability, predict
from digits.metrics.robustness import Point, robustness
from digits.metrics.tables import write_metrics
from digits.models.persistence import load_model
from digits.params.schema import Params
from digits.plots.error_analysis import Evaluation, figures
from digits.plots.style import save_png
from stages.runner.stage import Stage


def evaluate(params: Params, stage: Stage) -> None:
    """Predict the test images, measure the predictions, and draw where they are wrong."""
    settings, confidence = params.evaluate, params.evaluate.confidence
    raw = open_raw(Path("data/raw"))
    fold = open_array(Path("data/split/fold.npy"), np.int8, raw.labels.shape)
    rows = np.flatnonzero(fold == TEST)
    images, y = raw.images[rows], make_target(raw.labels[rows], params.target)

    model = load_model(Path("models/model.skops"))
    predictions = predict(model, images.reshape(len(images), -1), rows, y, "test images")
    predictions.save(stage.out_folder("data/predictions"))
    scored = {"test": (y, predictions.scores)}
    if (folder := Path("models/validation")).exists():
        validation = Predictions.load_folder(folder)
        scored = {"validation": (validation.labels, validation.scores)} | scored

    values = metrics(predictions, confidence)
    # The threshold is chosen on validation, and only then looked at on the test set.
    threshold, at_threshold = at_chosen_threshold(scored, settings.precision_target, confidence)
    values |= at_threshold
    if params.fetch.dataset == "mnist_784":
        values |= without_disputed(predictions, confidence)
    test_set = {"test_set": sha256(images, raw.labels[rows])}
    write_metrics("test", values | test_set, stage.out)

    names = name_classes(params.target)
    answers = np.array(names)[np.column_stack([y, predictions.predicted]).astype(int)]
    write_csv(stage.out("plots/confusion.csv"), ["actual", "predicted"], answers.tolist())
    for name, (header, table) in curve_tables(scored).items():
        write_csv(stage.out(f"plots/{name}.csv"), header, table)
    disturbed = robustness(model, images, predictions, settings.robustness, confidence)
    for kind, points in disturbed.items():
        write_csv(stage.out(f"plots/robustness_{kind}.csv"), Point._fields, points)

    curve = read_csv(Path("models/learning_curve.csv"))
    evaluation = Evaluation(
        images, predictions, scored, names, has_probability(model), threshold, disturbed, curve,
        confidence,
    )  # fmt: skip
    pictures = stage.out_folder("plots/pictures")
    for name, figure in figures(evaluation).items():
        save_png(figure, pictures / f"{name}.png")
