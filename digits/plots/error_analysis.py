"""All figures of one model's evaluation, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.metrics.calibration import fit_calibration, probabilities
from digits.metrics.curves import Scored, roc_curves, threshold_curves
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions
from digits.metrics.robustness import Point
from digits.plots import curves
from digits.plots.confusion_matrix import confusion_counts, confusion_percentages, error_rates
from digits.plots.galleries import confident_mistakes, confused_pair


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
    images, predictions = evaluation.images, evaluation.predictions
    names, scored = evaluation.class_names, evaluation.scored
    y, predicted = predictions.labels, predictions.predicted
    certainty, is_probability = certainties(evaluation)
    drawn = {
        "confusion": confusion_counts(y, predicted, names),
        "errors": confusion_percentages(y, predicted, names),
        "confident_mistakes": confident_mistakes(
            images, predictions, certainty, names, is_probability
        ),
        "confused_pair": confused_pair(images, predictions, names),
        "by_digit": error_rates_of(predictions, names, evaluation.confidence),
    }
    if is_probability:
        drawn["reliability"] = curves.calibration_curve(
            certainty, predictions.correct, evaluation.confidence
        )
    if predictions.is_yes_no:
        # A small data set may hold no image of the digit, or nothing else.
        if by_threshold := threshold_curves(scored):
            drawn["thresholds"] = curves.threshold_curves(by_threshold, evaluation.threshold)
        if rates := roc_curves(scored):
            drawn["roc"] = curves.roc_curves(rates)
    if any(evaluation.robustness.values()):
        drawn["robustness"] = curves.robustness_curves(evaluation.robustness)
    if evaluation.learning_curve:
        drawn["learning_curve"] = curves.learning_curve(evaluation.learning_curve)
    return drawn


def error_rates_of(predictions: Predictions, names: Sequence[str], confidence: float) -> Figure:
    """Draw the error rate of each class that has images, with Wilson's interval.

    Parameters
    ----------
    predictions : Predictions
        The model's.
    names : sequence of str
        The classes, as shown.
    confidence : float
        Of the intervals, between 0 and 1.
    """
    y, wrong = predictions.labels.astype(int), ~predictions.correct
    classes = np.unique(y)
    support = np.array([np.count_nonzero(y == label) for label in classes])
    errors = np.array([np.count_nonzero(wrong[y == label]) for label in classes])
    intervals = [wilson_interval(k, n, confidence) for k, n in zip(errors, support, strict=True)]
    low, high = np.array(intervals).T
    return error_rates([names[label] for label in classes], errors / support, low, high, support)


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
