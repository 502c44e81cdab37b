"""Revisions made by hand, for the tests that compare them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.experiments.revisions import Revision
from digits.metrics.predictions import Predictions

PARAMS = {
    "target": "digit",
    "train": {"model": "knn"},
    "models": {"knn": {"n_neighbors": 4, "weights": "distance"}},
}
N = 600
TRUTH = np.random.default_rng(1).integers(0, 10, N).astype(np.uint8)


def revision(
    name: str, labels: NDArray, predicted: NDArray, scores: NDArray | None = None, **other: Any
) -> Revision:
    """A revision with these predictions; of ten digits unless there are scores."""
    rows, params = other.get("rows", np.arange(len(labels)) + 7), other.get("params", PARAMS)
    given = np.eye(10)[predicted] if scores is None else scores
    return Revision(
        name,
        params,
        {"test_set": other.get("test_set", "abc")},
        Predictions(rows, labels, predicted, given),
    )


def digits(name: str, errors: float, seed: int, **other: Any) -> Revision:
    """A revision that reads a share `errors` of TRUTH wrongly."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(N) < errors
    return revision(
        name,
        TRUTH,
        np.where(wrong, (TRUTH + rng.integers(1, 10, N)) % 10, TRUTH).astype(np.uint8),
        **other,
    )


def yes_no(name: str, spread: float, seed: int) -> Revision:
    """A revision that tells fives from other digits; the spread blurs its scores."""
    y = TRUTH == 5
    scores = np.random.default_rng(seed).normal(y, spread)
    return revision(name, y, scores > 0.5, scores)


A, B, SAME = digits("a", 0.20, 2), digits("b", 0.10, 3), digits("c", 0.19, 4)
NO, YES = yes_no("blurred", 0.8, 5), yes_no("sharp", 0.2, 6)
