"""models/, and for the first and only time the test images -> data/predictions, metrics/test.json, plots/.

data/predictions: what the model said of each test image, from which `python -m digits compare` tells whether two models differ.
"""

from pathlib import Path

import numpy as np

from digits.common.arrays import open_array, sha256
from digits.common.files import read_csv, write_csv, write_json
from digits.data.dataset import open_raw
from digits.data.folds import TEST, make_target
from digits.metrics import predictions
from digits.metrics.classification import metrics
from digits.metrics.curves import (
    Scored,
    at_threshold,
    operating_point,
    precision_recall_table,
    roc_table,
    threshold_table,
)
from digits.metrics.label_errors import without_disputed
from digits.metrics.predictions import Predictions
from digits.metrics.robustness import Point, robustness
from digits.models.persistence import load_model
from digits.params.schema import Params
from digits.plots import error_analysis
from digits.plots.charts import save_png
from stages.runner.stage import Stage


def evaluate(params: Params, stage: Stage) -> None:
    raw = open_raw(Path("data/raw"))
    fold = open_array(Path("data/split/fold.npy"), np.int8, raw.labels.shape)
    test = np.flatnonzero(fold == TEST)
    images, y = raw.images[test], make_target(raw.labels[test], params.target)

    model = load_model(Path("models/model.skops"))
    probability = predictions.has_probability(model)
    scores = predictions.decision_scores(model, images.reshape(len(images), -1), "test images")
    said = Predictions(test, y, predictions.decide(scores, probability), scores)
    said.save(stage.out_folder("data/predictions"))
    scored = held_out() | {"test": (y, scores)}

    values = metrics(said, params.evaluate.confidence)
    threshold = None
    if params.target != "digit" and "validation" in scored:
        # The operating point is chosen on validation, and only then looked at on the test set.
        chosen_on, confidence = scored["validation"], params.evaluate.confidence
        threshold = operating_point(*chosen_on, params.evaluate.precision_target)
        if threshold is not None:
            values |= {"threshold": round(threshold, 10)}
            values |= at_threshold(y, scores, threshold, "", confidence)
            values |= at_threshold(*chosen_on, threshold, "validation_", confidence)
    if params.fetch.dataset == "mnist_784":
        values |= without_disputed(said, params.evaluate.confidence)
    write_json(
        stage.out("metrics/test.json"), values | {"test_set": sha256(images, raw.labels[test])}
    )

    names = (
        [str(digit) for digit in range(10)]
        if params.target == "digit"
        else [f"not {params.target}", f"{params.target}"]
    )
    rows_of_names = np.array(names)[np.column_stack([y, said.predicted]).astype(int)]
    write_csv(stage.out("plots/confusion.csv"), ["actual", "predicted"], rows_of_names.tolist())
    write_csv(stage.out("plots/precision_recall.csv"), *precision_recall_table(scored))
    write_csv(stage.out("plots/thresholds.csv"), *threshold_table(scored))
    write_csv(stage.out("plots/roc.csv"), *roc_table(scored))
    disturbed = robustness(
        model, images, said, params.evaluate.robustness, params.evaluate.confidence
    )
    for kind, points in disturbed.items():
        write_csv(stage.out(f"plots/robustness_{kind}.csv"), Point._fields, points)

    pictures = stage.out_folder("plots/pictures")
    evaluation = error_analysis.Evaluation(
        images, said, scored, names, probability, threshold, disturbed,
        read_csv(Path("models/learning_curve.csv")), params.evaluate.confidence,
    )  # fmt: skip
    for name, figure in error_analysis.figures(evaluation).items():
        save_png(figure, pictures / f"{name}.png")


def held_out() -> Scored:
    """What was said in validation, if there was any."""
    folder = Path("models/validation")
    if not folder.exists():
        return {}
    said = Predictions.load(lambda name: (folder / name).open("rb"))
    return {"validation": (said.labels, said.scores)}
