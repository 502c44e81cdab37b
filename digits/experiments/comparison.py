"""`python -m digits compare`: which differences between revisions are real, and which chance alone could have made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from digits.common.errors import BadInput
from digits.experiments.revisions import Revision
from digits.metrics.classification import by_class
from digits.metrics.intervals import percentiles, resampled_counts, resampled_ranking
from digits.metrics.paired import holm, mcnemar, paired_difference
from digits.metrics.predictions import Predictions

UNDECIDED = "cannot tell apart"


@dataclass(frozen=True)
class Difference:
    """One metric of A and of B on the same images, and B's less A's with its paired interval."""

    name: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    verdict: str
    p_value: float | None = None
    only_a: int | None = None
    only_b: int | None = None

    @property
    def tested(self) -> float:
        """The p-value of one that has been tested."""
        assert self.p_value is not None
        return self.p_value


@dataclass(frozen=True)
class Comparison:
    """B against A: all metrics, accuracy first; the same for each digit (Holm); and params that differ, (A's, B's) by name."""

    a: str
    b: str
    n: int
    confidence: float
    metrics: list[Difference]
    per_digit: list[Difference]
    params: dict[str, tuple[Any, Any]]

    @property
    def accuracy(self) -> Difference:
        """The difference that the verdict is about."""
        return self.metrics[0]


def compare(a: Revision, b: Revision, confidence: float = 0.95) -> Comparison:
    """Compare two revisions image by image.

    The verdict on the accuracy, and on each digit's recall, is that of McNemar's exact test, for the ten digits with Holm's
    correction; on other metrics it is whether 0 lies outside the paired bootstrap's percentile interval.
    Raises BadInput when they were not measured on the same images with the same labels.
    """
    one, other = a.predictions, b.predictions
    if a.metrics.get("test_set") != b.metrics.get("test_set") or not np.array_equal(
        one.rows, other.rows
    ):
        raise BadInput(
            f"{a.name} and {b.name} were tested on different images: allowed is one test set (fetch and split alike)."
        )
    if (
        "test_set" not in a.metrics and a.params["fetch"] != b.params["fetch"]
    ):  # validation: the rows are of different images
        raise BadInput(
            f"{a.name} and {b.name} are about different data sets: allowed is one fetch.dataset."
        )
    if one.labels.dtype != other.labels.dtype or not np.array_equal(one.labels, other.labels):
        raise BadInput(f"{a.name} and {b.name} answer different questions: allowed is one target.")
    accuracy = _hits("accuracy", one.right, other.right, confidence)
    per_digit = []
    if one.scores.ndim == 2:
        digits = [one.labels == digit for digit in range(10)]
        each = [
            _hits(f"recall_{digit}", one.right[of], other.right[of], confidence)
            for digit, of in enumerate(digits)
            if of.any()
        ]
        corrected = holm([difference.tested for difference in each])
        per_digit = [
            _judged(difference, p, confidence)
            for difference, p in zip(each, corrected, strict=True)
        ]
    more = (
        _ten_digits(one, other, confidence)
        if one.scores.ndim == 2
        else _yes_no(one, other, confidence)
    )
    return Comparison(
        a.name,
        b.name,
        len(one.rows),
        confidence,
        [accuracy, *more],
        per_digit,
        _changed(a.params, b.params),
    )


def _hits(name: str, a: NDArray[np.bool_], b: NDArray[np.bool_], confidence: float) -> Difference:
    only_a, only_b, n = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a)), len(a)
    low, high = paired_difference(only_a, only_b, n, confidence)
    p = mcnemar(only_a, only_b)
    difference = Difference(
        name,
        a.mean().item(),
        b.mean().item(),
        (only_b - only_a) / n,
        low,
        high,
        "",
        p,
        only_a,
        only_b,
    )
    return _judged(difference, p, confidence)


def _judged(difference: Difference, p: float, confidence: float) -> Difference:
    word = UNDECIDED if p > 1 - confidence else _direction(difference.difference)
    return Difference(**vars(difference) | {"p_value": float(p), "verdict": word})


def _direction(difference: float) -> str:
    return "better" if difference > 0 else "worse"


def _resampled(name: str, a: float, b: float, replicates: NDArray, confidence: float) -> Difference:
    low, high = percentiles(replicates, confidence).tolist()
    word = UNDECIDED if low <= 0 <= high else _direction(b - a)
    return Difference(name, float(a), float(b), float(b - a), low, high, word)


def _tables(one: Predictions, other: Predictions, classes: int) -> tuple[NDArray, NDArray]:
    """Both confusion matrices, the measured ones first and then resampled together: (1 + resamples, classes, classes) each."""
    joint = (one.labels.astype(np.intp) * classes + one.predicted) * classes + other.predicted
    # Nearly all of the thousand combinations of truth and two answers are empty.
    there, first, cells = np.unique(joint, return_index=True, return_inverse=True)
    # In the order in which the images bring them: with A and B swapped, the same images are drawn.
    order = np.argsort(first)
    there, cells = there[order], np.argsort(order)[cells]
    counts = np.vstack([np.bincount(cells), resampled_counts(cells, len(there))])
    full = np.zeros((len(counts), classes**3), np.int64)
    full[:, there] = counts
    cube = full.reshape(-1, classes, classes, classes)
    return cube.sum(axis=3), cube.sum(axis=2)


def _ten_digits(one: Predictions, other: Predictions, confidence: float) -> list[Difference]:
    a, b = (by_class(table) for table in _tables(one, other, one.scores.shape[1]))
    means = {f"macro_{name}": (a[name].mean(axis=1), b[name].mean(axis=1)) for name in a}
    return [
        _resampled(name, x[0], y[0], y[1:] - x[1:], confidence) for name, (x, y) in means.items()
    ]


def _yes_no(one: Predictions, other: Predictions, confidence: float) -> list[Difference]:
    a, b = (by_class(table) for table in _tables(one, other, 2))
    found = [
        _resampled(name, a[name][0, 1], b[name][0, 1], b[name][1:, 1] - a[name][1:, 1], confidence)
        for name in a
    ]
    if not 0 < one.labels.sum() < len(one.labels):
        return found
    x, y = (resampled_ranking(said.labels, said.scores) for said in (one, other))
    for column, (name, metric) in enumerate(
        {"roc_auc": roc_auc_score, "average_precision": average_precision_score}.items()
    ):
        a_here, b_here = (metric(said.labels, said.scores) for said in (one, other))
        found.append(_resampled(name, a_here, b_here, y[:, column] - x[:, column], confidence))
    return found


def _changed(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = ""
) -> dict[str, tuple[Any, Any]]:
    """Leaves that differ, by dotted name; None where there is none."""
    changed: dict[str, tuple[Any, Any]] = {}
    for name in dict.fromkeys([*a, *b]):
        x, y = a.get(name), b.get(name)
        if isinstance(x, Mapping) or isinstance(y, Mapping):
            x, y = (value if isinstance(value, Mapping) else {} for value in (x, y))
            changed |= _changed(x, y, f"{prefix}{name}.")
        elif x != y:
            changed[f"{prefix}{name}"] = (x, y)
    return changed


def pairs(revisions: Sequence[Revision], confidence: float) -> list[Comparison]:
    """Every two of several revisions; the p-values and verdicts on the accuracy are with Holm's correction for so many."""
    found = [compare(a, b, confidence) for a, b in combinations(revisions, 2)]
    corrected = holm([each.accuracy.tested for each in found])
    return [
        replace(each, metrics=[_judged(each.accuracy, p, confidence), *each.metrics[1:]])
        for each, p in zip(found, corrected, strict=True)
    ]
