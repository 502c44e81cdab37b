"""`python -m digits best`: experiments ranked by validation."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from digits.commands.options import add_confidence
from digits.commands.output import percent, text_table
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from digits.experiments.ranking import Rank

HELP = "experiments ranked by validation, and which of them cannot be told from the first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which revisions to rank, and how sure the verdicts shall be."""
    parser.add_argument(
        "revisions",
        nargs="*",
        metavar="REVISION",
        help="by default all DVC experiments and the workspace",
    )
    add_confidence(parser, "of the comparison")


def run(arguments: argparse.Namespace) -> int:
    """Rank and print; the exit code is 4 when the workspace is not one result and left out."""
    from digits.experiments.lock import NotOneResult
    from digits.experiments.names import WORKSPACE, list_revisions
    from digits.experiments.ranking import rank_experiments

    names, exit_code = arguments.revisions or [WORKSPACE, *list_revisions(ROOT)], 0
    try:
        ranks, not_validated = rank_experiments(ROOT, names, arguments.confidence)
    except NotOneResult as error:
        if arguments.revisions or names == [WORKSPACE]:
            raise
        print(f"digits: left out: {error}", file=sys.stderr)
        names, exit_code = names[1:], error.exit_code
        ranks, not_validated = rank_experiments(ROOT, names, arguments.confidence)
    print(ranking_text(ranks, not_validated, arguments.confidence), end="")
    return exit_code


def ranking_text(ranks: Sequence["Rank"], not_validated: Sequence[str], confidence: float) -> str:
    """The ranking as a table for a terminal, and what it says in words."""
    header = [
        "",
        "experiment",
        "validated on",
        "accuracy",
        "95 % interval",
        "errors",
        f"against the first, {percent(confidence)} interval",
        "",
    ]
    rows = [_cells(place, rank) for place, rank in enumerate(ranks, start=1)]
    return f"{text_table(header, rows, 'rlrrrrll')}\n\n{_conclusion(ranks, not_validated)}\n"


def _cells(place: int, rank: "Rank") -> list[str]:
    metrics = rank.validation
    interval = ""
    if rank.low is not None:
        interval = f"{rank.low:+.4f} to {rank.high:+.4f}, p = {rank.p_value:.2g}"
    return [
        str(place),
        rank.name,
        f"{metrics['n']:,}",
        f"{metrics['accuracy']:.4f}",
        f"{metrics['accuracy_low']:.4f} to {metrics['accuracy_high']:.4f}",
        f"{metrics['errors']:,}",
        interval,
        rank.verdict,
    ]


def _conclusion(ranks: Sequence["Rank"], not_validated: Sequence[str]) -> str:
    from digits.experiments.comparison import BETTER, SAME, UNDECIDED
    from digits.experiments.ranking import compared_results

    # A later one is "better" on the images that both were validated on, if those are few.
    alike = [rank.name for rank in ranks if rank.verdict in (UNDECIDED, BETTER)]
    same = [rank.name for rank in ranks if rank.verdict == SAME]
    not_compared = [rank.name for rank in ranks[1:] if rank.p_value is None]
    if len(ranks) == 1:
        sentences = ["Only one has been validated: nothing to compare it with."]
    elif alike or same:
        sentences = [f"The same as the first: {', '.join(same)}."] if same else []
        sentences += [f"Cannot be told from the first: {', '.join(alike)}."] if alike else []
    elif len(not_compared) == len(ranks) - 1:
        sentences = ["None could be compared with the first."]
    elif not_compared:
        sentences = ["None that was compared is as good as the first."]
    else:
        sentences = ["No other can be said to be as good as the first."]
    if not_compared:
        sentences.append(f"Not compared: {', '.join(not_compared)}.")
    if not_validated:
        sentences.append(f"Not validated: {', '.join(not_validated)}.")
    sentences.append("Ranked by validation alone; nothing of the test set was read.")
    if n_tests := len(compared_results([*ranks])):
        comparisons = f"{n_tests} comparison{'s' if n_tests > 1 else ''}"
        sentences.append(f"McNemar's exact test, Holm's correction for {comparisons}.")
    return " ".join(sentences)
