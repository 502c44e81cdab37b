"""`python -m digits best`: this repository's experiments ranked by validation, and which of them cannot be told from the first."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from digits.common.errors import BadInput
from digits.experiments.comparison import UNDECIDED
from digits.experiments.revisions import (
    NoSuchRevision,
    NotCached,
    Revision,
    read_metrics,
    read_revision,
)
from digits.metrics.paired import holm, mcnemar, paired_difference
from digits.metrics.predictions import Predictions


@dataclass(frozen=True)
class Rank:
    """An experiment's place by its validation metrics, and how it stands to the first: None if that cannot be said."""

    name: str
    validation: dict[str, Any]
    verdict: str
    p_value: float | None = None
    low: float | None = None
    high: float | None = None


def ranked(root: Path, names: list[str], confidence: float = 0.95) -> tuple[list[Rank], list[str]]:
    """The revisions that were validated, the best first, and the names of those that were not. Nothing of the test set is read.

    Each is compared with the first on the images that both were validated on, by McNemar's exact test; the p-values and verdicts
    are with Holm's correction for so many. Raises NoSuchRevision, and BadInput when none of them was validated.
    """
    metrics: dict[str, dict[str, Any]] = {}
    without: list[str] = []
    for name in names:
        try:
            found = read_metrics(root, name, "validation")
        except NoSuchRevision:
            raise
        except BadInput:  # an experiment that failed, or a branch before it had results
            found = {}
        if found.get("n"):
            metrics[name] = found
        else:
            without.append(name)
    if not metrics:
        raise BadInput(
            "no revision has been validated: `dvc repro` or `dvc exp run` with train.validate other than none."
        )
    order = sorted(metrics, key=lambda name: -metrics[name]["accuracy"])
    first = _predictions(root, order[0])
    ranks = [Rank(order[0], metrics[order[0]], "the first")]
    for name in order[1:]:
        other = _predictions(root, name)
        if first is None or other is None:
            ranks.append(
                Rank(
                    name,
                    metrics[name],
                    "not on this machine: `dvc pull`, or `dvc exp apply` and `dvc repro`",
                )
            )
        else:
            ranks.append(_against(first, other, metrics[name], confidence))
    return _corrected(ranks, confidence), without


def _predictions(root: Path, name: str) -> Revision | None:
    try:
        return read_revision(root, name, "validation")
    except NotCached:
        return None


def _against(first: Revision, other: Revision, metrics: dict[str, Any], confidence: float) -> Rank:
    stand = standing(first.predictions, other.predictions, confidence)
    if stand is None or first.params["fetch"] != other.params["fetch"]:
        return Rank(other.name, metrics, "validated on other images")
    return Rank(other.name, metrics, stand.verdict, stand.p_value, stand.low, stand.high)


def _corrected(ranks: list[Rank], confidence: float) -> list[Rank]:
    tested = _tested(ranks)
    corrected = dict(zip(tested, holm([*tested.values()]).tolist(), strict=True))
    return [
        _judged(rank, corrected[_result(rank)], confidence) if _result(rank) in corrected else rank
        for rank in ranks
    ]


def _tested(ranks: list[Rank]) -> dict[str, float]:
    """The p-values, one for each result but the first: an experiment that was applied to the workspace stands there twice."""
    others = [rank for rank in ranks[1:] if rank.validation != ranks[0].validation]
    return {_result(rank): rank.p_value for rank in others if rank.p_value is not None}


def _result(rank: Rank) -> str:
    return str((rank.validation, rank.low, rank.high))


def _judged(rank: Rank, p: float, confidence: float) -> Rank:
    return replace(rank, p_value=p, verdict=UNDECIDED if p > 1 - confidence else rank.verdict)


@dataclass(frozen=True)
class Standing:
    """How one model stands to another on the n images that both were validated on: its accuracy less the other's is low to high."""

    verdict: str
    n: int
    only_first: int
    only_other: int
    p_value: float
    low: float
    high: float


def standing(first: Predictions, other: Predictions, confidence: float) -> Standing | None:
    """How `other` stands to `first`, by McNemar's exact test; None when they share no images or answer different questions."""
    both = np.intersect1d(first.rows, other.rows)
    a, b = (_at(said, both) for said in (first, other))
    if len(both) == 0 or a.labels.dtype != b.labels.dtype or not np.array_equal(a.labels, b.labels):
        return None
    only_a, only_b = int((a.right & ~b.right).sum()), int((b.right & ~a.right).sum())
    p = mcnemar(only_a, only_b)
    low, high = paired_difference(only_a, only_b, len(both), confidence)
    verdict = UNDECIDED if p > 1 - confidence else "worse" if only_a > only_b else "better"
    return Standing(verdict, len(both), only_a, only_b, p, low, high)


def _at(said: Predictions, rows: np.ndarray) -> Predictions:
    where = np.searchsorted(said.rows, rows)
    return Predictions(
        said.rows[where], said.labels[where], said.predicted[where], said.scores[where]
    )
