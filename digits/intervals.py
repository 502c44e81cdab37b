"""How far chance alone could have moved a number: intervals, and tests of the difference of two models on the same images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

RESAMPLES = 1_000
SEED = 42  # of the resampling: the same predictions have the same interval
_AT_A_TIME = 50  # resamples of all images: 4 MB for 10,000


def proportion(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of hits / n (Wilson 1927, JASA 22:209), by SciPy; (0, 1) when n is 0, as nothing is known then."""
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(int(hits), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def paired_difference(only_a: int, only_b: int, n: int, confidence: float) -> tuple[float, float]:
    """Tango's score interval of the difference of two proportions on the same n images: B's less A's.

    Tango (1998), "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    Statistics in Medicine 17:891. It inverts the score test whose value at no difference is McNemar's statistic.

    Parameters: `only_a`, `only_b` how many images A, or B, alone got right.
    """
    z = float(norm.isf((1 - confidence) / 2))
    # Where the score is 0/0 at an end of the search its root is known.
    if only_a == only_b == 0:
        return -(z**2) / (n + z**2), z**2 / (n + z**2)
    if n in (only_a, only_b):
        inner = (n - z**2) / (n + z**2)
        return (-1.0, -inner) if only_a else (inner, 1.0)

    def beyond(difference: float) -> float:
        """Below 0 inside the interval."""
        # The share that A alone got right, most likely given the difference.
        linear = (2 * n + only_a - only_b) * difference - only_a - only_b
        constant = -only_a * difference * (1 - difference)
        share = (np.sqrt(linear**2 - 8 * n * constant) - linear) / (4 * n)
        variance = 2 * share + difference * (1 - difference)
        return (only_b - only_a - n * difference) ** 2 - z**2 * n * variance

    seen = (only_b - only_a) / n
    return brentq(beyond, -1, seen, xtol=1e-14), brentq(beyond, seen, 1, xtol=1e-14)


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact p-value (1947, Psychometrika 12:153): of images that one model alone got right falling so unevenly."""
    discordant = int(only_a + only_b)
    return float(binomtest(int(only_b), discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values of several tests, corrected so that one false alarm among all is as rare as one test's (Holm 1979)."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1)
    return corrected


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
        parts.append(weighted_ranking(y, scores, np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)))
    return np.concatenate(parts)


def weighted_ranking(y: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray) -> NDArray[np.float64]:
    """ROC AUC and average precision (m, 2) under m sets of weights (m, n) of the images, as scikit-learn's `sample_weight`."""
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(np.diff(scores[order], prepend=np.inf))  # where a lower score begins: equal ones are one step
    found = np.add.reduceat(weights[:, order] * y[order], steps, axis=1)
    false = np.add.reduceat(weights[:, order] * ~y[order], steps, axis=1)
    true_positives, false_positives = found.cumsum(axis=1), false.cumsum(axis=1)
    positives, negatives = true_positives[:, -1], false_positives[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (false * (true_positives - found / 2)).sum(axis=1) / (positives * negatives)
        precision = np.where(found > 0, true_positives / (true_positives + false_positives), 0)
        average = (found * precision).sum(axis=1) / positives
    return np.column_stack([area, average])
