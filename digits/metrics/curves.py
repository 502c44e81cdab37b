"""Curves of a yes/no decision against its threshold, from scores of images that the model had not learned from."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from digits.metrics.classification import proportion_metric, rounded

# By "validation" and "test": y (n,) and scores (n,) or (n, 10).
Scored = dict[str, tuple[NDArray, NDArray[np.float64]]]

Table = tuple[list[str], list[list[float | None]]]

PARTS = ("validation", "test")

LEVELS = np.linspace(0, 1, 101)


def thresholds(scored: Scored) -> dict[str, tuple[NDArray, NDArray, NDArray]]:
    """Thresholds (n,) of a yes/no target, and precision and recall (n + 1,) at each and beyond; none where no image is a yes."""
    curves = {}
    for part, (y, scores) in scored.items():
        if not y.any():
            continue
        precision, recall, at = precision_recall_curve(y, scores)
        curves[part] = at, precision, recall
    return curves


def roc(scored: Scored) -> dict[str, tuple[NDArray, NDArray, float]]:
    """False and true positive rates and the area under the curve, of a yes/no target; none where all or no images are a yes."""
    return {
        part: (*roc_curve(y, s)[:2], roc_auc_score(y, s))
        for part, (y, s) in scored.items()
        if 0 < y.sum() < len(y)
    }


def precision_recall_table(scored: Scored) -> Table:
    """For DVC: precision at each recall; for ten digits the mean over them, each against the rest."""
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
    """For DVC: the true positive rate at each false positive rate; no rows for ten digits."""
    columns = {
        part: np.interp(LEVELS, false, true)
        for part, (false, true, _) in (roc(scored) if _yes_no(scored) else {}).items()
    }
    return _table("false_positive_rate", LEVELS, columns)


def threshold_table(scored: Scored) -> Table:
    """For DVC: precision and recall at thresholds that cut off one more per cent of the images; no rows for ten digits."""
    header = [
        "threshold",
        *(f"{part}_{name}" for part in PARTS for name in ("precision", "recall")),
    ]
    if not _yes_no(scored):
        return header, []
    _, scores = scored["validation" if "validation" in scored else "test"]
    levels = np.unique(np.quantile(scores, LEVELS[:-1], method="lower"))
    columns: dict[str, NDArray] = {}
    for part, (at, precision, recall) in thresholds(scored).items():
        where = np.searchsorted(at, levels)
        columns |= {f"{part}_precision": precision[where], f"{part}_recall": recall[where]}
    return header, [
        [round(float(level), 6), *row]
        for level, row in zip(levels, _rows(columns, header[1:], len(levels)), strict=True)
    ]


def _yes_no(scored: Scored) -> bool:
    return scored["test"][1].ndim == 1


def _table(name: str, levels: NDArray, columns: Mapping[str, NDArray]) -> Table:
    rows = _rows(columns, list(PARTS), len(levels)) if columns else []
    return [name, *PARTS], [
        [round(float(level), 6), *row] for level, row in zip(levels, rows, strict=False)
    ]


def _rows(columns: Mapping[str, NDArray], names: list[str], n: int) -> list[list[float | None]]:
    return [
        [round(float(columns[name][i]), 6) if name in columns else None for name in names]
        for i in range(n)
    ]


RECALL_LEVELS = np.linspace(0, 1, 51)


def operating_point(
    y: NDArray[np.bool_], scores: NDArray[np.float64], precision_target: float
) -> float | None:
    """The lowest threshold at which `scores >= threshold` has the wanted precision; None when no threshold has."""
    precision, _, thresholds = precision_recall_curve(y, scores)
    reached = precision[:-1] >= precision_target
    return float(thresholds[reached.argmax()]) if reached.any() else None


def at_threshold(
    y: NDArray[np.bool_],
    scores: NDArray[np.float64],
    threshold: float,
    prefix: str = "",
    confidence: float = 0.95,
) -> dict[str, float]:
    """Precision and recall of `scores >= threshold` with their intervals, named `<prefix>precision_at_threshold` and so on."""
    yes = scores >= threshold
    hits = np.count_nonzero(yes & y)
    precision = proportion_metric(
        f"{prefix}precision_at_threshold", hits, np.count_nonzero(yes), confidence
    )
    return rounded(
        precision
        | proportion_metric(f"{prefix}recall_at_threshold", hits, np.count_nonzero(y), confidence)
    )


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
    if "validation" not in scored or not _yes_no(scored):
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
        best = np.maximum.accumulate(
            precision
        )  # recall falls along the curve, so all before has at least this recall
        reached = np.searchsorted(
            recall[::-1], RECALL_LEVELS - 1e-12
        )  # 41 of 50 is a recall of 0.82, whatever its last bit
        curves.append(best[len(recall) - 1 - reached])
    return np.mean(curves, axis=0) if curves else np.zeros_like(RECALL_LEVELS)
