"""MatrixSVC learns what scikit-learn's own SVC does, to the last bit, on any number of threads."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from digits.models.svm import MatrixSVC
from tests.small import IMAGES, LABELS
from tests.svc import assert_learned_the_same, threads

X = IMAGES[:700] / 255
Y = LABELS[:700]
KERNELS: list[dict[str, Any]] = [
    {"kernel": "rbf", "C": 10.0},
    {"kernel": "rbf", "gamma": 0.1},
    {"kernel": "rbf", "gamma": "auto", "shrinking": False, "tol": 1e-5},
    {"kernel": "poly", "degree": 3},
    {"kernel": "poly", "degree": 9, "coef0": 1.0, "gamma": 0.02},
    {"kernel": "linear"},
    {"kernel": "sigmoid", "gamma": 0.01},
]
TARGETS: dict[str, NDArray] = {
    "digit": Y,
    "five": Y == 5,
    "three": np.array(["b", "c", "a"])[Y % 3],
}
every_kernel = pytest.mark.parametrize(
    "settings", KERNELS, ids=lambda settings: "-".join(map(str, settings.values()))
)


@every_kernel
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_learned_is_the_stock_class_s_to_the_last_bit(
    settings: dict[str, Any], target: str
) -> None:
    stock = SVC(**settings).fit(X, TARGETS[target])
    for n in (1, 2, 4):
        with threads(n):
            assert_learned_the_same(MatrixSVC(**settings).fit(X, TARGETS[target]), stock)


@pytest.mark.parametrize("width", [63, 37, 2, 1])
def test_so_it_is_where_rows_are_not_aligned_in_memory(width: int) -> None:
    Z = np.ascontiguousarray(X[:, 20 : 20 + width])
    with threads(2):
        assert_learned_the_same(MatrixSVC().fit(Z, Y), SVC().fit(Z, Y))


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.asfortranarray, list])
def test_so_it_is_for_images_of_any_type(kind: Any) -> None:
    Z = IMAGES[:200].astype(kind) if isinstance(kind, type(np.uint8)) else IMAGES[:200]
    with threads(2):
        assert_learned_the_same(MatrixSVC().fit(Z, Y[:200]), SVC().fit(Z, Y[:200]))


WEIGHTS = np.random.default_rng(0).uniform(0.1, 3, len(X))


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({"class_weight": "balanced"}, None),
        ({"class_weight": {1: 5.0, 3: 0.2}}, WEIGHTS),
        ({}, WEIGHTS),
        ({}, list(WEIGHTS)),
        ({}, WEIGHTS * (np.arange(len(X)) % 3 > 0)),  # 0 for some
        ({}, WEIGHTS * (Y != 4)),  # 0 for all of a class: so that there are fewer pairs
        ({"class_weight": "balanced"}, WEIGHTS - 0.2),  # some below 0
    ],
)
def test_weights_of_classes_and_images_count_as_in_the_stock_class(
    settings: dict[str, Any], weights: Any
) -> None:
    with threads(2):
        ours = MatrixSVC(**settings).fit(X, Y, weights)
    assert_learned_the_same(ours, SVC(**settings).fit(X, Y, weights))


@pytest.mark.parametrize("weights", [WEIGHTS[:-1], WEIGHTS[:, np.newaxis], 0 * WEIGHTS, -WEIGHTS])
def test_weights_that_the_stock_class_refuses_are_refused_in_its_words(weights: NDArray) -> None:
    messages = []
    for kind in (MatrixSVC, SVC):
        with pytest.raises(ValueError, match=r".") as caught:
            kind().fit(X, Y, weights)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("steps", [1, 5, 40])
def test_learning_that_stops_early_is_the_same_and_said_once(steps: int) -> None:
    fitted = []
    for kind in (MatrixSVC, SVC):
        with threads(2), pytest.warns(ConvergenceWarning, match=f"max_iter={steps}") as warned:
            fitted.append(kind(max_iter=steps).fit(X, Y))
        assert len(warned) == 1
    assert fitted[0].fit_status_ == 1
    assert_learned_the_same(*fitted)


def test_without_a_single_support_vector() -> None:
    with threads(2):
        ours = MatrixSVC(tol=3.0).fit(X, Y)
    assert len(ours.support_) == 0
    assert_learned_the_same(ours, SVC(tol=3.0).fit(X, Y))


def linear(A: NDArray, B: NDArray) -> NDArray:
    return A @ B.T


@pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("settings", "Z"),
    [
        ({"kernel": linear}, X),
        ({"kernel": "precomputed"}, linear(X, X)),
        ({"probability": True, "random_state": 3}, X),
        ({"verbose": True}, X),
        ({}, csr_array(X)),
        ({"kernel": "linear"}, csr_array(X)),
    ],
    ids=["function", "precomputed", "probability", "verbose", "sparse", "sparse linear"],
)
def test_what_goes_in_the_stock_way(
    settings: dict[str, Any], Z: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digits.models.svm.fit_pairs", None)
    with threads(2):
        ours = MatrixSVC(**settings).fit(Z, Y)
    assert_learned_the_same(ours, SVC(**settings).fit(Z, Y))


def test_it_is_quiet_after_one_that_was_not(capfd: pytest.CaptureFixture[str]) -> None:
    SVC(verbose=True).fit(X[:50], Y[:50])
    assert "LibSVM" in capfd.readouterr().out
    MatrixSVC().fit(X[:50], Y[:50])
    assert capfd.readouterr() == ("", "")


def test_cloned_in_a_pipeline_within_stacking_and_pickled() -> None:
    members = [
        StackingClassifier(
            [("svm", make_pipeline(StandardScaler(), kind(C=10.0)))], KNeighborsClassifier(), cv=2
        )
        for kind in (MatrixSVC, SVC)
    ]
    with threads(2):
        ours, stock = (
            pickle.loads(pickle.dumps(member)).fit(X[:400], Y[:400]).estimators_[0][-1]
            for member in members
        )
    assert_learned_the_same(pickle.loads(pickle.dumps(ours)), stock)
