"""PixelNeighborsClassifier against scikit-learn's own class on the same pixels as float32."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from digits.models.nearest_rows import NearestRows
from digits.models.neighbors import PixelNeighborsClassifier
from digits.models.persistence import load_model, save_model
from tests.small import IMAGES, LABELS

N = 300  # training images
X, y = IMAGES[:N], LABELS[:N]


def squares(queries: NDArray[np.uint8], rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The square of every distance, exactly."""
    queries, rows = queries.astype(np.int64), rows.astype(np.int64)
    return np.stack([((query - rows) ** 2).sum(axis=1) for query in queries])


# Which of two equally near images scikit-learn puts first is not defined: these have none.
QUERIES = np.array(
    [query for query in IMAGES[N : N + 200] if len(np.unique(squares(query[None], X))) == N]
)


@pytest.fixture(autouse=True)
def few_rows_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule out rows among so few training images too."""
    monkeypatch.setattr(NearestRows, "first", 20)


def ours(**settings: Any) -> PixelNeighborsClassifier:
    return PixelNeighborsClassifier(algorithm="brute", **settings).fit(X, y)


def stock(**settings: Any) -> KNeighborsClassifier:
    return KNeighborsClassifier(algorithm="brute", **settings).fit(X.astype(np.float32), y)


@pytest.mark.parametrize("k", [1, 4, 65, N])
def test_neighbours_are_those_of_scikit_learn(k: int) -> None:
    assert len(QUERIES) > 100
    distances, rows = ours(n_neighbors=k).kneighbors(QUERIES)
    expected_distances, expected_rows = stock(n_neighbors=k).kneighbors(QUERIES.astype(np.float32))
    np.testing.assert_array_equal(distances, expected_distances)
    np.testing.assert_array_equal(rows, expected_rows)
    assert (distances.dtype, rows.dtype) == (expected_distances.dtype, expected_rows.dtype)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 4, N])
def test_probabilities_and_predictions_are_those_of_scikit_learn(weights: str, k: int) -> None:
    model, expected = (
        ours(n_neighbors=k, weights=weights),
        stock(n_neighbors=k, weights=weights),
    )
    queries = np.concatenate([QUERIES, X[:5]])  # the last are at distance 0
    np.testing.assert_array_equal(
        model.predict_proba(queries), expected.predict_proba(queries.astype(np.float32))
    )
    np.testing.assert_array_equal(
        model.predict(queries), expected.predict(queries.astype(np.float32))
    )


def test_of_equally_near_images_the_first_are_taken() -> None:
    twice = np.concatenate([X, X])
    model = PixelNeighborsClassifier(algorithm="brute").fit(twice, np.tile(y, 2))
    for k in (4, 5):
        distances, rows = model.kneighbors(QUERIES, k)
        nearest = np.argsort(squares(QUERIES, X), axis=1)
        np.testing.assert_array_equal(rows[:, ::2], nearest[:, : (k + 1) // 2])
        np.testing.assert_array_equal(rows[:, 1::2], nearest[:, : k // 2] + N)
        np.testing.assert_array_equal(
            np.rint(distances**2), np.sort(squares(QUERIES, twice))[:, :k]
        )


def test_rows_alone_without_distances() -> None:
    rows = ours(n_neighbors=7).kneighbors(QUERIES, return_distance=False)
    np.testing.assert_array_equal(
        rows, stock(n_neighbors=7).kneighbors(QUERIES.astype(np.float32), return_distance=False)
    )


def test_number_of_neighbours_can_be_given_with_the_query() -> None:
    np.testing.assert_array_equal(
        ours(n_neighbors=2).kneighbors(QUERIES, 6)[1], ours(n_neighbors=6).kneighbors(QUERIES)[1]
    )


def test_neighbours_of_the_training_images_leave_out_each_itself() -> None:
    expected = KNeighborsClassifier(algorithm="brute").fit(X, y)
    np.testing.assert_array_equal(ours().kneighbors()[0], expected.kneighbors()[0])


def test_pixels_are_kept_as_bytes() -> None:
    kept = [
        value
        for value in vars(ours()).values()
        if isinstance(value, np.ndarray) and value.shape == X.shape
    ]
    assert [value.dtype for value in kept] == [np.uint8]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16])
def test_other_integers_give_the_same_answers(dtype: DTypeLike) -> None:
    rows = (X // 2).astype(dtype)
    model = PixelNeighborsClassifier(algorithm="brute").fit(rows, y)
    expected = KNeighborsClassifier(algorithm="brute").fit(rows.astype(np.float32), y)
    queries = (QUERIES // 2).astype(dtype)
    np.testing.assert_array_equal(
        model.kneighbors(queries)[0], expected.kneighbors(queries.astype(np.float32))[0]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree", "auto"])
def test_floats_are_left_to_scikit_learn(dtype: DTypeLike, weights: str, algorithm: str) -> None:
    rows, queries = (X / 255).astype(dtype), (QUERIES / 255).astype(dtype)
    model = PixelNeighborsClassifier(algorithm=algorithm, weights=weights).fit(rows, y)
    expected = KNeighborsClassifier(algorithm=algorithm, weights=weights).fit(rows, y)
    assert model._fit_X.dtype == expected._fit_X.dtype
    np.testing.assert_array_equal(model.kneighbors(queries)[0], expected.kneighbors(queries)[0])
    np.testing.assert_array_equal(model.predict_proba(queries), expected.predict_proba(queries))


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithm": "kd_tree"},
        {"algorithm": "auto"},
        {"algorithm": "brute", "metric": "cityblock"},
    ],
)
def test_other_algorithms_and_metrics_are_left_to_scikit_learn(settings: dict[str, str]) -> None:
    model, expected = (
        kind(**settings).fit(X, y) for kind in (PixelNeighborsClassifier, KNeighborsClassifier)
    )
    np.testing.assert_array_equal(model.kneighbors(QUERIES)[0], expected.kneighbors(QUERIES)[0])
    np.testing.assert_array_equal(model.predict_proba(QUERIES), expected.predict_proba(QUERIES))


@pytest.mark.parametrize(
    ("rows", "queries"),
    [(X, sparse.csr_array(QUERIES)), (sparse.csr_array(X), QUERIES)],
    ids=["queries", "fit"],
)
def test_sparse_pixels_are_left_to_scikit_learn(rows: ArrayLike, queries: ArrayLike) -> None:
    model, expected = (
        kind(algorithm="brute").fit(rows, y)
        for kind in (PixelNeighborsClassifier, KNeighborsClassifier)
    )
    np.testing.assert_array_equal(model.predict(queries), expected.predict(queries))


def test_queries_between_whole_numbers_are_left_to_scikit_learn() -> None:
    queries = QUERIES / 3
    np.testing.assert_array_equal(
        ours().kneighbors(queries)[1], KNeighborsClassifier().fit(X / 1.0, y).kneighbors(queries)[1]
    )


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_the_same_query(dtype: DTypeLike) -> None:
    model = ours()
    np.testing.assert_array_equal(
        model.kneighbors(QUERIES.astype(dtype)), model.kneighbors(QUERIES)
    )


def test_fitted_again_it_searches_the_new_images() -> None:
    model = ours(n_neighbors=1)
    model.kneighbors(QUERIES)
    model.fit(X[::-1], y[::-1])
    np.testing.assert_array_equal(model.kneighbors(X[:5])[1][:, 0], N - 1 - np.arange(5))


def test_a_search_changes_nothing_that_is_saved(tmp_path: Path) -> None:
    pipeline = Pipeline([("model", ours(weights="distance"))])
    save_model(pipeline, tmp_path / "before.skops")
    expected = pipeline.predict_proba(QUERIES)
    save_model(pipeline, tmp_path / "after.skops")
    before, after = ((tmp_path / f"{when}.skops").read_bytes() for when in ("before", "after"))
    assert before == after
    loaded = load_model(tmp_path / "after.skops")
    np.testing.assert_array_equal(loaded.predict_proba(QUERIES), expected)


def test_a_file_is_tried_out_without_measuring_all_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all of MNIST and its shifted copies that took four seconds, at each `predict`."""
    large = IMAGES.reshape(-1, 8, 8).repeat(3, axis=1).repeat(3, axis=2).reshape(-1, 24 * 24)
    images = np.concatenate([np.roll(large, pixels, axis=1) for pixels in range(3)])
    model = PixelNeighborsClassifier(algorithm="brute").fit(images, np.tile(LABELS, 3))
    save_model(Pipeline([("model", model)]), tmp_path / "model.skops")
    compared = list[int]()
    compare = NearestRows._compare

    def count(
        search: NearestRows, queries: NDArray[np.float64], rows: NDArray, k: int
    ) -> NDArray[np.int64]:
        compared.append(len(rows))
        return compare(search, queries, rows, k)

    monkeypatch.setattr(NearestRows, "_compare", count)
    load_model(tmp_path / "model.skops")
    assert compared
    assert max(compared) < len(images) / 2


def test_threads_that_search_at_once_prepare_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prepared = ours(), []
    prepare = NearestRows.__init__

    def count(search: NearestRows, rows: NDArray) -> None:
        prepared.append(1)
        time.sleep(0.05)
        prepare(search, rows)

    monkeypatch.setattr(NearestRows, "__init__", count)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: model.kneighbors(QUERIES)[1], range(4)))
    assert len(prepared) == 1
    assert all((answer == answers[0]).all() for answer in answers)


def test_integers_beyond_float32_are_not_confused() -> None:
    """2**24 and 2**24 + 1 are the same float32."""
    numbers = 2**24 + np.arange(6)[:, None]
    model = PixelNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(numbers, np.arange(6))
    np.testing.assert_array_equal(model.predict(numbers), np.arange(6))


@pytest.mark.parametrize("k", [0, -1, N + 1, 2.5])
def test_impossible_numbers_of_neighbours_are_refused(k: Any) -> None:
    for model in (ours(), stock()):
        with pytest.raises((ValueError, TypeError)):
            model.kneighbors(QUERIES.astype(np.float32), k)


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [PixelNeighborsClassifier(), PixelNeighborsClassifier(algorithm="brute")]
)
def test_scikit_learns_rules_for_estimators_are_kept(
    estimator: PixelNeighborsClassifier, check: Any
) -> None:
    check(estimator)
