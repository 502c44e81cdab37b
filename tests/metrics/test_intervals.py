"""Confidence intervals against statsmodels, SciPy and scikit-learn, and how often they hold."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.metrics import average_precision_score, roc_auc_score
from statsmodels.stats import proportion  # type: ignore[import-untyped, unused-ignore]

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


class TestWilson:
    @pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
    @pytest.mark.parametrize(
        ("hits", "n"),
        [(9705, 10_000), (0, 10), (10, 10), (1, 1), (0, 1), (500, 1000), (59_999, 60_000)],
    )
    def test_is_that_of_statsmodels(self, hits: int, n: int, confidence: float) -> None:
        expected = proportion.proportion_confint(hits, n, alpha=1 - confidence, method="wilson")
        assert wilson_interval(hits, n, confidence) == pytest.approx(expected, rel=0, abs=1e-12)

    def test_of_nothing_is_everything(self) -> None:
        assert wilson_interval(0, 0, 0.95) == (0, 1)

    def test_is_the_published_one(self) -> None:
        """2.95 % errors of MNIST's 10,000 test images."""
        assert [round(end, 4) for end in wilson_interval(9705, 10_000, 0.95)] == [0.9670, 0.9736]

    @pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (1, 10_000)])
    def test_stays_within_0_and_1(self, hits: int, n: int) -> None:
        low, high = wilson_interval(hits, n, 0.95)
        assert 0 <= low <= hits / n <= high <= 1


# Whether an image is a yes, its score with many draws, its weight.
weighted = st.lists(
    st.tuples(st.booleans(), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=40
)


def ranking(n: int = 300, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.3
    return y, rng.normal(1.2 * y).round(1)


class TestRanking:
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
        resampled = resampled_counts(cells, 5)
        assert resampled.shape == (RESAMPLES, 5)
        assert (resampled.sum(axis=1) == 1000).all() and not resampled[:, [2, 4]].any()
        counts = np.array([900, 90, 10])
        spread = np.sqrt(counts * (1 - counts / 1000))
        np.testing.assert_array_less(
            np.abs(resampled[:, [0, 1, 3]].mean(axis=0) - counts), 5 * spread / np.sqrt(RESAMPLES)
        )
        np.testing.assert_allclose(resampled[:, [0, 1, 3]].std(axis=0), spread, rtol=0.1)
        np.testing.assert_array_equal(resampled, resampled_counts(cells, 5))


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_percentiles_are_those_of_what_has_a_value(confidence: float) -> None:
    replicates = np.array([*np.arange(101.0), np.nan, np.nan])
    low, high = percentile_interval(replicates, confidence)
    assert (low, high) == pytest.approx((50 - 50 * confidence, 50 + 50 * confidence))


class TestCoverage:
    """Of models whose true accuracy is known, at a fixed seed."""

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
            resampled = resampled_counts(np.repeat(np.arange(100), counts), 100).reshape(-1, 10, 10)
            low, high = percentile_interval(by_class(resampled)["f1"].mean(axis=1), 0.95)
            within.append(low <= truth <= high)
        assert np.mean(within) >= 0.92
