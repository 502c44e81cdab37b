"""models/, and for the first and only time the test images -> metrics/test.json, plots/."""

from pathlib import Path

import numpy as np

from digits import protocol
from digits.datasets import open_raw
from digits.figures import errors_heat_map, save_png
from digits.files import open_array, sha256, write_csv, write_json
from digits.folds import TEST, learn_target
from digits.params import Params
from digits.persistence import load_model
from digits.scores import RECALL_LEVELS, at_threshold, metrics, operating_point, precision_by_recall
from stages.harness import Outs, run


def evaluate(params: Params, outs: Outs) -> None:
    raw = open_raw(Path("data/raw"))
    fold = open_array(Path("data/split/fold.npy"), np.int8, raw.labels.shape)
    test = np.flatnonzero(fold == TEST)
    images, digits = raw.images[test], raw.labels[test]
    y = learn_target(digits, params.target)

    models = Path("models")
    model = load_model(models / "model.skops")
    scores = protocol.decision_scores(model, images.reshape(len(images), -1), "test images")
    probability = protocol.has_probability(model)
    predicted = protocol.decide(scores, probability)

    values = metrics(y, scores, probability, params.evaluate.confidence)
    held_out = models / "validation_scores.npy"
    if params.target != "digit" and held_out.exists():
        # The operating point is chosen on validation, and only then looked at on the test set.
        rows = open_array(models / "validation_rows.npy", np.int64, (None,))
        chosen_on = learn_target(raw.labels[rows], params.target), np.load(held_out)
        threshold = operating_point(*chosen_on, params.evaluate.precision_target)
        if threshold is not None:
            values |= {"threshold": round(threshold, 10)} | at_threshold(y, scores, threshold)
            values |= at_threshold(*chosen_on, threshold, prefix="validation_")
    write_json(outs("metrics/test.json"), values | {"test_set": sha256(images, digits)})

    names = [str(digit) for digit in range(10)] if params.target == "digit" else [f"not {params.target}", f"{params.target}"]
    rows_of_names = np.array(names)[np.column_stack([y, predicted]).astype(int)]
    write_csv(outs("plots/confusion.csv"), ["actual", "predicted"], rows_of_names.tolist())
    curve = np.column_stack([RECALL_LEVELS, precision_by_recall(y, scores)]).round(6)
    write_csv(outs("plots/precision_recall.csv"), ["recall", "precision"], curve.tolist())
    save_png(errors_heat_map(y, predicted, names), outs("plots/errors.png"))


if __name__ == "__main__":
    run("evaluate", evaluate)
