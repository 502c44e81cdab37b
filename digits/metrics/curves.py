"""Threshold curves: precision, recall and false positives of a decision against its threshold."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from digits.metrics.classification import proportion_metric, rounded

# Labels (n,) and scores (n,) or (n, 10) of "test" and, if there was one, of "validation".
Scored = dict[str, tuple[NDArray, NDArray[np.float64]]]

# A header and rows for DVC; None is an empty cell.
Table = tuple[list[str], list[list[float | None]]]

PARTS = ("validation", "test")

LEVELS = np.linspace(0, 1, 101)

RECALL_LEVELS = np.linspace(0, 1, 51)


def threshold_curves(scored: Scored) -> dict[str, tuple[NDArray, NDArray, NDArray]]:
    """Precision and recall at each threshold, for a yes/no target.

    Returns
    -------
    dict
        For each part of ``scored`` in which an image is a yes, as scikit-learn has them: thresholds
        (m,), ascending, and precision and recall (m + 1,) at and beyond each.
    """
    curves = {}
    for part, (y, scores) in scored.items():
        if not y.any():
            continue
        precision, recall, threshold = precision_recall_curve(y, scores)
        curves[part] = threshold, precision, recall
    return curves


def roc_curves(scored: Scored) -> dict[str, tuple[NDArray, NDArray, float]]:
    """ROC curves, for a yes/no target.

    Returns
    -------
    dict
        For each part of ``scored`` that has both yes and no: false positive rates (m,), true
        positive rates (m,) and the area under the curve.
    """
    return {
        part: (*roc_curve(y, scores)[:2], roc_auc_score(y, scores))
        for part, (y, scores) in scored.items()
        if 0 < y.sum() < len(y)
    }


def precision_recall_table(scored: Scored) -> Table:
    """Precision at each recall; for ten digits the mean over them, each against the rest."""
    columns = {part: precision_by_recall(*scored[part]) for part in PARTS if part in scored}
    return _table("recall", RECALL_LEVELS, columns)


def curve_tables(scored: Scored) -> dict[str, Table]:
    """Return the tables of all curves, by the name of their file."""
    return {
        "precision_recall": precision_recall_table(scored),
        "thresholds": threshold_table(scored),
        "roc": roc_table(scored),
    }


def roc_table(scored: Scored) -> Table:
    """True positive rate at each false positive rate; no rows for ten digits."""
    curves = roc_curves(scored) if _is_yes_no(scored) else {}
    columns = {
        part: np.interp(LEVELS, false_positive_rate, true_positive_rate)
        for part, (false_positive_rate, true_positive_rate, _) in curves.items()
    }
    return _table("false_positive_rate", LEVELS, columns)


def threshold_table(scored: Scored) -> Table:
    """Precision and recall at each hundredth of the scores; no rows for ten digits."""
    header = [
        "threshold",
        *(f"{part}_{name}" for part in PARTS for name in ("precision", "recall")),
    ]
    if not _is_yes_no(scored):
        return header, []
    _, scores = scored["validation" if "validation" in scored else "test"]
    levels = np.unique(np.quantile(scores, LEVELS[:-1], method="lower"))
    columns: dict[str, NDArray] = {}
    for part, (threshold, precision, recall) in threshold_curves(scored).items():
        place = np.searchsorted(threshold, levels)
        columns |= {f"{part}_precision": precision[place], f"{part}_recall": recall[place]}
    return header, _rows(levels, columns, header[1:])


def _is_yes_no(scored: Scored) -> bool:
    return scored["test"][1].ndim == 1


def _table(name: str, levels: NDArray, columns: Mapping[str, NDArray]) -> Table:
    return [name, *PARTS], _rows(levels, columns, PARTS) if columns else []


def _rows(
    levels: NDArray, columns: Mapping[str, NDArray], names: Sequence[str]
) -> list[list[float | None]]:
    """A row for each level; cells of columns that there are not are empty."""
    return [
        [
            round(float(level), 6),
            *(round(float(columns[name][row]), 6) if name in columns else None for name in names),
        ]
        for row, level in enumerate(levels)
    ]


def operating_point(
    y: NDArray[np.bool_], scores: NDArray[np.float64], precision_target: float
) -> float | None:
    """The lowest threshold at which ``scores >= threshold`` has a precision.

    Parameters
    ----------
    y : ndarray of shape (n,), bool
        Whether each image is a yes.
    scores : ndarray of shape (n,), float64
        Larger meaning yes.
    precision_target : float
        The precision, at least.

    Returns
    -------
    float or None
        None when no threshold has that precision.
    """
    precision, _, threshold = precision_recall_curve(y, scores)
    reached = precision[:-1] >= precision_target
    return float(threshold[reached.argmax()]) if reached.any() else None


def at_threshold(
    y: NDArray[np.bool_],
    scores: NDArray[np.float64],
    threshold: float,
    prefix: str = "",
    confidence: float = 0.95,
) -> dict[str, float]:
    """Precision and recall of ``scores >= threshold``, with their intervals.

    Parameters
    ----------
    y : ndarray of shape (n,), bool
        Whether each image is a yes.
    scores : ndarray of shape (n,), float64
        Larger meaning yes.
    threshold : float
        From which on a score is a yes.
    prefix : str, default=""
        Of the names in the result.
    confidence : float, default=0.95
        Of the intervals, between 0 and 1.

    Returns
    -------
    dict
        ``<prefix>precision_at_threshold`` and ``<prefix>recall_at_threshold``, each also with
        ``_low`` and ``_high``.
    """
    predicted = scores >= threshold
    hits = np.count_nonzero(predicted & y)
    n_of = {"precision": np.count_nonzero(predicted), "recall": np.count_nonzero(y)}
    values: dict[str, float] = {}
    for name, n in n_of.items():
        values |= proportion_metric(f"{prefix}{name}_at_threshold", hits, n, confidence)
    return rounded(values)


def at_chosen_threshold(
    scored: Scored, precision_target: float, confidence: float
) -> tuple[float | None, dict[str, float]]:
    """Choose the threshold of a yes/no target on validation, and measure at it.

    Parameters
    ----------
    scored : dict
        Labels and scores of "test" and, if there was one, of "validation".
    precision_target : float
        The precision that the threshold must have on validation.
    confidence : float
        Of the intervals, between 0 and 1.

    Returns
    -------
    float or None
        The threshold; None for ten digits, without a validation, or when none is precise enough.
    dict
        The metrics at it, on the test set and on validation.
    """
    if "validation" not in scored or not _is_yes_no(scored):
        return None, {}
    threshold = operating_point(*scored["validation"], precision_target)
    if threshold is None:
        return None, {}
    values = {"threshold": round(threshold, 10)}
    values |= at_threshold(*scored["test"], threshold, "", confidence)
    return threshold, values | at_threshold(
        *scored["validation"], threshold, "validation_", confidence
    )


def precision_by_recall(y: NDArray, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best precision at each recall of `RECALL_LEVELS` or a higher one.

    Parameters
    ----------
    y : ndarray of shape (n,), bool or int
        What is true: whether it is a yes, or the digit.
    scores : ndarray of shape (n,) or (n, 10), float64
        For a yes/no target larger meaning yes.

    Returns
    -------
    ndarray of shape (51,), float64
        For ten digits the mean over those that have images, each against the rest.
    """
    if scores.ndim == 1:
        y, scores = y[:, None], scores[:, None]
    else:
        y = y[:, None] == np.arange(scores.shape[1])
    curves = []
    for truth, score in zip(y.T, scores.T, strict=True):
        if not truth.any():
            continue  # a digit without images has no recall
        precision, recall, _ = precision_recall_curve(truth, score)
        # Recall falls along the curve: all before a point has at least its recall.
        best = np.maximum.accumulate(precision)
        # 41 of 50 is a recall of 0.82, whatever its last bit.
        reached = np.searchsorted(recall[::-1], RECALL_LEVELS - 1e-12)
        curves.append(best[len(recall) - 1 - reached])
    return np.mean(curves, axis=0) if curves else np.zeros_like(RECALL_LEVELS)
