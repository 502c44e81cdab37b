"""Metrics, with their intervals, flat so that `dvc metrics diff` reads well."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_curve, precision_recall_fscore_support, roc_auc_score

from digits.protocol import decide

RECALL_LEVELS = np.linspace(0, 1, 51)


def metrics(y: NDArray, scores: NDArray[np.float64], probability: bool, confidence: float = 0.95) -> dict[str, float | int]:
    """All metrics of one set of scored images.

    Parameters: `y` (n,) the truth, digits or bool; `scores` (n, 10) or (n,) as `protocol.decision_scores` returns them, and whether
    they are probabilities; `confidence` of the interval.
    Returns: n, errors, accuracy with its interval; for digits macro_* and per digit precision_*, recall_*, f1_*; for a yes/no
    target precision, recall, f1 at the model's own threshold, roc_auc and average_precision. A ratio 0/0 is 0.
    """
    predicted = decide(scores, probability)
    n, errors = len(y), int(np.count_nonzero(predicted != y))
    low, high = accuracy_interval(n - errors, n, confidence)
    values: dict[str, float | int] = {
        "n": n, "errors": errors, "accuracy": (n - errors) / n, "accuracy_low": low, "accuracy_high": high,
    }  # fmt: skip
    if scores.ndim == 1:
        precision, recall, f1, _ = precision_recall_fscore_support(y, predicted, average="binary", zero_division=0)
        values |= {"precision": precision, "recall": recall, "f1": f1}
        if 0 < np.count_nonzero(y) < n:  # a small set of one's own may hold no such digit, and then there is nothing to rank
            values |= {"roc_auc": roc_auc_score(y, scores), "average_precision": average_precision_score(y, scores)}
    else:
        labels = np.arange(scores.shape[1])
        by_digit = precision_recall_fscore_support(y, predicted, labels=labels, average=None, zero_division=0)
        named = dict(zip(("precision", "recall", "f1"), by_digit, strict=False))
        values |= {f"macro_{name}": each.mean() for name, each in named.items()}
        values |= {f"{name}_{digit}": each[digit] for name, each in named.items() for digit in labels}
    return rounded(values)


def accuracy_interval(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a proportion (Wilson 1927, JASA 22:209), by SciPy."""
    interval = binomtest(hits, n).proportion_ci(confidence, method="wilson")
    return interval.low, interval.high


def operating_point(y: NDArray[np.bool_], scores: NDArray[np.float64], precision_target: float) -> float | None:
    """The lowest threshold at which `scores >= threshold` has the wanted precision; None when no threshold has."""
    precision, _, thresholds = precision_recall_curve(y, scores)
    reached = precision[:-1] >= precision_target
    return float(thresholds[reached.argmax()]) if reached.any() else None


def at_threshold(y: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float, prefix: str = "") -> dict[str, float]:
    """Precision and recall of `scores >= threshold`, named `<prefix>precision_at_threshold` and so on."""
    precision, recall, _, _ = precision_recall_fscore_support(y, scores >= threshold, average="binary", zero_division=0)
    return rounded({f"{prefix}precision_at_threshold": precision, f"{prefix}recall_at_threshold": recall})


def fold_accuracies(y: NDArray, scores: NDArray[np.float64], probability: bool, fold: NDArray[np.int8]) -> dict[str, float]:
    """The accuracy of each scored fold, as `fold_<number>`."""
    hit = decide(scores, probability) == y
    return rounded({f"fold_{number}": hit[fold == number].mean() for number in np.unique(fold)})


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


def rounded(values: dict) -> dict:
    """Plain Python numbers, floats to 10 decimals: what lies beyond differs from machine to machine."""
    return {name: round(float(v), 10) if isinstance(v, float | np.floating) else int(v) for name, v in values.items()}
