"""The metrics of a model's predictions, each with its confidence interval.

`METRICS` is the table of them; `metrics` computes them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from digits.metrics.intervals import (
    percentile_interval,
    resampled_counts,
    resampled_ranking,
    wilson_interval,
)
from digits.metrics.predictions import Predictions

Count = int | np.signedinteger
Target = Literal["digit", "yes/no", "any"]
Interval = Literal["Wilson", "bootstrap"]


@dataclass(frozen=True)
class Metric:
    """A metric: its name, what it is, for which targets, and how its interval is made."""

    name: str
    description: str
    target: Target
    interval: Interval


@dataclass(frozen=True)
class ClassMetric(Metric):
    """A metric of one class: a ratio that follows from the confusion matrix.

    Of a yes/no target it is that of yes, by its name. Of ten digits it is there for each, as
    ``<name>_<digit>``, and as the mean over them, ``macro_<name>``, whose interval is always the
    bootstrap's.

    `ratio` returns the numerators and denominators of the classes, given their true positives, how
    many images are predicted to be of each, and their support.
    """

    ratio: Callable[[NDArray, NDArray, NDArray], tuple[NDArray, NDArray]]


@dataclass(frozen=True)
class RankingMetric(Metric):
    """A metric of how a yes/no target's scores rank the images.

    `function` is the name of scikit-learn's function of labels and scores.
    """

    function: Literal["roc_auc_score", "average_precision_score"]

    def score(self, labels: NDArray, scores: NDArray) -> float:
        """Return the metric, given whether each image (n,) is a yes, and its score."""
        import sklearn.metrics  # .3 seconds, that `compare` of digits need not wait for

        return float(getattr(sklearn.metrics, self.function)(labels, scores))


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "of all images, those predicted correctly", "any", "Wilson"),
    ClassMetric(
        "precision", "of the images predicted to be of a class, those that are", "any", "Wilson",
        lambda true_positives, predicted, support: (true_positives, predicted),
    ),
    ClassMetric(
        "recall", "of the images of a class, those predicted to be", "any", "Wilson",
        lambda true_positives, predicted, support: (true_positives, support),
    ),
    ClassMetric(
        "f1", "harmonic mean of precision and recall", "any", "bootstrap",
        lambda true_positives, predicted, support: (2 * true_positives, predicted + support),
    ),
    RankingMetric("roc_auc", "area under the ROC curve", "yes/no", "bootstrap", "roc_auc_score"),
    RankingMetric(
        "average_precision", "mean of the precision over the recall", "yes/no", "bootstrap",
        "average_precision_score",
    ),
)  # fmt: skip

CLASS_METRICS = tuple(metric for metric in METRICS if isinstance(metric, ClassMetric))

# In the order of the columns of `resampled_ranking`.
RANKING_METRICS = tuple(metric for metric in METRICS if isinstance(metric, RankingMetric))


def metrics(predictions: Predictions, confidence: float = 0.95) -> dict[str, float | int]:
    """All metrics of a model's predictions, each with its interval.

    Parameters
    ----------
    predictions : Predictions
        The model's.
    confidence : float, default=0.95
        Of the intervals, between 0 and 1.

    Returns
    -------
    dict
        ``n``, how many images there are, ``errors``, and those of `METRICS` for the target, flat so
        that ``dvc metrics diff`` reads well: ``<name>``, ``<name>_low`` and ``<name>_high``. A
        ratio 0/0 is 0, its interval 0 to 1. There are no metrics of the ranking when all images or
        none are a yes.
    """
    n, errors = len(predictions.labels), int(np.count_nonzero(~predictions.correct))
    values: dict[str, float | int] = {"n": n, "errors": errors}
    values |= proportion_metric("accuracy", n - errors, n, confidence)
    if predictions.is_yes_no:
        values |= _yes_no_metrics(predictions, confidence)
    else:
        values |= _digit_metrics(predictions, confidence)
    return rounded(values)


def _yes_no_metrics(predictions: Predictions, confidence: float) -> dict[str, float]:
    measured = _MetricsByClass(predictions, 2, confidence)
    values: dict[str, float] = {}
    for of_class in CLASS_METRICS:
        values |= measured.one(of_class, 1, of_class.name)
    y, scores = predictions.labels, predictions.scores
    if 0 < np.count_nonzero(y) < len(y):  # else there is nothing to rank
        resampled = resampled_ranking(y, scores)
        for ranking, replicates in zip(RANKING_METRICS, resampled.T, strict=True):
            values |= _bootstrapped(ranking.name, ranking.score(y, scores), replicates, confidence)
    return values


def _digit_metrics(predictions: Predictions, confidence: float) -> dict[str, float]:
    classes = predictions.scores.shape[1]
    measured = _MetricsByClass(predictions, classes, confidence)
    values: dict[str, float] = {}
    for metric in CLASS_METRICS:
        values |= measured.macro(metric, f"macro_{metric.name}")
    for metric in CLASS_METRICS:
        for digit in range(classes):
            values |= measured.one(metric, digit, f"{metric.name}_{digit}")
    return values


class _MetricsByClass:
    """The metrics of classes, as measured and in each resample of the images."""

    def __init__(self, predictions: Predictions, classes: int, confidence: float) -> None:
        cells = predictions.labels.astype(np.intp) * classes + predictions.predicted
        confusion = np.bincount(cells, minlength=classes**2).reshape(1, classes, classes)
        resampled = resampled_counts(cells, classes**2).reshape(-1, classes, classes)
        self.counts = [counts[0] for counts in _counts_by_class(confusion)]
        self.values = by_class(confusion)
        self.replicates = by_class(resampled, undefined=np.nan)
        self.confidence = confidence

    def one(self, metric: ClassMetric, label: int, name: str) -> dict[str, float]:
        """A metric of one class, by this name."""
        if metric.interval == "Wilson":
            numerators, denominators = metric.ratio(*self.counts)
            hits, n = numerators[label], denominators[label]
            return proportion_metric(name, hits, n, self.confidence)
        value, replicates = self.values[metric.name][0, label], self.replicates[metric.name]
        return _bootstrapped(name, value, replicates[:, label], self.confidence)

    def macro(self, metric: ClassMetric, name: str) -> dict[str, float]:
        """The mean of a metric over the classes, by this name."""
        values, replicates = self.values[metric.name], self.replicates[metric.name]
        # A resample may lack a digit of which there are few images; that says nothing of it.
        known = np.where(np.isnan(replicates), values, replicates)
        return _bootstrapped(name, values.mean(), known.mean(axis=1), self.confidence)


def by_class(confusion: NDArray, undefined: float = 0.0) -> dict[str, NDArray[np.float64]]:
    """The metrics of each class, from several confusion matrices.

    Parameters
    ----------
    confusion : ndarray of shape (m, classes, classes), int
        Confusion matrices; rows are what is true, columns what is predicted.
    undefined : float, default=0.0
        What a ratio 0/0 is.

    Returns
    -------
    dict of str to ndarray of shape (m, classes), float64
        By the names of `CLASS_METRICS`.
    """
    values = {}
    for metric in CLASS_METRICS:
        numerators, denominators = metric.ratio(*_counts_by_class(confusion))
        default = np.full(numerators.shape, undefined)
        defined = denominators > 0
        values[metric.name] = np.divide(numerators, denominators, out=default, where=defined)
    return values


def _counts_by_class(confusion: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """True positives, number predicted and support of each class (m, classes)."""
    true_positives = np.diagonal(confusion, axis1=1, axis2=2)
    predicted, support = confusion.sum(axis=1), confusion.sum(axis=2)
    return true_positives, predicted, support


def proportion_metric(name: str, hits: Count, n: Count, confidence: float) -> dict[str, float]:
    """The proportion hits / n by this name, with Wilson's interval as <name>_low and <name>_high.

    Of no images it is 0, its interval 0 to 1.
    """
    low, high = wilson_interval(int(hits), int(n), confidence)
    return {name: hits / n if n else 0.0, f"{name}_low": low, f"{name}_high": high}


def _bootstrapped(
    name: str, value: float, replicates: NDArray[np.float64], confidence: float
) -> dict[str, float]:
    """A value by this name, with the interval of its replicates (resamples,)."""
    if np.isnan(replicates).all():
        low, high = 0.0, 1.0
    else:
        low, high = percentile_interval(replicates, confidence)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def fold_accuracies(predictions: Predictions, fold: NDArray[np.int8]) -> dict[str, float]:
    """The accuracy of each fold that was held out, as ``fold_<number>``, with its 95 % interval.

    Parameters
    ----------
    predictions : Predictions
        Of the held-out images.
    fold : ndarray of shape (n,), int8
        The fold of each image.
    """
    values: dict[str, float] = {}
    for number in np.unique(fold):
        correct = predictions.correct[fold == number]
        values |= proportion_metric(
            f"fold_{number}", np.count_nonzero(correct), len(correct), confidence=0.95
        )
    return rounded(values)


def rounded(values: Mapping[str, float]) -> dict:
    """Plain Python numbers, floats to 10 decimals: others may differ from machine to machine."""
    return {
        name: round(float(value), 10) if isinstance(value, float | np.floating) else int(value)
        for name, value in values.items()
    }
