"""Confidence intervals: Wilson's of a proportion, and the bootstrap's of anything else."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 1_000

SEED = 42  # of the resampling: the same predictions have the same interval

_AT_A_TIME = 50  # resamples of all images: 4 MB for 10,000


def wilson_interval(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of the proportion hits / n; (0, 1) when n is 0, as nothing is known then.

    References
    ----------
    Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference", Journal
    of the American Statistical Association 22:209.
    """
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(int(hits), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def percentile_interval(replicates: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """The bootstrap's percentile interval.

    Parameters
    ----------
    replicates : ndarray of shape (resamples, ...), float64
        A value for each resample; nan is left out.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    ndarray of shape (2, ...), float64
        The lower and the upper end.
    """
    return np.nanquantile(replicates, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)


def resampled_counts(cells: NDArray[np.integer], n_cells: int) -> NDArray[np.int64]:
    """Counts of images by cell, in each resample of the images.

    Drawing n images with replacement draws their cells from a multinomial distribution. One call
    therefore is the bootstrap of whatever depends on the counts alone.

    Parameters
    ----------
    cells : ndarray of shape (n,), int
        The cell of each image, from 0 to n_cells - 1, such as its place in a confusion matrix.
    n_cells : int
        How many cells there are.

    Returns
    -------
    ndarray of shape (RESAMPLES, n_cells), int64
    """
    counts = np.bincount(cells, minlength=n_cells)
    return np.random.default_rng(SEED).multinomial(len(cells), counts / len(cells), size=RESAMPLES)


def resampled_ranking(y: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """ROC AUC and average precision in each resample of the images.

    For several models' scores of the same images the resamples are of the same images, so that
    their differences are paired.

    Parameters
    ----------
    y : ndarray of shape (n,), bool
        Whether each image is a yes.
    scores : ndarray of shape (n,), float64
        Larger meaning yes.

    Returns
    -------
    ndarray of shape (RESAMPLES, 2), float64
        As `weighted_ranking` returns them.
    """
    rng = np.random.default_rng(SEED)
    n = len(y)
    parts = []
    for start in range(0, RESAMPLES, _AT_A_TIME):
        size = min(_AT_A_TIME, RESAMPLES - start)
        drawn = rng.integers(0, n, (size, n)) + np.arange(size)[:, None] * n
        weights = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        parts.append(weighted_ranking(y, scores, weights))
    return np.concatenate(parts)


def weighted_ranking(
    y: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray
) -> NDArray[np.float64]:
    """ROC AUC and average precision under several sets of weights of the images.

    Parameters
    ----------
    y : ndarray of shape (n,), bool
        Whether each image is a yes.
    scores : ndarray of shape (n,), float64
        Larger meaning yes.
    weights : ndarray of shape (m, n)
        Of the images, as scikit-learn's ``sample_weight``.

    Returns
    -------
    ndarray of shape (m, 2), float64
        The ROC AUC, nan where all images or none are a yes; and the average precision, nan where
        none is.
    """
    order = np.argsort(-scores, kind="stable")
    # Where a lower score begins: images of equal score are one step of the curves.
    steps = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    true = np.add.reduceat(weights[:, order] * y[order], steps, axis=1)
    false = np.add.reduceat(weights[:, order] * ~y[order], steps, axis=1)
    true_positives, false_positives = true.cumsum(axis=1), false.cumsum(axis=1)
    positives, negatives = true_positives[:, -1], false_positives[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (false * (true_positives - true / 2)).sum(axis=1) / (positives * negatives)
        precision = np.where(true > 0, true_positives / (true_positives + false_positives), 0)
        average = (true * precision).sum(axis=1) / positives
    return np.column_stack([area, average])
