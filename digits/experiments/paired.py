"""Paired comparison of two models on the same images: McNemar's test and Tango's interval."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from digits.metrics.predictions import Predictions


def are_same(a: Predictions, b: Predictions) -> bool:
    """Whether two models' predictions of the same images, scores included, are equal in all bytes.

    Parameters
    ----------
    a, b : Predictions
        Of the two models.
    """
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in fields(Predictions)]
    return all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs
    )


def paired_difference(only_a: int, only_b: int, n: int, confidence: float) -> tuple[float, float]:
    """Tango's score interval of the difference of two models' accuracies on the same images.

    It inverts the score test whose value at no difference is McNemar's statistic.

    Parameters
    ----------
    only_a, only_b : int
        How many images A alone, and B alone, predicts correctly.
    n : int
        How many images there are.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    low, high : float
        The ends of the interval of B's accuracy less A's.

    References
    ----------
    Tango (1998), "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", Statistics in Medicine 17:891.
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
        # What A alone predicts correctly, of all images: most likely, given the difference.
        linear = (2 * n + only_a - only_b) * difference - only_a - only_b
        constant = -only_a * difference * (1 - difference)
        proportion = (np.sqrt(linear**2 - 8 * n * constant) - linear) / (4 * n)
        variance = 2 * proportion + difference * (1 - difference)
        return (only_b - only_a - n * difference) ** 2 - z**2 * n * variance

    observed = (only_b - only_a) / n
    return brentq(beyond, -1, observed, xtol=1e-14), brentq(beyond, observed, 1, xtol=1e-14)


def mcnemar(only_a: int, only_b: int) -> float:
    """The p-value of McNemar's exact test that two models are equally accurate.

    Parameters
    ----------
    only_a, only_b : int
        How many images A alone, and B alone, predicts correctly.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12:153.
    """
    discordant = int(only_a + only_b)
    return float(binomtest(int(only_b), discordant).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values (m,) of several tests with Holm's correction.

    With it, one false rejection among all tests is as rare as that of a single test.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6:65.
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(raised, 1)
    return corrected
