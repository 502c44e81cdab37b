"""Curves of a yes/no decision against its threshold, from scores of images that the model had not learned from."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from digits.scores import RECALL_LEVELS, precision_by_recall

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
    return {part: (*roc_curve(y, s)[:2], roc_auc_score(y, s)) for part, (y, s) in scored.items() if 0 < y.sum() < len(y)}


def precision_recall_table(scored: Scored) -> Table:
    """For DVC: precision at each recall; for ten digits the mean over them, each against the rest."""
    columns = {part: precision_by_recall(*scored[part]) for part in PARTS if part in scored}
    return _table("recall", RECALL_LEVELS, columns)


def roc_table(scored: Scored) -> Table:
    """For DVC: the true positive rate at each false positive rate; no rows for ten digits."""
    columns = {part: np.interp(LEVELS, false, true) for part, (false, true, _) in (roc(scored) if _yes_no(scored) else {}).items()}
    return _table("false_positive_rate", LEVELS, columns)


def threshold_table(scored: Scored) -> Table:
    """For DVC: precision and recall at thresholds that cut off one more per cent of the images; no rows for ten digits."""
    header = ["threshold", *(f"{part}_{name}" for part in PARTS for name in ("precision", "recall"))]
    if not _yes_no(scored):
        return header, []
    _, scores = scored["validation" if "validation" in scored else "test"]
    levels = np.unique(np.quantile(scores, LEVELS[:-1], method="lower"))
    columns: dict[str, NDArray] = {}
    for part, (at, precision, recall) in thresholds(scored).items():
        where = np.searchsorted(at, levels)
        columns |= {f"{part}_precision": precision[where], f"{part}_recall": recall[where]}
    return header, [
        [round(float(level), 6), *row] for level, row in zip(levels, _rows(columns, header[1:], len(levels)), strict=True)
    ]


def _yes_no(scored: Scored) -> bool:
    return scored["test"][1].ndim == 1


def _table(name: str, levels: NDArray, columns: Mapping[str, NDArray]) -> Table:
    rows = _rows(columns, list(PARTS), len(levels)) if columns else []
    return [name, *PARTS], [[round(float(level), 6), *row] for level, row in zip(levels, rows, strict=False)]


def _rows(columns: Mapping[str, NDArray], names: list[str], n: int) -> list[list[float | None]]:
    return [[round(float(columns[name][i]), 6) if name in columns else None for name in names] for i in range(n)]
