"""A small model, its validation and pictures to read, for the tests of reading."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.metrics.predictions import Predictions, decide, decision_scores
from digits.models.persistence import save_model
from tests.drawn import encoded, enlarged
from tests.small import IMAGES, LABELS, learned

LEARN, HELD_OUT = slice(0, 1300), slice(1300, 1797)
X, y = IMAGES[HELD_OUT].reshape(-1, 8, 8), LABELS[HELD_OUT]
SVM = learned("svm", IMAGES[LEARN], LABELS[LEARN])


def predictions_of(model: object, truth: NDArray) -> Predictions:
    """What a model predicts of the images held out."""
    scores = decision_scores(model, IMAGES[HELD_OUT], "held out")
    return Predictions(
        np.arange(len(scores)), truth, decide(scores, hasattr(model, "predict_proba")), scores
    )


def save_svm(folder: Path) -> Path:
    """Write the SVM and its validation into a new folder, as `dvc repro` leaves them."""
    folder.mkdir()
    save_model(SVM, folder / "model.skops")
    predictions_of(SVM, y).save(folder / "validation")
    return folder


def write_picture(path: Path, number: int) -> Path:
    """Write one of the images held out as a picture file: dark ink on white paper."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encoded(255 * (1 - np.pad(enlarged(X[number], 64), 8))))
    return path
