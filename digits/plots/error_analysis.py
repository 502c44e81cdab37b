"""All figures of one model's evaluation, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.metrics.calibration import fit_calibration, probabilities
from digits.metrics.curves import Scored, roc, thresholds
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions
from digits.metrics.robustness import Point
from digits.plots import charts, galleries


@dataclass(frozen=True)
class Evaluation:
    """What the figures are drawn from.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
        The test images.
    predictions : Predictions
        The model's, of these images.
    scored : dict
        Labels and scores of "test" and, if there was one, of "validation".
    class_names : sequence of str
        As shown, in the order of the classes.
    has_probability : bool
        Whether the scores are probabilities.
    threshold : float or None
        Chosen on validation.
    robustness : dict
        The points of "shift" and of "rotation".
    learning_curve : sequence of dict
        Rows of the learning curve: train_size, n, accuracy, low and high.
    confidence : float
        Of the intervals on test images, between 0 and 1.
    """

    images: NDArray[np.uint8]
    predictions: Predictions
    scored: Scored
    class_names: Sequence[str]
    has_probability: bool
    threshold: float | None
    robustness: Mapping[str, Sequence[Point]]
    learning_curve: Sequence[Mapping[str, float]]
    confidence: float


def figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Draw the figures that apply to the target, the model and what was measured, by name."""
    predictions, names = evaluation.predictions, evaluation.class_names
    y, predicted = predictions.labels.astype(int), predictions.predicted.astype(int)
    certainty, is_probability = certainties(evaluation)
    drawn = {
        "confusion": charts.confusion_counts(y, predicted, names),
        "errors": charts.error_shares(y, predicted, names),
        "confident_mistakes": galleries.confident_mistakes(
            evaluation.images, predictions.rows, y, predicted, certainty, names, is_probability
        ),
        "confused_pair": galleries.confused_pair(evaluation.images, y, predicted, names),
        "by_digit": error_rates(y, predicted, names, evaluation.confidence),
    }
    if is_probability:
        drawn["reliability"] = charts.reliability(certainty, predictions.correct)
    if predictions.is_yes_no:
        # A small data set may hold no image of the digit, or nothing else.
        if threshold_curves := thresholds(evaluation.scored):
            drawn["thresholds"] = charts.thresholds(threshold_curves, evaluation.threshold)
        if roc_curves := roc(evaluation.scored):
            drawn["roc"] = charts.roc(roc_curves)
    if any(evaluation.robustness.values()):
        drawn["robustness"] = charts.robustness(evaluation.robustness)
    if evaluation.learning_curve:
        drawn["learning_curve"] = charts.learning_curve(evaluation.learning_curve)
    return drawn


def error_rates(y: NDArray, predicted: NDArray, names: Sequence[str], confidence: float) -> Figure:
    """Draw the error rate of each class that has images, with Wilson's interval.

    Parameters
    ----------
    y, predicted : ndarray of shape (n,), int
        Classes, as columns of ``names``.
    names : sequence of str
        The classes, as shown.
    confidence : float
        Of the intervals, between 0 and 1.
    """
    classes = np.unique(y)
    support = [int((y == label).sum()) for label in classes]
    errors = [int(((y == label) & (predicted != label)).sum()) for label in classes]
    intervals = [wilson_interval(k, n, confidence) for k, n in zip(errors, support, strict=True)]
    low, high = np.array(intervals).T
    rates = np.array(errors) / support
    return charts.rates_by_digit([names[c] for c in classes], rates, low, high, np.array(support))


def certainties(evaluation: Evaluation) -> tuple[NDArray[np.float64], bool]:
    """How certain the model is of each prediction.

    Its own probability; else its score, calibrated to a probability on the validation images; else
    the score itself.

    Returns
    -------
    certainty : ndarray of shape (n,), float64
        Of the predicted class; larger is more certain.
    is_probability : bool
        Whether ``certainty`` is a probability.
    """
    predictions, is_probability = evaluation.predictions, evaluation.has_probability
    scores = predictions.scores
    if not is_probability and "validation" in evaluation.scored:
        y, validation_scores = evaluation.scored["validation"]
        scores = probabilities(scores, fit_calibration(validation_scores, y))
        is_probability = True
    if predictions.is_yes_no:
        of_no = 1 - scores if is_probability else -scores
        return np.where(predictions.predicted, scores, of_no), is_probability
    columns = predictions.predicted[:, None].astype(int)
    return np.take_along_axis(scores, columns, axis=1)[:, 0], is_probability
