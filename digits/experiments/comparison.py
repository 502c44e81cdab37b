"""Paired comparison of two revisions, image by image, and of every two of several."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.experiments.paired import are_same, holm, mcnemar, paired_difference
from digits.experiments.revisions import Revision
from digits.metrics.classification import RANKING_METRICS, by_class
from digits.metrics.intervals import percentile_interval, resampled_counts, resampled_ranking
from digits.metrics.predictions import Predictions
from digits.params.nested import flatten

BETTER, WORSE, UNDECIDED, SAME = "better", "worse", "cannot tell apart", "the same"


def verdict(difference: float, is_significant: bool) -> str:
    """What a difference says of the second of two models: better, worse or cannot tell apart."""
    if not is_significant:
        return UNDECIDED
    return BETTER if difference > 0 else WORSE


def is_significant(p_value: float, confidence: float) -> bool:
    """Whether a test rejects that there is no difference."""
    return p_value <= 1 - confidence


@dataclass(frozen=True)
class Difference:
    """One metric of A and of B on the same images, and the paired interval of B's less A's.

    Those that McNemar's test is about have a p-value, and the numbers of images that A alone and B
    alone got right.
    """

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
    def exact_p_value(self) -> float:
        """The p-value of a metric that McNemar's test is about."""
        assert self.p_value is not None
        return self.p_value


@dataclass(frozen=True)
class Comparison:
    """Revision B against revision A.

    Attributes
    ----------
    a, b : str
        The revisions as they were named.
    n : int
        How many images both were tested on.
    confidence : float
        Of the intervals and verdicts.
    metrics : list of Difference
        All metrics, accuracy first.
    per_digit : list of Difference
        The recall of each digit that there are images of, with Holm's correction; none for a yes/no
        target.
    params : dict of str to tuple
        The params that differ, A's and B's value by dotted name; None where there is no such param.
    """

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

    The verdict on the accuracy, and on each digit's recall, is that of McNemar's exact test, for
    the ten digits with Holm's correction. On other metrics it is whether 0 lies outside the
    percentile interval of the paired bootstrap. Where all predictions and scores are equal, byte
    for byte, every verdict is that they are the same.

    Parameters
    ----------
    a, b : Revision
        What is compared; a difference is B's number less A's.
    confidence : float, default=0.95
        Of the intervals and verdicts, between 0 and 1.

    Raises
    ------
    BadInput
        When they were not measured on the same images with the same labels.
    """
    _check_comparable(a, b)
    first, second = a.predictions, b.predictions
    accuracy = _compare_proportions("accuracy", first.correct, second.correct, confidence)
    if first.scores.ndim == 1:
        others, per_digit = _compare_yes_no(first, second, confidence), []
    else:
        others = _compare_macro(first, second, confidence)
        per_digit = _compare_digits(first, second, confidence)
    metrics = [accuracy, *others]
    if are_same(first, second):
        metrics = [replace(metric, verdict=SAME) for metric in metrics]
        per_digit = [replace(recall, verdict=SAME) for recall in per_digit]
    params = _differing_params(a, b)
    return Comparison(a.name, b.name, len(first.rows), confidence, metrics, per_digit, params)


def compare_pairs(revisions: Sequence[Revision], confidence: float) -> list[Comparison]:
    """Compare every two of several revisions.

    The p-values and verdicts on the accuracy are with Holm's correction for the number of pairs.
    Raises BadInput as `compare`.
    """
    comparisons = [compare(a, b, confidence) for a, b in combinations(revisions, 2)]
    corrected = holm([comparison.accuracy.exact_p_value for comparison in comparisons])
    return [
        replace(
            comparison,
            metrics=[_with_p_value(comparison.accuracy, p, confidence), *comparison.metrics[1:]],
        )
        for comparison, p in zip(comparisons, corrected.tolist(), strict=True)
    ]


def _check_comparable(a: Revision, b: Revision) -> None:
    first, second = a.predictions, b.predictions
    same_test_set = a.metrics.get("test_set") == b.metrics.get("test_set")
    if not same_test_set or not np.array_equal(first.rows, second.rows):
        raise BadInput(
            f"{a.name} and {b.name} were tested on different images: "
            "allowed is one test set (fetch and split alike)."
        )
    # Validation has no digest of its images, and rows of another data set are other images.
    if "test_set" not in a.metrics and a.data_set != b.data_set:
        raise BadInput(
            f"{a.name} and {b.name} are about different data sets: allowed is one fetch.dataset."
        )
    same_type = first.labels.dtype == second.labels.dtype
    if not same_type or not np.array_equal(first.labels, second.labels):
        raise BadInput(f"{a.name} and {b.name} answer different questions: allowed is one target.")


def _differing_params(a: Revision, b: Revision) -> dict[str, tuple[Any, Any]]:
    first, second = flatten(a.params), flatten(b.params)
    pairs = {name: (first.get(name), second.get(name)) for name in [*first, *second]}
    return {name: (x, y) for name, (x, y) in pairs.items() if x != y}


def _compare_proportions(
    name: str, a: NDArray[np.bool_], b: NDArray[np.bool_], confidence: float
) -> Difference:
    """The accuracies of A and B by whether each image was read right (n,)."""
    only_a, only_b, n = int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a)), len(a)
    low, high = paired_difference(only_a, only_b, n, confidence)
    difference, p = (only_b - only_a) / n, mcnemar(only_a, only_b)
    word = verdict(difference, is_significant(p, confidence))
    means = a.mean().item(), b.mean().item()
    return Difference(name, *means, difference, low, high, word, p, only_a, only_b)


def _with_p_value(difference: Difference, p: float, confidence: float) -> Difference:
    word = verdict(difference.difference, is_significant(p, confidence))
    return replace(difference, p_value=p, verdict=SAME if difference.verdict == SAME else word)


def _compare_digits(a: Predictions, b: Predictions, confidence: float) -> list[Difference]:
    """The recall of each digit that there are images of, with Holm's correction."""
    of_digit = {digit: a.labels == digit for digit in range(10)}
    recalls = [
        _compare_proportions(f"recall_{digit}", a.correct[images], b.correct[images], confidence)
        for digit, images in of_digit.items()
        if images.any()
    ]
    corrected = holm([recall.exact_p_value for recall in recalls]).tolist()
    return [
        _with_p_value(recall, p, confidence) for recall, p in zip(recalls, corrected, strict=True)
    ]


def _compare_macro(a: Predictions, b: Predictions, confidence: float) -> list[Difference]:
    """Precision, recall and F1 as means over the digits."""
    first, second = (by_class(tables) for tables in _confusions(a, b, a.scores.shape[1]))
    means = {name: (first[name].mean(axis=1), second[name].mean(axis=1)) for name in first}
    return [
        _compare_resampled(f"macro_{name}", x[0], y[0], y[1:] - x[1:], confidence)
        for name, (x, y) in means.items()
    ]


def _compare_yes_no(a: Predictions, b: Predictions, confidence: float) -> list[Difference]:
    """Precision, recall and F1 of a yes, and of the ranking where there are both yes and no."""
    first, second = (by_class(tables) for tables in _confusions(a, b, 2))
    yes = {name: (first[name][:, 1], second[name][:, 1]) for name in first}
    differences = [
        _compare_resampled(name, x[0], y[0], y[1:] - x[1:], confidence)
        for name, (x, y) in yes.items()
    ]
    if not 0 < a.labels.sum() < len(a.labels):
        return differences
    resampled = resampled_ranking(b.labels, b.scores) - resampled_ranking(a.labels, a.scores)
    for replicates, metric in zip(resampled.T, RANKING_METRICS, strict=True):
        values = metric.score(a.labels, a.scores), metric.score(b.labels, b.scores)
        differences.append(_compare_resampled(metric.name, *values, replicates, confidence))
    return differences


def _compare_resampled(
    name: str, a: float, b: float, replicates: NDArray, confidence: float
) -> Difference:
    """A metric of A and of B, and their difference in each resample (resamples,)."""
    low, high = percentile_interval(replicates, confidence).tolist()
    word = verdict(b - a, is_significant=not low <= 0 <= high)
    return Difference(name, float(a), float(b), float(b - a), low, high, word)


def _confusions(a: Predictions, b: Predictions, classes: int) -> tuple[NDArray, NDArray]:
    """The confusion matrices of A and of B, (1 + resamples, classes, classes) each.

    The first of each is the measured one; the others are resampled, both from the same images.
    """
    cells = (a.labels.astype(np.intp) * classes + a.predicted) * classes + b.predicted
    # Nearly all of the thousand combinations of truth and two predictions are empty.
    used, first_image, cells = np.unique(cells, return_index=True, return_inverse=True)
    # In the order in which the images bring them: with A and B swapped, the same images are drawn.
    order = np.argsort(first_image)
    used, cells = used[order], np.argsort(order)[cells]
    counts = np.vstack([np.bincount(cells), resampled_counts(cells, len(used))])
    joint = np.zeros((len(counts), classes**3), np.int64)
    joint[:, used] = counts
    cube = joint.reshape(-1, classes, classes, classes)
    return cube.sum(axis=3), cube.sum(axis=2)
