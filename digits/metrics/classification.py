"""Metrics, each with its interval, flat so that `dvc metrics diff` reads well."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from digits.metrics.intervals import percentiles, proportion, resampled_counts, resampled_ranking
from digits.metrics.predictions import Predictions

Count = int | np.signedinteger

# The metrics of a yes/no target's scores, in the order of `resampled_ranking`'s columns.
RANKING_METRICS = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}


def metrics(said: Predictions, confidence: float = 0.95) -> dict[str, float | int]:
    """All metrics of a model's answers, each with its interval of that confidence as `<name>_low` and `<name>_high`.

    Returns: n, errors, accuracy; for digits macro_* and per digit precision_*, recall_*, f1_*; for a yes/no target precision,
    recall, f1 at the model's own threshold, roc_auc and average_precision. A ratio 0/0 is 0, its interval 0 to 1. Intervals are
    Wilson's for proportions and else the bootstrap's percentiles.
    """
    y, predicted, scores = said.labels, said.predicted, said.scores
    n, errors = len(y), int(np.count_nonzero(~said.right))
    values = {"n": n, "errors": errors} | share("accuracy", n - errors, n, confidence)
    classes = 2 if scores.ndim == 1 else scores.shape[1]
    cells = y.astype(np.intp) * classes + predicted
    table = np.bincount(cells, minlength=classes**2).reshape(1, classes, classes)
    again = resampled_counts(cells, classes**2).reshape(-1, classes, classes)
    right, called, there = (each[0] for each in _margins(table))
    if scores.ndim == 1:
        values |= share("precision", right[1], called[1], confidence) | share(
            "recall", right[1], there[1], confidence
        )
        values |= _resampled(
            "f1", by_class(table)["f1"][0, 1], by_class(again, np.nan)["f1"][:, 1], confidence
        )
        if (
            0 < np.count_nonzero(y) < n
        ):  # a small set of one's own may hold no such digit, and then there is nothing to rank
            resampled = resampled_ranking(y, scores).T
            for (name, metric), replicates in zip(RANKING_METRICS.items(), resampled, strict=True):
                values |= _resampled(name, metric(y, scores), replicates, confidence)
        return rounded(values)
    here, by_resample = by_class(table), by_class(again, np.nan)
    for name, each in here.items():
        # Where few images of a digit leave it out of a resample, that says nothing of it.
        known = np.where(np.isnan(by_resample[name]), each, by_resample[name])
        values |= _resampled(f"macro_{name}", each.mean(), known.mean(axis=1), confidence)
    for digit in range(classes):
        values |= share(f"precision_{digit}", right[digit], called[digit], confidence)
    for digit in range(classes):
        values |= share(f"recall_{digit}", right[digit], there[digit], confidence)
    for digit in range(classes):
        values |= _resampled(
            f"f1_{digit}", here["f1"][0, digit], by_resample["f1"][:, digit], confidence
        )
    return rounded(values)


def by_class(tables: NDArray, undefined: float = 0.0) -> dict[str, NDArray[np.float64]]:
    """Precision, recall and F1 (m, classes) of m confusion matrices (m, classes, classes), truth by prediction, and what 0/0 is."""
    right, called, there = _margins(tables)
    parts = {
        "precision": (right, called),
        "recall": (right, there),
        "f1": (2 * right, called + there),
    }
    return {
        name: np.divide(hits, of, out=np.full(hits.shape, undefined), where=of > 0)
        for name, (hits, of) in parts.items()
    }


def _margins(tables: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """By class: how many images were right, were said to be it, and were it."""
    return np.diagonal(tables, axis1=1, axis2=2), tables.sum(axis=1), tables.sum(axis=2)


def share(name: str, hits: Count, n: Count, confidence: float) -> dict[str, float]:
    """A proportion with Wilson's interval."""
    low, high = proportion(int(hits), int(n), confidence)
    return {name: hits / n if n else 0.0, f"{name}_low": low, f"{name}_high": high}


def _resampled(
    name: str, value: float, replicates: NDArray[np.float64], confidence: float
) -> dict[str, float]:
    low, high = (0.0, 1.0) if np.isnan(replicates).all() else percentiles(replicates, confidence)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def fold_accuracies(said: Predictions, fold: NDArray[np.int8]) -> dict[str, float]:
    """The accuracy of each fold that was held out, as `fold_<number>`, with its 95 % interval; `fold` (n,) of each image."""
    values: dict[str, float] = {}
    for number in np.unique(fold):
        values |= share(
            f"fold_{number}",
            np.count_nonzero(said.right[fold == number]),
            np.count_nonzero(fold == number),
            0.95,
        )
    return rounded(values)


def rounded(values: Mapping[str, float]) -> dict:
    """Plain Python numbers, floats to 10 decimals: what lies beyond differs from machine to machine."""
    return {
        name: round(float(v), 10) if isinstance(v, float | np.floating) else int(v)
        for name, v in values.items()
    }
