"""The virtual support vector method: support vectors, and their copies alone, are learned from."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC

from digits.data.transforms import shift
from digits.models.svm import margins
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitOptions
from tests.small import IMAGES, LABELS, SETTINGS, images, new

N = 200
PICTURES = IMAGES[:N].reshape(-1, 8, 8)
SHIFTED = [shift(PICTURES, *by).reshape(-1, 64) for by in ((-1, 0), (1, 0), (0, -1), (0, 1))]
X = np.concatenate([IMAGES[:N], *SHIFTED])
Y = np.tile(LABELS[:N], 5)
SOURCE = np.tile(np.arange(N, dtype=np.int32), 5)
DATA = TrainingSet(X, Y, SOURCE, N)
OPTIONS = FitOptions("support_vectors")


def step_by_step(data: TrainingSet, rows: NDArray, settings: dict[str, Any]) -> SVC:
    """The method, with scikit-learn's class."""
    originals = [row for row in rows if row == data.source[row]]
    first = SVC(**settings).fit(to_unit(data, originals), data.y[originals])
    enlarged = [originals[number] for number in first.support_]
    enlarged += [row for row in rows if row not in originals and data.source[row] in enlarged]
    return SVC(**settings).fit(to_unit(data, enlarged), data.y[enlarged])


def to_unit(data: TrainingSet, rows: list[int]) -> NDArray[np.float64]:
    pixels = data.read(np.array(rows)).tolist()
    shares = [[np.float32(value) / np.float32(255) for value in row] for row in pixels]
    return np.array(shares, np.float64)


@pytest.mark.parametrize("target", ["digit", "five"])
@pytest.mark.parametrize("n_copies", [0, 1, 4])
def test_support_vectors_are_enlarged_by_their_copies_alone(n_copies: int, target: str) -> None:
    n = N * (1 + n_copies)
    data = TrainingSet(X[:n], Y[:n] if target == "digit" else Y[:n] == 5, SOURCE[:n], N)
    rows = np.flatnonzero(data.source % 4 != 0).astype(np.int32)
    expected = step_by_step(data, rows, SETTINGS["svm"])
    model = fit(new("svm"), data, rows, OPTIONS)[-1]
    assert model.shape_fit_ == expected.shape_fit_
    np.testing.assert_array_equal(model.support_vectors_, expected.support_vectors_)
    queries = IMAGES[N : 3 * N] / 255
    expected.decision_function_shape = "ovo"
    scores = expected.decision_function(queries)
    if target == "digit":
        scores = margins(scores, 10)
    np.testing.assert_allclose(model.decision_function(queries), scores, atol=1e-9)


def test_there_are_fewer_support_vectors_than_images() -> None:
    """Else these tests would say nothing."""
    n_learned, _ = fit(new("svm"), DATA, options=OPTIONS)[-1].shape_fit_
    assert 5 * 10 < n_learned < 0.9 * len(X) and n_learned % 5 == 0


def test_without_copies_support_vectors_are_all_that_is_learned_from() -> None:
    data = images(IMAGES[:N], LABELS[:N])
    first = fit(new("svm"), data)[-1]
    second = fit(new("svm"), data, options=OPTIONS)[-1]
    assert second.shape_fit_[0] == len(first.support_) < N


def test_of_what_is_held_out_no_copy_is_learned_from() -> None:
    """The held-out images, and they alone, have ink in the first pixel."""
    held_out = SOURCE % 4 == 0
    marked = X.copy()
    marked[:, 0] = 0
    marked[held_out, 0] = 255
    data = TrainingSet(marked, Y, SOURCE, N)
    rows = np.flatnonzero(~held_out).astype(np.int32)
    assert not fit(new("svm"), data, rows, OPTIONS)[-1].support_vectors_[:, 0].any()
    leaking = fit(new("svm"), data, options=OPTIONS)[-1]
    assert leaking.support_vectors_[:, 0].any()
