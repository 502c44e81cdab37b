"""How often verdicts and intervals are right, of models whose true quality is known because their answers are drawn.

`python -m bench.verdicts [PAIRS]` draws pairs of models on 10,000 test images each and prints the tables (a minute or two).
"""

import sys
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm
from tqdm import tqdm

from digits.metrics.classification import by_class
from digits.metrics.intervals import (
    percentile_interval,
    resampled_counts,
    resampled_ranking,
    wilson_interval,
)
from digits.metrics.paired import mcnemar, paired_difference

IMAGES = 10_000
CONFIDENCE = 0.95
ACCURACY = 0.97
GAINS = (0.001, 0.003, 0.005)
DISCORDANT = (
    0.01,
    0.015,
    0.023,
    0.055,
)  # images that one of two models alone gets right; with errors at random it is 5.7 %
p_value, difference_of, accuracy_of = (
    cache(mcnemar),
    cache(paired_difference),
    cache(wilson_interval),
)


def main(pairs: int = 2_000) -> None:
    """Print the tables."""
    rng = np.random.default_rng(42)
    wrong, within, shares = equally_good(rng, pairs)
    bound = binom.isf(0.001, pairs, 1 - CONFIDENCE) / pairs
    print(
        f"{pairs} pairs of equally good models, {ACCURACY:.0%} right, {np.mean(shares):.1%} of {IMAGES} images told apart:"
    )
    print(
        f"  called different: {wrong / pairs:.2%}; allowed {1 - CONFIDENCE:.0%}, by chance up to {bound:.2%}"
    )
    print(f"  0 within the interval of the difference: {within / pairs:.2%}")
    print(f"Intervals of {CONFIDENCE:.0%} that hold the truth:")
    for a, b in ((0.008, 0.011), (0.004, 0.007), (0.0005, 0.0015)):
        print(
            f"  difference, {a:.2%} and {b:.2%} right by one alone: {paired_coverage(rng, pairs, a, b):.2%} of {pairs}"
        )
    for p in (ACCURACY, 0.995):
        ends = np.array(
            [
                accuracy_of(hits, IMAGES, CONFIDENCE)
                for hits in rng.binomial(IMAGES, p, pairs).tolist()
            ]
        )
        print(f"  accuracy of {p:.1%} (Wilson): {_held(ends, p):.2%} of {pairs}")
    few = max(pairs // 2, 1)
    print(f"  macro F1 (bootstrap): {macro_f1_coverage(rng, few):.2%} of {few}")
    fewer, images = max(pairs // 10, 1), 2_000
    print(
        f"  ROC AUC (bootstrap, {images} images): {roc_auc_coverage(rng, fewer, images):.2%} of {fewer}"
    )
    print(
        f"A true gain from {ACCURACY:.0%} is called better, by how many images one model alone gets right:"
    )
    print("  gain in points " + "".join(f"{share:>9.1%}" for share in DISCORDANT))
    for gain in GAINS:
        print(
            f"  {gain * 100:>14.1f} "
            + "".join(f"{power(rng, pairs, gain, share):>9.1%}" for share in DISCORDANT)
        )


def equally_good(rng: np.random.Generator, pairs: int) -> tuple[int, int, list[float]]:
    """Of pairs whose errors fall on the same hard images: wrong verdicts, intervals with 0 in them, shares told apart."""
    wrong = within = 0
    shares = []
    for _ in tqdm(range(pairs), "pairs", disable=None, leave=False):
        hard = np.zeros(
            IMAGES
        )  # the chance that either model reads an image wrong, 3 % in the mean
        some = rng.random(IMAGES) < 0.1
        hard[some] = rng.beta(0.6, 1.4, np.count_nonzero(some))
        a, b = rng.random((2, IMAGES)) >= hard
        only_a, only_b = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a))
        wrong += p_value(only_a, only_b) <= 1 - CONFIDENCE
        low, high = difference_of(only_a, only_b, IMAGES, CONFIDENCE)
        within += low <= 0 <= high
        shares.append((only_a + only_b) / IMAGES)
    return wrong, within, shares


def paired_coverage(rng: np.random.Generator, pairs: int, only_a: float, only_b: float) -> float:
    """How often the interval of the difference holds the true one."""
    drawn = rng.multinomial(IMAGES, [only_a, only_b, 1 - only_a - only_b], pairs)
    ends = np.array([difference_of(a, b, IMAGES, CONFIDENCE) for a, b, _ in drawn.tolist()])
    return _held(ends, only_b - only_a)


def macro_f1_coverage(rng: np.random.Generator, times: int) -> float:
    """How often the interval of macro F1 holds the one of the confusions that the images are drawn from."""
    cells = (ACCURACY * np.eye(10) + (1 - ACCURACY) * rng.dirichlet(np.ones(10), 10)) / 10
    ends = []
    for counts in tqdm(
        rng.multinomial(IMAGES, cells.ravel(), times), "macro F1", disable=None, leave=False
    ):
        again = resampled_counts(np.repeat(np.arange(100), counts), 100).reshape(-1, 10, 10)
        ends.append(percentile_interval(by_class(again)["f1"].mean(axis=1), CONFIDENCE))
    return _held(np.array(ends), by_class(cells[None])["f1"].mean())


def roc_auc_coverage(rng: np.random.Generator, times: int, images: int) -> float:
    """How often the interval of the area holds that of two normal distributions 2.5 apart, one image in ten being a yes."""
    ends = []
    for _ in tqdm(range(times), "ROC AUC", disable=None, leave=False):
        y = rng.random(images) < 0.1
        ends.append(
            percentile_interval(resampled_ranking(y, rng.normal(2.5 * y)), CONFIDENCE)[:, 0]
        )
    return _held(np.array(ends), norm.cdf(2.5 / np.sqrt(2)))


def power(rng: np.random.Generator, pairs: int, gain: float, discordant: float) -> float:
    """How often a better model is called better."""
    only_a, only_b = (discordant - gain) / 2, (discordant + gain) / 2
    drawn = rng.multinomial(IMAGES, [only_a, only_b, 1 - discordant], pairs)
    return float(np.mean([p_value(a, b) <= 1 - CONFIDENCE and b > a for a, b, _ in drawn.tolist()]))


def _held(ends: NDArray[np.float64], truth: float) -> float:
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:2]))
