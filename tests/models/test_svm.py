"""MatrixSVC against scikit-learn's own SVC."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

from digits.models import svm
from digits.models.svm import MatrixSVC
from tests.small import IMAGES, LABELS

X = IMAGES / 255
KERNELS: list[dict[str, Any]] = [
    {"kernel": "rbf", "C": 10.0},
    {"kernel": "rbf", "gamma": 0.1},
    {"kernel": "rbf", "gamma": "auto"},
    {"kernel": "poly", "degree": 3},
    {"kernel": "poly", "degree": 4, "coef0": 1.0, "gamma": 0.02},
    {"kernel": "linear"},
    {"kernel": "sigmoid", "gamma": 0.01},
]
every_kernel = pytest.mark.parametrize(
    "settings", KERNELS, ids=lambda settings: "-".join(map(str, settings.values()))
)


@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks warn on purpose
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_is_an_estimator_as_scikit_learn_has_them(kernel: str) -> None:
    known = {
        f"check_sample_weight_equivalence_on_{data}_data": "as of SVC itself"
        for data in ("dense", "sparse")
    }
    check_estimator(MatrixSVC(kernel=kernel), expected_failed_checks=known)


def both(y: NDArray, **settings: Any) -> tuple[MatrixSVC, SVC]:
    """Ours and the stock class, fitted alike."""
    return MatrixSVC(**settings).fit(X[: len(y)], y), SVC(**settings).fit(X[: len(y)], y)


def rows_of(classes: int) -> NDArray[np.intp]:
    return np.flatnonzero(LABELS[:600] < classes)


@every_kernel
@pytest.mark.parametrize("shape", ["ovr", "ovo"])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_scores_are_those_of_scikit_learn(
    settings: dict[str, Any], shape: str, classes: int
) -> None:
    rows = rows_of(classes)
    ours, stock = (
        kind(decision_function_shape=shape, **settings).fit(X[rows], LABELS[rows])
        for kind in (MatrixSVC, SVC)
    )
    expected = stock.decision_function(X[600:1300])
    assert (
        expected.shape[1:]
        == {(2, shape): (), (3, shape): (3,), (10, "ovr"): (10,), (10, "ovo"): (45,)}[
            classes, shape
        ]
    )
    np.testing.assert_allclose(ours.decision_function(X[600:1300]), expected, rtol=0, atol=1e-9)


@every_kernel
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_predictions_are_the_stock_class_s_that_breaks_ties(
    settings: dict[str, Any], classes: int
) -> None:
    rows = rows_of(classes)
    ours = MatrixSVC(**settings).fit(X[rows], LABELS[rows])
    stock = SVC(**settings, break_ties=classes > 2).fit(X[rows], LABELS[rows])
    np.testing.assert_array_equal(ours.predict(X[600:]), stock.predict(X[600:]))


@every_kernel
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_margins_are_leads_over_the_closest_other_class(
    settings: dict[str, Any], classes: int
) -> None:
    rows = rows_of(classes)
    ours = MatrixSVC(decision_function_shape="margin", **settings).fit(X[rows], LABELS[rows])
    stock = SVC(decision_function_shape="ovo", **settings).fit(X[rows], LABELS[rows])
    pairs, scores = stock.decision_function(X[600:1300]), ours.decision_function(X[600:1300])
    if classes == 2:
        np.testing.assert_allclose(scores, pairs, rtol=0, atol=1e-9)
        return
    for row, margins in zip(pairs, scores, strict=True):
        lead = dict(zip(combinations(range(classes), 2), row, strict=True))
        lead |= {(b, a): -score for (a, b), score in lead.items()}
        expected = [min(lead[a, b] for b in range(classes) if b != a) for a in range(classes)]
        np.testing.assert_allclose(margins, expected, rtol=0, atol=1e-9)


@every_kernel
def test_by_margins_the_class_that_beats_all_others_is_predicted_as_by_votes(
    settings: dict[str, Any],
) -> None:
    ours = MatrixSVC(decision_function_shape="margin", **settings).fit(X[:600], LABELS[:600])
    beats_all = ours.decision_function(X[600:]).max(axis=1) > 1e-9
    assert 0.95 < beats_all.mean() <= 1
    np.testing.assert_array_equal(
        ours.predict(X[600:])[beats_all],
        SVC(**settings).fit(X[:600], LABELS[:600]).predict(X[600:])[beats_all],
    )


@pytest.mark.parametrize("kind", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_margins_of_kernels_that_are_functions_and_of_sparse_images(kind: Any) -> None:
    settings: dict[str, Any] = {"kernel": "linear"} if kind is csr_array else {"kernel": linear}
    ours = MatrixSVC(decision_function_shape="margin", **settings).fit(kind(X[:300]), LABELS[:300])
    usual = MatrixSVC(decision_function_shape="margin", kernel="linear").fit(X[:300], LABELS[:300])
    np.testing.assert_allclose(
        ours.decision_function(kind(X[300:500])),
        usual.decision_function(X[300:500]),
        rtol=0,
        atol=1e-6,
    )
    np.testing.assert_array_equal(ours.predict(kind(X[300:500])), usual.predict(X[300:500]))


def test_one_against_one_predicts_by_votes_as_the_stock_class_does() -> None:
    ours, stock = both(LABELS[:600], decision_function_shape="ovo")
    np.testing.assert_array_equal(ours.predict(X[600:]), stock.predict(X[600:]))


@pytest.mark.parametrize(
    "names", [np.array([f"digit {d}" for d in range(10)]), np.arange(10) * -7, np.arange(10) == 5]
)
def test_classes_may_have_any_names(names: NDArray) -> None:
    ours, stock = both(names[LABELS[:600]], break_ties=len(np.unique(names)) > 2)
    predictions = ours.predict(X[600:])
    np.testing.assert_array_equal(predictions, stock.predict(X[600:]))
    assert predictions.dtype == names.dtype


def test_weights_of_classes_and_images_are_kept() -> None:
    weight = np.random.default_rng(0).uniform(0.1, 3, 600)
    ours, stock = (
        kind(class_weight="balanced").fit(X[:600], LABELS[:600], weight)
        for kind in (MatrixSVC, SVC)
    )
    np.testing.assert_allclose(
        ours.decision_function(X[600:]), stock.decision_function(X[600:]), rtol=0, atol=1e-9
    )


def test_number_of_images_scored_at_once_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = both(LABELS[:300])
    whole = ours.decision_function(X[300:800])
    monkeypatch.setattr(svm, "BATCH", 7)
    np.testing.assert_allclose(ours.decision_function(X[300:800]), whole, rtol=0, atol=1e-9)
    assert ours.decision_function(X[300:301]).shape == (1, 10)


def linear(A: NDArray, B: NDArray) -> NDArray:
    return A @ B.T


def test_a_kernel_that_is_a_function_or_precomputed_is_the_stock_class() -> None:
    ours, stock = both(LABELS[:300], kernel=linear)
    np.testing.assert_array_equal(
        ours.decision_function(X[300:500]), stock.decision_function(X[300:500])
    )
    np.testing.assert_array_equal(ours.predict(X[300:500]), stock.predict(X[300:500]))
    ours, stock = (
        kind(kernel="precomputed").fit(linear(X[:300], X[:300]), LABELS[:300])
        for kind in (MatrixSVC, SVC)
    )
    products = linear(X[300:500], X[:300])
    np.testing.assert_array_equal(
        ours.decision_function(products), stock.decision_function(products)
    )
    np.testing.assert_array_equal(ours.predict(products), stock.predict(products))


def test_scores_of_sparse_images_are_those_of_scikit_learn() -> None:
    ours, stock = (kind().fit(csr_array(X[:300]), LABELS[:300]) for kind in (MatrixSVC, SVC))
    np.testing.assert_array_equal(
        ours.decision_function(csr_array(X[300:500])),
        stock.decision_function(csr_array(X[300:500])),
    )
    np.testing.assert_array_equal(
        ours.predict(csr_array(X[300:500])), stock.predict(csr_array(X[300:500]))
    )


def test_fitted_on_sparse_images_it_scores_dense_ones_as_the_stock_class_does() -> None:
    ours, stock = (kind().fit(csr_array(X[:300]), LABELS[:300]) for kind in (MatrixSVC, SVC))
    np.testing.assert_allclose(
        ours.decision_function(X[300:500]), stock.decision_function(X[300:500]), rtol=0, atol=1e-9
    )
