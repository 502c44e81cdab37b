"""How often verdicts and intervals are right, of models whose true quality is known.

It is known because their predictions are drawn. `python -m bench.verdicts [PAIRS]` draws pairs of
models on 10,000 test images each and prints the tables (a minute or two).
"""

import sys
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm
from tqdm import tqdm

from digits.experiments.comparison import BETTER, is_significant, verdict
from digits.experiments.paired import mcnemar, paired_difference
from digits.metrics.classification import by_class
from digits.metrics.intervals import (
    percentile_interval,
    resampled_counts,
    resampled_ranking,
    wilson_interval,
)

IMAGES = 10_000
CONFIDENCE = 0.95
ACCURACY = 0.97
GAINS = (0.001, 0.003, 0.005)
# The proportion of images that one of two models alone gets right. With errors at random it is
# 5.7 %.
DISCORDANT = (0.01, 0.015, 0.023, 0.055)

# Many of the pairs have the same counts.
p_value = cache(mcnemar)
difference_interval = cache(paired_difference)
accuracy_interval = cache(wilson_interval)


def main(pairs: int = 2_000) -> None:
    """Print the tables."""
    rng = np.random.default_rng(42)
    wrong, within, discordant = equally_good(rng, pairs)
    bound = binom.isf(0.001, pairs, 1 - CONFIDENCE) / pairs
    print(
        f"{pairs} pairs of equally good models, {ACCURACY:.0%} right, "
        f"{np.mean(discordant):.1%} of {IMAGES} images told apart:"
    )
    print(
        f"  called different: {wrong / pairs:.2%}; "
        f"allowed {1 - CONFIDENCE:.0%}, by chance up to {bound:.2%}"
    )
    print(f"  0 within the interval of the difference: {within / pairs:.2%}")
    print_coverages(rng, pairs)
    print(
        f"A true gain from {ACCURACY:.0%} is called better, "
        "by how many images one model alone gets right:"
    )
    print("  gain in points " + "".join(f"{share:>9.1%}" for share in DISCORDANT))
    for gain in GAINS:
        powers = [power(rng, pairs, gain, share) for share in DISCORDANT]
        print(f"  {gain * 100:>14.1f} " + "".join(f"{value:>9.1%}" for value in powers))


def print_coverages(rng: np.random.Generator, pairs: int) -> None:
    """Print how often each kind of interval holds the truth."""
    print(f"Intervals of {CONFIDENCE:.0%} that hold the truth:")
    for a, b in ((0.008, 0.011), (0.004, 0.007), (0.0005, 0.0015)):
        coverage = paired_coverage(rng, pairs, a, b)
        print(f"  difference, {a:.2%} and {b:.2%} right by one alone: {coverage:.2%} of {pairs}")
    for p in (ACCURACY, 0.995):
        hits = rng.binomial(IMAGES, p, pairs).tolist()
        ends = np.array([accuracy_interval(count, IMAGES, CONFIDENCE) for count in hits])
        print(f"  accuracy of {p:.1%} (Wilson): {_coverage(ends, p):.2%} of {pairs}")
    n = max(pairs // 2, 1)
    print(f"  macro F1 (bootstrap): {macro_f1_coverage(rng, n):.2%} of {n}")
    n, images = max(pairs // 10, 1), 2_000
    coverage = roc_auc_coverage(rng, n, images)
    print(f"  ROC AUC (bootstrap, {images} images): {coverage:.2%} of {n}")


def equally_good(rng: np.random.Generator, pairs: int) -> tuple[int, int, list[float]]:
    """Compare pairs of models whose errors fall on the same hard images.

    Returns
    -------
    wrong : int
        How many pairs are called different.
    within : int
        How many intervals of the difference hold 0.
    discordant : list of float
        The proportion of images that one model alone gets right, of each pair.
    """
    wrong = within = 0
    discordant = []
    for _ in tqdm(range(pairs), "pairs", disable=None, leave=False):
        # The probability that either model reads an image wrong, 3 % in the mean.
        error = np.zeros(IMAGES)
        hard = rng.random(IMAGES) < 0.1
        error[hard] = rng.beta(0.6, 1.4, np.count_nonzero(hard))
        a, b = rng.random((2, IMAGES)) >= error
        only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
        wrong += is_significant(p_value(only_a, only_b), CONFIDENCE)
        low, high = difference_interval(only_a, only_b, IMAGES, CONFIDENCE)
        within += low <= 0 <= high
        discordant.append((only_a + only_b) / IMAGES)
    return wrong, within, discordant


def paired_coverage(rng: np.random.Generator, pairs: int, only_a: float, only_b: float) -> float:
    """How often the interval of the difference holds the true one."""
    counts = rng.multinomial(IMAGES, [only_a, only_b, 1 - only_a - only_b], pairs).tolist()
    ends = np.array([difference_interval(a, b, IMAGES, CONFIDENCE) for a, b, _ in counts])
    return _coverage(ends, only_b - only_a)


def macro_f1_coverage(rng: np.random.Generator, times: int) -> float:
    """How often the interval of macro F1 holds that of the confusion that images are drawn from."""
    cells = (ACCURACY * np.eye(10) + (1 - ACCURACY) * rng.dirichlet(np.ones(10), 10)) / 10
    drawn = rng.multinomial(IMAGES, cells.ravel(), times)
    ends = []
    for counts in tqdm(drawn, "macro F1", disable=None, leave=False):
        resampled = resampled_counts(np.repeat(np.arange(100), counts), 100).reshape(-1, 10, 10)
        ends.append(percentile_interval(by_class(resampled)["f1"].mean(axis=1), CONFIDENCE))
    return _coverage(np.array(ends), by_class(cells[None])["f1"].mean())


def roc_auc_coverage(rng: np.random.Generator, times: int, images: int) -> float:
    """How often the interval of the area under the curve holds the true one.

    The scores are from two normal distributions that are 2.5 apart, one image in ten being a yes.
    """
    ends = []
    for _ in tqdm(range(times), "ROC AUC", disable=None, leave=False):
        y = rng.random(images) < 0.1
        ends.append(
            percentile_interval(resampled_ranking(y, rng.normal(2.5 * y)), CONFIDENCE)[:, 0]
        )
    return _coverage(np.array(ends), norm.cdf(2.5 / np.sqrt(2)))


def power(rng: np.random.Generator, pairs: int, gain: float, discordant: float) -> float:
    """How often a better model is called better."""
    only_a, only_b = (discordant - gain) / 2, (discordant + gain) / 2
    counts = rng.multinomial(IMAGES, [only_a, only_b, 1 - discordant], pairs).tolist()
    verdicts = [verdict(b - a, is_significant(p_value(a, b), CONFIDENCE)) for a, b, _ in counts]
    return verdicts.count(BETTER) / pairs


def _coverage(ends: NDArray[np.float64], truth: float) -> float:
    """How many of the intervals (n, 2) hold the truth, of 1."""
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
