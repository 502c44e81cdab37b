"""Metrics, each with its interval, flat so that `dvc metrics diff` reads well."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from digits.intervals import percentiles, proportion, resampled_counts, resampled_ranking
from digits.predictions import Predictions

Count = int | np.signedinteger
RECALL_LEVELS = np.linspace(0, 1, 51)


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
        values |= share("precision", right[1], called[1], confidence) | share("recall", right[1], there[1], confidence)
        values |= _resampled("f1", by_class(table)["f1"][0, 1], by_class(again, np.nan)["f1"][:, 1], confidence)
        if 0 < np.count_nonzero(y) < n:  # a small set of one's own may hold no such digit, and then there is nothing to rank
            ranked = resampled_ranking(y, scores)
            values |= _resampled("roc_auc", roc_auc_score(y, scores), ranked[:, 0], confidence)
            values |= _resampled("average_precision", average_precision_score(y, scores), ranked[:, 1], confidence)
        return rounded(values)
    here, resampled = by_class(table), by_class(again, np.nan)
    for name, each in here.items():
        # Where few images of a digit leave it out of a resample, that says nothing of it.
        known = np.where(np.isnan(resampled[name]), each, resampled[name])
        values |= _resampled(f"macro_{name}", each.mean(), known.mean(axis=1), confidence)
    for digit in range(classes):
        values |= share(f"precision_{digit}", right[digit], called[digit], confidence)
    for digit in range(classes):
        values |= share(f"recall_{digit}", right[digit], there[digit], confidence)
    for digit in range(classes):
        values |= _resampled(f"f1_{digit}", here["f1"][0, digit], resampled["f1"][:, digit], confidence)
    return rounded(values)


def by_class(tables: NDArray, undefined: float = 0.0) -> dict[str, NDArray[np.float64]]:
    """Precision, recall and F1 (m, classes) of m confusion matrices (m, classes, classes), truth by prediction, and what 0/0 is."""
    right, called, there = _margins(tables)
    parts = {"precision": (right, called), "recall": (right, there), "f1": (2 * right, called + there)}
    return {name: np.divide(hits, of, out=np.full(hits.shape, undefined), where=of > 0) for name, (hits, of) in parts.items()}


def _margins(tables: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """By class: how many images were right, were said to be it, and were it."""
    return np.diagonal(tables, axis1=1, axis2=2), tables.sum(axis=1), tables.sum(axis=2)


def share(name: str, hits: Count, n: Count, confidence: float) -> dict[str, float]:
    """A proportion with Wilson's interval."""
    low, high = proportion(int(hits), int(n), confidence)
    return {name: hits / n if n else 0.0, f"{name}_low": low, f"{name}_high": high}


def _resampled(name: str, value: float, replicates: NDArray[np.float64], confidence: float) -> dict[str, float]:
    low, high = (0.0, 1.0) if np.isnan(replicates).all() else percentiles(replicates, confidence)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def operating_point(y: NDArray[np.bool_], scores: NDArray[np.float64], precision_target: float) -> float | None:
    """The lowest threshold at which `scores >= threshold` has the wanted precision; None when no threshold has."""
    precision, _, thresholds = precision_recall_curve(y, scores)
    reached = precision[:-1] >= precision_target
    return float(thresholds[reached.argmax()]) if reached.any() else None


def at_threshold(
    y: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float, prefix: str = "", confidence: float = 0.95
) -> dict[str, float]:
    """Precision and recall of `scores >= threshold` with their intervals, named `<prefix>precision_at_threshold` and so on."""
    yes = scores >= threshold
    hits = np.count_nonzero(yes & y)
    precision = share(f"{prefix}precision_at_threshold", hits, np.count_nonzero(yes), confidence)
    return rounded(precision | share(f"{prefix}recall_at_threshold", hits, np.count_nonzero(y), confidence))


def fold_accuracies(said: Predictions, fold: NDArray[np.int8]) -> dict[str, float]:
    """The accuracy of each fold that was held out, as `fold_<number>`, with its 95 % interval; `fold` (n,) of each image."""
    values: dict[str, float] = {}
    for number in np.unique(fold):
        values |= share(f"fold_{number}", np.count_nonzero(said.right[fold == number]), np.count_nonzero(fold == number), 0.95)
    return rounded(values)


def precision_by_recall(y: NDArray, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best precision at each of RECALL_LEVELS or beyond (51,); for ten digits the mean over them, each against the rest."""
    if scores.ndim == 1:
        y, scores = y[:, None], scores[:, None]
    else:
        y = y[:, None] == np.arange(scores.shape[1])
    curves = []
    for truth, score in zip(y.T, scores.T, strict=True):
        if not truth.any():
            continue  # a digit that is not there has no recall
        precision, recall, _ = precision_recall_curve(truth, score)
        best = np.maximum.accumulate(precision)  # recall falls along the curve, so all before has at least this recall
        reached = np.searchsorted(recall[::-1], RECALL_LEVELS - 1e-12)  # 41 of 50 is a recall of 0.82, whatever its last bit
        curves.append(best[len(recall) - 1 - reached])
    return np.mean(curves, axis=0) if curves else np.zeros_like(RECALL_LEVELS)


def rounded(values: Mapping[str, float]) -> dict:
    """Plain Python numbers, floats to 10 decimals: what lies beyond differs from machine to machine."""
    return {name: round(float(v), 10) if isinstance(v, float | np.floating) else int(v) for name, v in values.items()}
