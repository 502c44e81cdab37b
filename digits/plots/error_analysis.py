"""All pictures of one model's errors, by name."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.metrics.calibration import fit_temperature, probabilities
from digits.metrics.curves import Scored, roc, thresholds
from digits.metrics.intervals import proportion
from digits.metrics.predictions import Predictions
from digits.metrics.robustness import Point
from digits.plots import charts as figures
from digits.plots import galleries
from digits.training.learning_curve import TrainSize


def pictures(
    images: NDArray[np.uint8],
    said: Predictions,
    scored: Scored,
    names: Sequence[str],
    probability: bool,
    threshold: float | None,
    disturbed: Mapping[str, Sequence[Point]],
    sizes: Sequence[TrainSize],
    confidence: float,
) -> dict[str, Figure]:
    """Those that apply: to the target, to a model with or without probabilities, to an experiment with or without validation.

    Parameters: `images` (n, h, w) and what was said of them; `scored` as in curves.py; `names` of the classes; whether the scores
    are probabilities; `threshold` chosen on validation; points of robustness by kind; `sizes` of the learning curve;
    `confidence` of the intervals on test images.
    """
    y, predicted = said.labels.astype(int), said.predicted.astype(int)
    sure, is_probability = confidences(said, scored, probability)
    drawn = {
        "confusion": figures.confusion_counts(y, predicted, names),
        "errors": figures.error_shares(y, predicted, names),
        "confident_mistakes": galleries.confident_mistakes(
            images, said.rows, y, predicted, sure, names, is_probability
        ),
        "confused_pair": galleries.confused_pair(images, y, predicted, names),
        "by_digit": by_class(y, predicted, names, confidence),
    }
    if is_probability:
        drawn["reliability"] = figures.reliability(sure, said.right)
    if said.scores.ndim == 1:
        # A small set of one's own may hold no such digit, or nothing else.
        if cuts := thresholds(scored):
            drawn["thresholds"] = figures.thresholds(cuts, threshold)
        if rates := roc(scored):
            drawn["roc"] = figures.roc(rates)
    if any(disturbed.values()):
        drawn["robustness"] = figures.robustness(
            [(kind, *each) for kind, points in disturbed.items() for each in points]
        )
    if sizes:
        drawn["train_sizes"] = figures.learning_curve(sizes)
    return drawn


def by_class(y: NDArray, predicted: NDArray, names: Sequence[str], confidence: float) -> Figure:
    """The error rate of each class that is there, with Wilson's interval."""
    there = [c for c in range(len(names)) if (y == c).any()]
    n = [int((y == c).sum()) for c in there]
    errors = [int(((y == c) & (predicted != c)).sum()) for c in there]
    low, high = zip(
        *(proportion(e, m, confidence) for e, m in zip(errors, n, strict=True)), strict=True
    )
    rates = np.array(errors) / n
    return figures.rates_by_digit(
        [names[c] for c in there], rates, np.array(low), np.array(high), np.array(n)
    )


def confidences(
    said: Predictions, scored: Scored, probability: bool
) -> tuple[NDArray[np.float64], bool]:
    """How sure the model was of each answer (n,), and whether that is a probability.

    It is the model's own probability, else its score brought to one by what was said in validation, else the score itself.
    """
    sure = said.scores
    if not probability and "validation" in scored:
        y, scores = scored["validation"]
        sure, probability = probabilities(said.scores, fit_temperature(scores, y)), True
    if sure.ndim == 1:
        return np.where(said.predicted, sure, 1 - sure if probability else -sure), probability
    return np.take_along_axis(sure, said.predicted[:, None].astype(int), axis=1)[:, 0], probability
