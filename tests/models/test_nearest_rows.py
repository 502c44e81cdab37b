"""NearestRows against every distance in integers, and against scikit-learn in float64."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from digits.data.transforms import shift
from digits.models.nearest_rows import NearestRows
from tests.small import IMAGES

# So small that a few hundred rows are searched in several steps.
SMALL = {"first": 20, "growth": 2, "at_once": 3, "hopeless": 0.5}


def prepare(X: NDArray, **settings: Any) -> NearestRows:
    return type("Prepared", (NearestRows,), SMALL | settings)(X)


def squares(queries: NDArray, X: NDArray) -> NDArray[np.int64]:
    queries, X = queries.astype(np.int64), X.astype(np.int64)
    return np.stack([((query - X) ** 2).sum(axis=1) for query in queries])


def assert_exact(search: NearestRows, queries: NDArray, k: int) -> None:
    assert search.fits(queries)
    expected = squares(queries, search.X)
    order = np.argsort(expected, axis=1, kind="stable")[:, :k]  # of equals the first
    found, rows = search.search(queries, k)
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_array_equal(found, np.take_along_axis(expected, order, axis=1))


def with_shifts(images: NDArray) -> NDArray:
    planes = images.reshape(-1, 8, 8)
    moves = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]
    return np.concatenate([shift(planes, right, down) for right, down in moves]).reshape(-1, 64)


rng = np.random.default_rng(0)
NOISE = rng.integers(0, 256, (400, 300), dtype=np.uint8)
FLAT = np.full((400, 30), 65_000, dtype=np.uint16) + rng.integers(0, 2, (400, 30), dtype=np.uint16)
KINDS = {
    "digits": IMAGES[:400],
    "with shifts": with_shifts(IMAGES[:300]),
    "sorted": IMAGES[np.argsort(IMAGES.sum(axis=1))],
    "every row five times": np.tile(IMAGES[:100], (5, 1)),
    "few grey levels, many ties": IMAGES[:600] // 128,
    "noise": NOISE,
    "equal rows": np.repeat(IMAGES[:1], 300, axis=0),
    "blank": np.zeros((300, 64), dtype=np.uint8),
    "mostly blank": np.concatenate([np.zeros((500, 64), dtype=np.uint8), IMAGES[:50]]),
    "one column": rng.integers(0, 50, (300, 1), dtype=np.uint8),
    "two bytes": rng.integers(0, 65_536, (400, 40), dtype=np.uint16),
    "signed": rng.integers(-32_768, 32_768, (400, 40), dtype=np.int16),
    "far from zero": FLAT,
    "few rows": IMAGES[:7],
}


@pytest.mark.parametrize(("k", "components"), [(1, 3), (4, 96), (60, 20)])
@pytest.mark.parametrize("kind", KINDS)
def test_nearest_rows_are_those_of_all_distances_in_integers(
    kind: str, components: int, k: int
) -> None:
    X = KINDS[kind]
    queries = np.concatenate([X[:20], X[::-1][:20] // 2, np.zeros_like(X[:1])])
    assert_exact(prepare(X, components=components), queries, min(k, len(X)))


def test_at_its_own_settings_too() -> None:
    X = np.concatenate([with_shifts(IMAGES), with_shifts(IMAGES) // 2])
    assert len(X) > NearestRows.growth * NearestRows.first
    assert_exact(NearestRows(X), np.concatenate([X[::400], X[::400] // 3]), 4)


@given(st.data())
def test_any_small_array(data: st.DataObject) -> None:
    seed, levels = data.draw(st.integers(0, 10_000)), data.draw(st.sampled_from([1, 2, 5, 256]))
    n, n_features = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 12))
    draw = np.random.default_rng(seed)
    X = draw.integers(0, levels, (n, n_features)).astype(np.uint8)
    queries = draw.integers(0, levels, (data.draw(st.integers(1, 20)), n_features))
    settings = {name: data.draw(st.integers(1, 12)) for name in ("first", "at_once", "components")}
    search = prepare(X, hopeless=data.draw(st.sampled_from([0.05, 0.5, 1.0])), **settings)
    assert_exact(search, queries, data.draw(st.integers(1, n)))


@pytest.mark.parametrize("kind", ["digits", "noise", "two bytes", "far from zero"])
def test_distances_are_those_of_scikit_learn_in_float64(kind: str) -> None:
    X = KINDS[kind].astype(np.float64)
    expected, _ = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(X[50:]).kneighbors(X[:50])
    found, _ = prepare(KINDS[kind][50:]).search(KINDS[kind][:50], 5)
    np.testing.assert_array_equal(found, np.rint(expected**2))


@pytest.mark.parametrize("components", [1, 96])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "few rows"])
def test_no_score_is_too_low_by_more_than_is_allowed(kind: str, components: int) -> None:
    X = KINDS[kind]
    search = prepare(X, components=components)
    queries = X[::4]
    projected, rest, lengths = search._project(queries.astype(np.float64))
    codes = np.column_stack([projected, rest, np.ones(len(queries))]).astype(np.float32)
    scores = search._codes @ codes.T
    needed = (lengths - squares(queries, X)[:, search._order].T) / 2
    excess = scores - needed
    assert (excess >= -search._slack(lengths)).all()
    assert search._slack(lengths).max() < 2e-4 * max(1, lengths.max())  # and that is not much


def count_measured(search: NearestRows, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on, note how many rows are measured each time."""
    measured, measure = [], search._measure

    def count(queries: NDArray, rows: NDArray) -> NDArray:
        measured.append(rows.size)
        return measure(queries, rows)

    monkeypatch.setattr(search, "_measure", count)
    return measured


def test_most_rows_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    X, queries = with_shifts(IMAGES[:1_700]), IMAGES[1_700:]
    search = NearestRows(X)
    measured = count_measured(search, monkeypatch)
    assert_exact(search, queries, 4)
    assert 0 < sum(measured) < 0.01 * len(queries) * len(X)


@pytest.mark.parametrize("kind", ["noise", "equal rows", "blank"])
def test_rows_that_cannot_be_ruled_out_are_compared_by_one_product(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured one by one they would take a hundred times as long."""
    X = KINDS[kind]
    search = prepare(X, hopeless=0.05)
    measured = count_measured(search, monkeypatch)
    assert_exact(search, X[:50], 4)
    assert sum(measured) <= 3 * 50 * search.at_once


def test_threads_of_blas_do_not_change_the_answer() -> None:
    X = with_shifts(IMAGES)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(NearestRows(X).search(X[::90], 8))
    np.testing.assert_array_equal(answers[0], answers[1])


def test_any_number_of_queries_at_a_time_gives_the_same() -> None:
    search = prepare(KINDS["with shifts"])
    _, rows = search.search(IMAGES[:300], 4)
    one_by_one = [search.search(image[None], 4)[1][0] for image in IMAGES[:300]]
    np.testing.assert_array_equal(rows, one_by_one)


@pytest.mark.parametrize(
    ("queries", "fit"),
    [
        (IMAGES[:5], True),
        (IMAGES[:5].astype(np.int64), True),
        (IMAGES[:5].astype(np.float32), True),
        (IMAGES[:5] / 255, False),
        (IMAGES[:5] * 1e300, False),
        (IMAGES[:5].astype(np.int64) * 10**9, False),
    ],
)
def test_only_whole_numbers_with_exact_distances_fit(queries: NDArray, fit: bool) -> None:
    assert NearestRows(IMAGES[:300]).fits(queries) is fit
