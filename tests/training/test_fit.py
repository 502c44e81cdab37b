"""What learns from what: steps before the model from the originals, the model from copies too."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from digits.common.arrays import open_array_file
from digits.common.errors import BadInput
from digits.data.transforms import shift
from digits.training import epochs
from digits.training import fit as learning
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitOptions
from tests.small import IMAGES, LABELS, file_of, images, new, options_of

N = 200
PICTURES = IMAGES[:N].reshape(-1, 8, 8)
SHIFTED = [shift(PICTURES, *by).reshape(-1, 64) for by in ((-1, 0), (1, 0), (0, -1), (0, 1))]
ORIGINALS = np.arange(N, dtype=np.int32)
WITH_COPIES = np.concatenate([IMAGES[:N], *SHIFTED])
COPIED = TrainingSet(WITH_COPIES, np.tile(LABELS[:N], 5), np.tile(ORIGINALS, 5), N)
SUPPORT_VECTORS = FitOptions("support_vectors")


class Preparing(TransformerMixin, BaseEstimator):
    """Notes which rows it learns from; changes nothing."""

    learned: list[NDArray] = []  # noqa: RUF012

    def fit(self, X: NDArray, y: Any = None) -> "Preparing":  # noqa: ARG002
        self.n_features_in_ = X.shape[1]
        self.learned.append(X.copy())
        return self

    def transform(self, X: NDArray) -> NDArray:
        return X


class Learning(ClassifierMixin, BaseEstimator):
    """Notes what it is given to learn from, at once or in parts."""

    at_once: list[tuple[NDArray, NDArray]] = []  # noqa: RUF012
    in_parts: list[tuple[NDArray, NDArray]] = []  # noqa: RUF012

    def fit(self, X: NDArray, y: NDArray) -> "Learning":
        self.classes_ = np.unique(y)
        self.at_once.append((X.copy(), y.copy()))
        return self

    def partial_fit(self, X: NDArray, y: NDArray, classes: NDArray) -> "Learning":
        self.classes_ = classes
        self.in_parts.append((X.copy(), y.copy()))
        return self

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X: ArrayLike) -> NDArray:
        return np.repeat(self.classes_[:1], len(np.asarray(X)))


@pytest.fixture
def witnesses() -> list[tuple[str, Any]]:
    Preparing.learned.clear()
    Learning.at_once.clear()
    Learning.in_parts.clear()
    return [("preparing", Preparing()), ("model", Learning())]


ROWS = np.arange(3 * 1000, dtype=np.int32)
NUMBERED = TrainingSet(
    np.column_stack([ROWS, ROWS % 1000]), (ROWS % 1000 % 7).astype(np.uint8), ROWS % 1000, 1000
)  # two copies of each
SOME = ROWS[ROWS % 1000 % 3 != 0]


@pytest.mark.parametrize("prepared", [True, False])
def test_a_model_learns_from_the_rows_given_and_what_prepares_from_the_originals_among_them(
    witnesses: Any, monkeypatch: pytest.MonkeyPatch, prepared: bool
) -> None:
    monkeypatch.setattr(learning, "CHUNK", 77)
    fit(Pipeline(witnesses if prepared else witnesses[1:]), NUMBERED, SOME)
    ((X, y),) = Learning.at_once
    np.testing.assert_array_equal(X, NUMBERED.read(SOME))
    np.testing.assert_array_equal(y, NUMBERED.y[SOME])
    assert len(Preparing.learned) == prepared
    for learned in Preparing.learned:
        np.testing.assert_array_equal(learned, NUMBERED.read(SOME[SOME < 1000]))


@pytest.mark.parametrize("prepared", [True, False])
def test_by_epochs_every_row_comes_once_in_each_epoch_in_another_order(
    witnesses: Any, monkeypatch: pytest.MonkeyPatch, prepared: bool
) -> None:
    monkeypatch.setattr("digits.training.epochs.BLOCK", 300)
    blocks = -(-len(SOME) // 300)
    fit(
        Pipeline(witnesses if prepared else witnesses[1:]),
        NUMBERED,
        SOME,
        FitOptions(epochs=3, seed=5),
    )
    assert len(Learning.in_parts) == 3 * blocks and not Learning.at_once
    orders = []
    for start in range(0, 3 * blocks, blocks):
        X, y = (
            np.concatenate(part)
            for part in zip(*Learning.in_parts[start : start + blocks], strict=True)
        )
        np.testing.assert_array_equal(np.sort(X[:, 0]), SOME)
        np.testing.assert_array_equal(y, NUMBERED.y[X[:, 0]])
        orders.append(X[:, 0])
    assert not any(np.array_equal(one, other) for one, other in pairwise(orders))
    for learned in Preparing.learned:
        np.testing.assert_array_equal(learned, NUMBERED.read(SOME[SOME < 1000]))


@pytest.mark.parametrize(
    "settings", [{}, {"features": "deskewed"}, {"scale": "none"}], ids=["unit", "deskewed", "none"]
)
def test_by_epochs_no_more_is_read_at_once_than_a_block_where_no_step_learns(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    read: list[int] = []

    class Noting(TrainingSet):
        def read(self, rows: NDArray) -> NDArray:
            read.append(len(rows))
            return super().read(rows)

    data = Noting(IMAGES, LABELS, np.arange(len(IMAGES), dtype=np.int32), len(IMAGES))
    for module, size in ((learning, "CHUNK"), (learning, "MEASURED"), (epochs, "BLOCK")):
        monkeypatch.setattr(module, size, 100)
    options = options_of("softmax", epochs=2)
    fit(new("softmax", **settings), data, options=options)
    assert max(read) == 100
    read.clear()
    fit(new("softmax", scale="standard"), data, options=options)
    assert max(read) == len(IMAGES), "what does learn sees all originals"


def test_the_order_of_epochs_is_drawn_by_the_seed(tmp_path: Path) -> None:
    files = [
        file_of(fit(new("softmax"), COPIED, options=FitOptions(epochs=2, seed=seed)), tmp_path)
        for seed in (1, 1, 2)
    ]
    assert files[0] == files[1] != files[2]


def test_a_clone_is_fitted() -> None:
    for model in ("svm", "softmax", "knn"):
        pipeline = new(model, scale="standard")
        fitted = fit(pipeline, COPIED, options=options_of(model))
        assert fitted is not pipeline
        assert not hasattr(pipeline["scale"], "mean_") and not hasattr(pipeline[-1], "classes_")
        assert np.mean(fitted.predict(IMAGES[:N]) == LABELS[:N]) > 0.8


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("svm", FitOptions()),
        ("svm", SUPPORT_VECTORS),
        ("softmax", FitOptions(epochs=1)),
        ("knn", FitOptions()),
    ],
)
def test_preparation_is_that_of_the_originals_however_wild_the_copies(
    model: str, options: FitOptions
) -> None:
    wild = TrainingSet(
        np.concatenate([IMAGES[:N], np.full_like(IMAGES[:N], 255)]),
        np.tile(LABELS[:N], 2),
        np.tile(ORIGINALS, 2),
        N,
    )
    rows = np.flatnonzero(wild.source % 4 != 0).astype(np.int32)
    pipeline = new(model, scale="standard", components=8, clusters=5)
    fitted = fit(pipeline, wild, rows, options).named_steps
    originals = IMAGES[rows[rows < N]].astype(np.float32)
    originals = originals[:, originals.std(axis=0) > 0]
    scaler = StandardScaler().fit(originals)
    np.testing.assert_allclose(fitted["scale"].mean_, scaler.mean_)
    np.testing.assert_allclose(fitted["scale"].var_, scaler.var_)
    scaled = scaler.transform(originals)
    pca = PCA(8, svd_solver="covariance_eigh").fit(scaled)
    np.testing.assert_allclose(
        np.abs(fitted["pca"].components_), np.abs(pca.components_), atol=1e-8
    )
    k_means = KMeans(5, n_init=1, random_state=42).fit(fitted["pca"].transform(scaled))
    np.testing.assert_allclose(
        fitted["clusters"].cluster_centers_, k_means.cluster_centers_, atol=1e-6
    )


@pytest.mark.parametrize("model", ["svm", "softmax", "mlp", "sgd", "knn"])
def test_images_in_a_file_give_the_same_model(tmp_path: Path, model: str) -> None:
    np.save(tmp_path / "images.npy", WITH_COPIES.reshape(-1, 8, 8))
    in_file = TrainingSet(
        open_array_file(tmp_path / "images.npy", np.uint8, (None, 8, 8)).reshape(3 * N, 64),
        COPIED.y[: 3 * N],
        COPIED.source[: 3 * N],
        N,
    )
    held = TrainingSet(WITH_COPIES[: 3 * N], in_file.y, in_file.source, N)
    rows = np.flatnonzero(held.source % 5 != 1).astype(np.int32)
    files = [
        file_of(fit(new(model), data, rows, options_of(model)), tmp_path)
        for data in (held, in_file)
    ]
    assert files[0] == files[1]


@pytest.mark.filterwarnings(
    "ignore:overflow encountered:RuntimeWarning", "ignore:invalid value encountered:RuntimeWarning"
)
@pytest.mark.parametrize(
    ("model", "settings"), [("sgd", {"alpha": 1e300}), ("mlp", {"learning_rate": 1e300})]
)
def test_numbers_that_grow_out_of_bounds_are_a_sentence(
    model: str, settings: dict[str, Any]
) -> None:
    pipeline, data = new(model, scale="none", **settings), images(IMAGES[:N], LABELS[:N])
    sentence = "grow out of bounds while it learns: a smaller learning_rate or alpha helps"
    with pytest.raises(BadInput, match=sentence):
        fit(pipeline, data, options=options_of(model, **settings))


def test_more_components_than_features_that_vary_are_a_sentence() -> None:
    varying = (IMAGES[:N].std(axis=0) > 0).sum()
    pipeline = new("knn", scale="standard", components=64)
    sentence = f"train.components is 64, allowed is at most {varying}: of train.scale standard"
    with pytest.raises(BadInput, match=sentence):
        fit(pipeline, images(IMAGES[:N], LABELS[:N]))


class TestTrainingSet:
    def test_originals_and_their_copies(self) -> None:
        rows = np.array([3, 7, N - 1, N, 2 * N + 7], np.int32)
        np.testing.assert_array_equal(COPIED.originals(rows), [3, 7, N - 1])
        copies = COPIED.copies_of(rows[:2])
        np.testing.assert_array_equal(copies, [n * N + k for n in (1, 2, 3, 4) for k in (3, 7)])
        assert copies.dtype == np.int32
        assert COPIED.copies_of(rows[:0]).size == 0

    @pytest.mark.parametrize("model", ["svm", "knn"])
    def test_a_representation_is_computed_once_and_by_its_settings(self, model: str) -> None:
        data = images(IMAGES[:N], LABELS[:N])
        committee = ["deskewed", "normalized", "pixels"]
        for rows in (None, ORIGINALS[::2]):
            fit(new(model, features=committee), data, rows)
            assert [len(features) for features in data.features.values()] == [N, N]
        fit(new(model, features="deskewed", scale="none"), data)
        assert len(data.features) == 3, "another scale is another representation"
        fit(new(model), data)
        assert len(data.features) == 3, "pixels are scaled faster than they are kept"
