"""Labels and scores to measure, and what metrics of them are compared with."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from digits.metrics.predictions import Predictions, decide


def ten_digits(n: int = 500, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Labels, and probabilities that are right in about two of three."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, n).astype(np.uint8)
    scores = rng.dirichlet(np.full(10, 0.3), n) + 0.4 * np.eye(10)[y]
    return y, scores / scores.sum(axis=1, keepdims=True)


def yes_or_no(
    n: int = 500, seed: int = 0, decimals: int = 2
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels, and probabilities of which many are equal."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.1
    return y, np.clip(rng.normal(0.3 + 0.4 * y, 0.2), 0, 1).round(decimals)


def predictions_of(
    y: NDArray, scores: NDArray[np.float64], probability: bool = True
) -> Predictions:
    """What a model with these scores predicts."""
    return Predictions(np.arange(len(y), dtype=np.int64), y, decide(scores, probability), scores)


def without_intervals(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not name.endswith(("_low", "_high"))}


def intervals_of(values: dict[str, float]) -> dict[str, tuple[float, float, float]]:
    """Low end, value and high end of every metric; there must be no other values."""
    named = without_intervals(
        {name: value for name, value in values.items() if name not in ("n", "errors")}
    )
    intervals = {
        name: (values[f"{name}_low"], value, values[f"{name}_high"])
        for name, value in named.items()
    }
    assert len(values) - len({"n", "errors"} & set(values)) == 3 * len(intervals)
    return intervals


def wilson(hits: int, n: int, z: float) -> tuple[float, float]:
    """The closed form of Wilson (1927)."""
    p = hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


# Images of a yes/no target: whether each is a yes, and its score.
yes_no_images = st.lists(
    st.tuples(st.booleans(), st.integers(-8, 8)), min_size=2, max_size=30
).filter(lambda rows: any(yes for yes, _ in rows))


def arrays_of(rows: list[tuple[bool, int]]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.array([yes for yes, _ in rows]), np.array([score / 8 for _, score in rows])


def precision_and_recall(
    y: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float
) -> tuple[Fraction, Fraction]:
    """Exact, of what scores at least the threshold."""
    predicted = scores >= threshold
    hits = int((predicted & y).sum())
    return Fraction(hits, int(predicted.sum())), Fraction(hits, int(y.sum()))
