"""Intervals and tests against statsmodels, SciPy, scikit-learn and the likelihood itself, and how often they are right."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom, bootstrap, norm
from sklearn.metrics import average_precision_score, roc_auc_score
from statsmodels.stats import contingency_tables  # type: ignore[import-untyped, unused-ignore]
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped, unused-ignore]
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped, unused-ignore]

from digits.metrics import intervals
from digits.metrics.classification import by_class
from digits.metrics.intervals import (
    RESAMPLES,
    percentile_interval,
    resampled_counts,
    resampled_ranking,
    weighted_ranking,
    wilson_interval,
)
from digits.metrics.paired import holm, mcnemar, paired_difference

steady = settings(derandomize=True, deadline=None)
Z = norm.isf(0.025)

GRID = [(a, b) for a in (0, 1, 2, 5, 17, 80, 110) for b in (0, 1, 3, 6, 30, 80, 111)]
discordant_counts = pytest.mark.parametrize(("only_a", "only_b"), GRID)


class TestProportion:
    @pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
    @pytest.mark.parametrize(
        ("hits", "n"),
        [(9705, 10_000), (0, 10), (10, 10), (1, 1), (0, 1), (500, 1000), (59_999, 60_000)],
    )
    def test_is_that_of_statsmodels(self, hits: int, n: int, confidence: float) -> None:
        expected = proportion_confint(hits, n, alpha=1 - confidence, method="wilson")
        assert wilson_interval(hits, n, confidence) == pytest.approx(expected, rel=0, abs=1e-12)

    def test_of_nothing_is_everything(self) -> None:
        assert wilson_interval(0, 0, 0.95) == (0, 1)


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
    """Tango's statistic, its variance at the most likely share that A alone gets right, given the difference.

    The likelihood of (only_a, only_b, rest) is concave along it: its slope has one root, or the maximum is at the lower bound.
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

    @steady
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


# Whether an image is a yes, its score with many draws, its weight.
weighted = st.lists(
    st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=40
)


def ranking(n: int = 300, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    return y, rng.normal(1.2 * y).round(1)


class TestRanking:
    @steady
    @given(weighted)
    def test_is_that_of_scikit_learn_with_weights(self, rows: list[tuple[bool, int, int]]) -> None:
        y, scores, weights = (np.array(column) for column in zip(*rows, strict=True))
        area, average = weighted_ranking(y, scores, weights[None])[0]
        if weights[y].sum() == 0:
            assert np.isnan(area) and np.isnan(average)
            return
        assert average == pytest.approx(
            average_precision_score(y, scores, sample_weight=weights), rel=0, abs=1e-12
        )
        if weights[~y].sum() == 0:
            assert np.isnan(area)
        else:
            assert area == pytest.approx(
                roc_auc_score(y, scores, sample_weight=weights), rel=0, abs=1e-12
            )

    def test_of_several_sets_of_weights_is_that_of_each(self) -> None:
        y, scores = ranking()
        weights = np.random.default_rng(1).integers(0, 4, (7, len(y)))
        together = weighted_ranking(y, scores, weights)
        assert together.shape == (7, 2)
        for each, found in zip(weights, together, strict=True):
            np.testing.assert_array_equal(found, weighted_ranking(y, scores, each[None])[0])

    @pytest.mark.parametrize(
        ("column", "metric"), [(0, roc_auc_score), (1, average_precision_score)]
    )
    def test_resampled_has_about_the_interval_of_scipy(self, column: int, metric: Callable) -> None:
        y, scores = ranking()
        ours = percentile_interval(resampled_ranking(y, scores), 0.95)[:, column]
        theirs = bootstrap(
            (y, scores),
            metric,
            paired=True,
            vectorized=False,
            n_resamples=1000,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        np.testing.assert_allclose(ours, theirs, atol=0.12 * (theirs.high - theirs.low))

    def test_resamples_are_the_same_images_for_every_model(self) -> None:
        """The same ranking has the same values, and one turned around the opposite ones."""
        y, scores = ranking()
        first = resampled_ranking(y, scores)
        np.testing.assert_array_equal(first, resampled_ranking(y, scores.copy()))
        np.testing.assert_allclose(resampled_ranking(y, -scores)[:, 0], 1 - first[:, 0], atol=1e-12)
        assert first.shape == (RESAMPLES, 2) and len(np.unique(first[:, 0])) > 900

    def test_resamples_do_not_depend_on_how_many_are_held_at_a_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        y, scores = ranking(50)
        whole = resampled_ranking(y, scores)
        monkeypatch.setattr(intervals, "_AT_A_TIME", 333)
        np.testing.assert_array_equal(whole, resampled_ranking(y, scores))

    def test_a_resample_without_a_yes_has_no_value(self) -> None:
        y = np.arange(10) == 3
        replicates = resampled_ranking(y, np.linspace(0, 1, 10))
        assert 0.25 < np.isnan(replicates[:, 1]).mean() < 0.45  # (1 - 1/10)^10 = 0.35
        assert np.isfinite(percentile_interval(replicates, 0.95)).all()


class TestCounts:
    def test_are_those_of_as_many_images_drawn_anew(self) -> None:
        cells = np.repeat([0, 1, 3], [900, 90, 10])
        again = resampled_counts(cells, 5)
        assert again.shape == (RESAMPLES, 5)
        assert (again.sum(axis=1) == 1000).all() and not again[:, [2, 4]].any()
        counts = np.array([900, 90, 10])
        spread = np.sqrt(counts * (1 - counts / 1000))
        np.testing.assert_array_less(
            np.abs(again[:, [0, 1, 3]].mean(axis=0) - counts), 5 * spread / np.sqrt(RESAMPLES)
        )
        np.testing.assert_allclose(again[:, [0, 1, 3]].std(axis=0), spread, rtol=0.1)
        np.testing.assert_array_equal(again, resampled_counts(cells, 5))


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_percentiles_are_those_of_what_has_a_value(confidence: float) -> None:
    replicates = np.array([*np.arange(101.0), np.nan, np.nan])
    low, high = percentile_interval(replicates, confidence)
    assert (low, high) == pytest.approx((50 - 50 * confidence, 50 + 50 * confidence))


class TestPromises:
    """Of models whose true accuracy is known, at a fixed seed."""

    def test_equally_good_models_are_rarely_told_apart(self) -> None:
        rng, pairs, n = np.random.default_rng(0), 2000, 2000
        different = 0
        for _ in range(pairs):
            hard = rng.beta(
                0.03, 0.97, n
            )  # the chance to be read wrong, 3 % in the mean, by both models alike
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

    def test_accuracy_is_within_its_interval_as_often_as_promised(self) -> None:
        interval = cache(wilson_interval)
        ends = np.array(
            [
                interval(hits, 10_000, 0.95)
                for hits in np.random.default_rng(0).binomial(10_000, 0.97, 2000).tolist()
            ]
        )
        assert 0.94 <= np.mean((ends[:, 0] <= 0.97) & (ends[:, 1] >= 0.97)) <= 0.965

    def test_macro_f1_is_within_its_interval_about_as_often_as_promised(self) -> None:
        rng = np.random.default_rng(0)
        cells = (0.97 * np.eye(10) + 0.03 * rng.dirichlet(np.ones(10), 10)) / 10
        truth = by_class(cells[None])["f1"].mean()
        within = []
        for counts in rng.multinomial(2000, cells.ravel(), size=300):
            again = resampled_counts(np.repeat(np.arange(100), counts), 100).reshape(-1, 10, 10)
            low, high = percentile_interval(by_class(again)["f1"].mean(axis=1), 0.95)
            within.append(low <= truth <= high)
        assert np.mean(within) >= 0.92
