"""How far chance alone could have moved a number: intervals, and tests of the difference of two models on the same images."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 1_000

SEED = 42  # of the resampling: the same predictions have the same interval

_AT_A_TIME = 50  # resamples of all images: 4 MB for 10,000


def proportion(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of hits / n (Wilson 1927, JASA 22:209), by SciPy; (0, 1) when n is 0, as nothing is known then."""
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(int(hits), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def percentiles(replicates: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """The bootstrap's percentile interval (2, ...) of replicates (resamples, ...); a resample without a value is left out."""
    return np.nanquantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)


def resampled_counts(cells: NDArray[np.integer], n_cells: int) -> NDArray[np.int64]:
    """What counts of images by cell (n,), 0..n_cells-1, become when the images are drawn anew: (RESAMPLES, n_cells).

    Drawing n images with replacement draws their cells from a multinomial, which is the bootstrap of whatever depends on the counts
    alone, in one call. Cells may be those of a confusion matrix, or of two models' together.
    """
    counts = np.bincount(cells, minlength=n_cells)
    return np.random.default_rng(SEED).multinomial(len(cells), counts / len(cells), size=RESAMPLES)


def resampled_ranking(y: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """ROC AUC and average precision when the images are drawn anew: (RESAMPLES, 2).

    The AUC is nan where all or none were a yes, average precision where none was.

    Called for two models' scores of the same images, resample by resample the images are the same: differences are paired.

    Parameters: `y` (n,), `scores` (n,), larger meaning yes. Both are computed from weighted counts at every distinct score at once.
    """
    rng = np.random.default_rng(SEED)
    n = len(y)
    parts = []
    for start in range(0, RESAMPLES, _AT_A_TIME):
        size = min(_AT_A_TIME, RESAMPLES - start)
        drawn = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        parts.append(
            weighted_ranking(
                y, scores, np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
            )
        )
    return np.concatenate(parts)


def weighted_ranking(
    y: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray
) -> NDArray[np.float64]:
    """ROC AUC and average precision (m, 2) under m sets of weights (m, n) of the images, as scikit-learn's `sample_weight`."""
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(
        np.diff(scores[order], prepend=np.inf)
    )  # where a lower score begins: equal ones are one step
    found = np.add.reduceat(weights[:, order] * y[order], steps, axis=1)
    false = np.add.reduceat(weights[:, order] * ~y[order], steps, axis=1)
    true_positives, false_positives = found.cumsum(axis=1), false.cumsum(axis=1)
    positives, negatives = true_positives[:, -1], false_positives[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (false * (true_positives - found / 2)).sum(axis=1) / (positives * negatives)
        precision = np.where(found > 0, true_positives / (true_positives + false_positives), 0)
        average = (found * precision).sum(axis=1) / positives
    return np.column_stack([area, average])
