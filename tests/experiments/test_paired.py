"""Paired tests against statsmodels and the likelihood itself, and how often they are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, norm
from statsmodels.stats import contingency_tables  # type: ignore[import-untyped, unused-ignore]
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped, unused-ignore]

from digits.experiments.paired import holm, mcnemar, paired_difference

Z = norm.isf(0.025)

GRID = [(a, b) for a in (0, 1, 2, 5, 17, 80, 110) for b in (0, 1, 3, 6, 30, 80, 111)]
discordant_counts = pytest.mark.parametrize(("only_a", "only_b"), GRID)


class TestMcNemar:
    @discordant_counts
    def test_is_that_of_statsmodels(self, only_a: int, only_b: int) -> None:
        expected = (
            contingency_tables.mcnemar([[500, only_a], [only_b, 20]], exact=True).pvalue
            if only_a + only_b
            else 1.0
        )
        assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=0, abs=1e-12)
        assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)

    def test_of_the_same_answers_is_one(self) -> None:
        assert mcnemar(0, 0) == 1


@pytest.mark.parametrize("tests", [1, 2, 3, 10, 45])
@pytest.mark.parametrize("decimals", [1, 2, 15])  # few are many ties, also of 0 and 1
@pytest.mark.parametrize("seed", range(5))
def test_holm_is_that_of_statsmodels(tests: int, decimals: int, seed: int) -> None:
    p_values = (np.random.default_rng(seed).random(tests) ** 3).round(decimals).tolist()
    np.testing.assert_allclose(
        holm(p_values), multipletests(p_values, method="holm")[1], rtol=0, atol=1e-12
    )


def score(only_a: int, only_b: int, n: int, difference: float) -> float:
    """Tango's statistic.

    Its variance is that at the most likely share of images that A alone predicts correctly, given
    the difference. The likelihood of (only_a, only_b, rest) is concave along that share: its slope
    has one root, or the maximum is at the lower bound.
    """
    lowest, highest = max(0.0, -difference), (1 - difference) / 2

    def slope(share: float) -> float:
        return (
            (only_a / share if only_a else 0)
            + (only_b / (share + difference) if only_b else 0)
            - 2 * (n - only_a - only_b) / (1 - 2 * share - difference)
        )

    left, right = lowest + 1e-15, highest - 1e-13
    share = brentq(slope, left, right, xtol=1e-16) if slope(left) > 0 else lowest
    return (only_b - only_a - n * difference) / np.sqrt(
        n * (2 * share + difference - difference**2)
    )


class TestPairedDifference:
    @pytest.mark.parametrize(("confidence", "z"), [(0.95, Z), (0.8, norm.isf(0.1))])
    @pytest.mark.parametrize("n", [250, 1000, 10_000])
    @discordant_counts
    def test_ends_are_where_the_score_test_just_rejects(
        self, only_a: int, only_b: int, n: int, confidence: float, z: float
    ) -> None:
        low, high = paired_difference(only_a, only_b, n, confidence)
        assert score(only_a, only_b, n, low) == pytest.approx(z, abs=1e-6)
        assert score(only_a, only_b, n, high) == pytest.approx(-z, abs=1e-6)

    @pytest.mark.parametrize("n", [250, 10_000])
    @discordant_counts
    def test_no_difference_is_outside_when_the_chi_square_of_mcnemar_rejects(
        self, only_a: int, only_b: int, n: int
    ) -> None:
        low, high = paired_difference(only_a, only_b, n, 0.95)
        if only_a + only_b == 0:
            assert low < 0 < high
            return
        expected = contingency_tables.mcnemar(
            [[0, only_a], [only_b, 0]], exact=False, correction=False
        )
        assert score(only_a, only_b, n, 0.0) ** 2 == pytest.approx(expected.statistic, abs=1e-9)
        assert (low <= 0 <= high) == (expected.pvalue >= 0.05)

    @pytest.mark.parametrize("n", [222, 1000, 10_000])
    @discordant_counts
    def test_encloses_what_was_seen_and_is_turned_with_the_models(
        self, only_a: int, only_b: int, n: int
    ) -> None:
        low, high = paired_difference(only_a, only_b, n, 0.95)
        assert -1 <= low < (only_b - only_a) / n < high <= 1
        assert paired_difference(only_b, only_a, n, 0.95) == pytest.approx(
            (-high, -low), rel=0, abs=1e-10
        )

    @pytest.mark.parametrize("n", [1, 2, 10, 1000])
    def test_of_one_model_right_everywhere_and_the_other_nowhere(self, n: int) -> None:
        low, high = paired_difference(0, n, n, 0.95)
        assert high == 1 and low == pytest.approx((n - Z**2) / (n + Z**2), abs=1e-12)
        assert paired_difference(n, 0, n, 0.95) == pytest.approx((-1, -low), abs=1e-12)
        many = 10**6
        assert paired_difference(0, many - 1, many, 0.95) == pytest.approx(
            paired_difference(0, many, many, 0.95), abs=1e-4
        )

    @pytest.mark.parametrize("n", [1, 10, 1000])
    def test_of_the_same_answers_is_that_of_no_hits(self, n: int) -> None:
        low, high = paired_difference(0, 0, n, 0.95)
        assert type(low) is type(high) is float
        assert (-low, high) == pytest.approx((Z**2 / (n + Z**2),) * 2, abs=1e-12)

    @given(
        st.lists(st.integers(0, 12), min_size=3, max_size=3).filter(any),
        st.sampled_from([0.5, 0.95, 0.999]),
    )
    def test_is_an_interval_however_few_the_images(
        self, counts: list[int], confidence: float
    ) -> None:
        only_a, only_b, n = counts[0], counts[1], sum(counts)
        low, high = paired_difference(only_a, only_b, n, confidence)
        assert -1 <= low <= (only_b - only_a) / n <= high <= 1 and low < high

    @pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 2), (1, 0), (0, 1)])
    def test_is_narrower_with_more_images(self, only_a: int, only_b: int) -> None:
        widths = [
            np.diff(paired_difference(only_a * k, only_b * k, 100 * k, 0.95)).item()
            for k in (1, 3, 10, 100)
        ]
        assert widths == sorted(widths, reverse=True) and len(set(widths)) == 4


class TestCoverage:
    """Of models whose true accuracy is known, at a fixed seed."""

    def test_equally_good_models_are_rarely_told_apart(self) -> None:
        rng, pairs, n = np.random.default_rng(0), 2000, 2000
        different = 0
        for _ in range(pairs):
            # The chance that each model misreads an image, 3 % in the mean.
            hard = rng.beta(0.03, 0.97, n)
            a, b = rng.random((2, n)) >= hard
            different += mcnemar(int((a & ~b).sum()), int((b & ~a).sum())) < 0.05
        assert 0.01 * pairs < different <= binom.isf(0.001, pairs, 0.05)

    def test_difference_is_within_its_interval_as_often_as_promised(self) -> None:
        only_a, only_b = 0.008, 0.011
        drawn = np.random.default_rng(0).multinomial(
            10_000, [only_a, only_b, 1 - only_a - only_b], size=2000
        )
        ends = np.array([paired_difference(a, b, 10_000, 0.95) for a, b, _ in drawn])
        assert (
            0.94
            <= np.mean((ends[:, 0] <= only_b - only_a) & (only_b - only_a <= ends[:, 1]))
            <= 0.965
        )
