"""How far chance alone could have moved a number: intervals, and tests of the difference of two models on the same images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest, norm


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
