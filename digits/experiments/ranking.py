"""Experiments ranked by validation, each compared with the first; the test set is never read."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.experiments.comparison import SAME, is_significant, verdict
from digits.experiments.lock import NotOneResult
from digits.experiments.names import WORKSPACE, NoSuchRevision
from digits.experiments.paired import are_same, holm, mcnemar, paired_difference
from digits.experiments.revisions import NotCached, Revision, read_metrics, read_revision
from digits.metrics.predictions import Predictions

log = logging.getLogger(__name__)

FIRST = "the first"
OTHER_IMAGES = "validated on other images"
NOT_HERE = "not on this machine: `dvc pull`, or `dvc exp apply` and `dvc repro`"
FIRST_NOT_HERE = "not compared: the first is not on this machine"


@dataclass(frozen=True)
class PairedValidation:
    """One model against another on the images that both were validated on.

    Attributes
    ----------
    verdict : str
        Whether the other is better or worse than the first.
    n : int
        How many images both were validated on.
    only_first, only_other : int
        How many of them one alone read right.
    p_value : float
        Of McNemar's exact test.
    difference, low, high : float
        The other's accuracy less the first's, with its interval.
    """

    verdict: str
    n: int
    only_first: int
    only_other: int
    p_value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Rank:
    """An experiment's validation, and how it compares with the first.

    Attributes
    ----------
    name : str
        The experiment as it was named.
    validation : dict of str to number
        Its validation metrics.
    verdict : str
        Whether it is better or worse than the first, or why that cannot be said.
    p_value : float or None
        Of McNemar's exact test, with Holm's correction; None when it was not compared.
    difference, low, high : float or None
        Its accuracy less the first's on the images of both, with its interval.
    """

    name: str
    validation: dict[str, Any]
    verdict: str
    p_value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def result(self) -> tuple[Any, ...]:
        """What two names of one result have in common."""
        return self.validation, self.low, self.high


def rank_experiments(
    root: Path, names: list[str], confidence: float = 0.95
) -> tuple[list[Rank], list[str]]:
    """Rank revisions by their validation accuracy, and compare each with the first.

    They are compared on the images that both were validated on, by McNemar's exact test, with
    Holm's correction for the number of comparisons.

    Parameters
    ----------
    root : Path
        The repository.
    names : list of str
        Branches, tags, commits, DVC experiments or `workspace`.
    confidence : float, default=0.95
        Of the intervals and verdicts, between 0 and 1.

    Returns
    -------
    ranks : list of Rank
        Those that were validated, the best first.
    not_validated : list of str
        The names of the others.

    Raises
    ------
    NoSuchRevision
        When one of the names is none.
    BadInput
        When no revision was validated.
    """
    metrics = {name: _read_validation(root, name) for name in names}
    validated = [name for name in metrics if metrics[name].get("n")]
    not_validated = [name for name in metrics if not metrics[name].get("n")]
    if not validated:
        raise BadInput(
            "no revision has been validated: "
            "`dvc repro` or `dvc exp run` with train.validate other than none."
        )
    validated.sort(key=lambda name: -metrics[name]["accuracy"])
    first = _read_predictions(root, validated[0])
    word = FIRST if first else f"{FIRST}, {NOT_HERE}"
    ranks = [Rank(validated[0], metrics[validated[0]], word)]
    for name in validated[1:]:
        other = _read_predictions(root, name)
        ranks.append(_rank(name, metrics[name], first, other, confidence))
    return _correct(ranks, confidence), not_validated


def compared_results(ranks: list[Rank]) -> list[Rank]:
    """One rank for each result that was compared with the first.

    An experiment that was applied to the workspace is in the ranking twice, and is one result; what
    has the first's own metrics is the first.
    """
    results: list[Rank] = []
    for rank in ranks[1:]:
        is_first = rank.validation == ranks[0].validation
        if rank.p_value is not None and not is_first and rank.result not in _results(results):
            results.append(rank)
    return results


def compare_validation(
    first: Predictions, other: Predictions, confidence: float
) -> PairedValidation | None:
    """Compare two models on the images that both were validated on, by McNemar's exact test.

    Parameters
    ----------
    first, other : Predictions
        What each predicted in its validation.
    confidence : float
        Of the interval and the verdict, between 0 and 1.

    Returns
    -------
    PairedValidation or None
        None when they share no images or answer different questions.
    """
    shared = np.intersect1d(first.rows, other.rows)
    a, b = _select(first, shared), _select(other, shared)
    if (
        len(shared) == 0
        or a.labels.dtype != b.labels.dtype
        or not np.array_equal(a.labels, b.labels)
    ):
        return None
    only_a, only_b = int((a.correct & ~b.correct).sum()), int((b.correct & ~a.correct).sum())
    n, p = len(shared), mcnemar(only_a, only_b)
    difference = (only_b - only_a) / n
    low, high = paired_difference(only_a, only_b, n, confidence)
    word = verdict(difference, is_significant(p, confidence))
    if are_same(first, other):
        word = SAME
    return PairedValidation(word, n, only_a, only_b, p, difference, low, high)


def _read_validation(root: Path, name: str) -> dict[str, Any]:
    """The metrics; none, and a warning that says why, where they cannot be read."""
    try:
        return read_metrics(root, name, "validation")
    except BadInput as error:
        of_workspace = name == WORKSPACE and isinstance(error, NotOneResult)
        if of_workspace or isinstance(error, NoSuchRevision):
            raise
        log.warning("%s", error)
        return {}


def _read_predictions(root: Path, name: str) -> Revision | None:
    try:
        return read_revision(root, name, "validation")
    except NotCached:
        return None


def _rank(
    name: str,
    metrics: dict[str, Any],
    first: Revision | None,
    other: Revision | None,
    confidence: float,
) -> Rank:
    if first is None or other is None:
        return Rank(name, metrics, FIRST_NOT_HERE if other else NOT_HERE)
    paired = compare_validation(first.predictions, other.predictions, confidence)
    if paired is None or first.data_set != other.data_set:
        return Rank(name, metrics, OTHER_IMAGES)
    return Rank(
        name,
        metrics,
        paired.verdict,
        paired.p_value,
        paired.difference,
        paired.low,
        paired.high,
    )


def _results(ranks: list[Rank]) -> list[tuple[Any, ...]]:
    return [rank.result for rank in ranks]


def _correct(ranks: list[Rank], confidence: float) -> list[Rank]:
    """The ranks with Holm's correction of their p-values, and verdicts by these."""
    compared = compared_results(ranks)
    results = _results(compared)
    p_values = holm([rank.p_value for rank in compared if rank.p_value is not None]).tolist()
    corrected = []
    for rank in ranks:
        if rank.difference is None or rank.result not in results:
            corrected.append(rank)
        else:
            p = p_values[results.index(rank.result)]
            word = verdict(rank.difference, is_significant(p, confidence))
            word = SAME if rank.verdict == SAME else word
            corrected.append(replace(rank, p_value=p, verdict=word))
    return corrected


def _select(predictions: Predictions, rows: NDArray[np.integer]) -> Predictions:
    """The predictions of some of the rows, which are all there."""
    index = np.searchsorted(predictions.rows, rows)
    return Predictions(
        predictions.rows[index],
        predictions.labels[index],
        predictions.predicted[index],
        predictions.scores[index],
    )
