"""`python -m digits best`: this repository's experiments ranked by validation, and which of them cannot be told from the first."""

from digits.commands.compare import percent
from digits.experiments.comparison import UNDECIDED
from digits.experiments.ranking import Rank, compared_results


def as_text(ranks: list[Rank], without: list[str], confidence: float) -> str:
    """A table for the terminal, and which revisions are without a validation."""
    header = (
        "",
        "experiment",
        "validated on",
        "accuracy",
        "95 % interval",
        "errors",
        f"against the first, {percent(confidence)} interval",
        "",
    )
    rows = [header]
    for place, rank in enumerate(ranks, start=1):
        of = rank.validation
        interval = (
            ""
            if rank.low is None
            else f"{rank.low:+.4f} to {rank.high:+.4f}, p = {rank.p_value:.2g}"
        )
        own = f"{of['accuracy_low']:.4f} to {of['accuracy_high']:.4f}"
        rows.append(
            (
                str(place),
                rank.name,
                f"{of['n']:,}",
                f"{of['accuracy']:.4f}",
                own,
                f"{of['errors']:,}",
                interval,
                rank.verdict,
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    alike = [
        rank.name for rank in ranks if rank.verdict in (UNDECIDED, "better")
    ]  # better: on the images that both were asked
    unknown = [rank.name for rank in ranks[1:] if rank.p_value is None]
    if len(ranks) == 1:
        end = "Only one has been validated: nothing to compare it with."
    elif alike:
        end = f"Cannot be told from the first: {', '.join(alike)}."
    else:
        end = (
            "None that was compared is as good as the first."
            if unknown
            else "No other can be said to be as good as the first."
        )
    end += f" Not compared: {', '.join(unknown)}." if unknown else ""
    end += f" Not validated: {', '.join(without)}." if without else ""
    end += " Ranked by validation alone; nothing of the test set was read."
    if tests := len(compared_results(ranks)):
        end += f" McNemar's exact test, Holm's correction for {tests} comparison{'s' if tests > 1 else ''}."
    return "\n".join([*lines, "", end]) + "\n"
