"""`python -m digits compare`: which differences between revisions are real, and which chance alone could have made."""

import json
from collections.abc import Sequence

from digits.experiments.comparison import UNDECIDED, Comparison, Difference


def as_json(comparisons: Sequence[Comparison]) -> str:
    """Everything as JSON, the verdict on the accuracy at the top; of several comparisons a list."""
    found = []
    for c in comparisons:
        first = c.accuracy
        found.append({
            "a": c.a, "b": c.b, "n": c.n, "confidence": c.confidence, "verdict": first.verdict, "p_value": first.p_value,
            "only_a": first.only_a, "only_b": first.only_b, "difference": first.difference, "difference_low": first.low,
            "difference_high": first.high, "metrics": [vars(each) for each in c.metrics],
            "per_digit": {each.name.removeprefix("recall_"): vars(each) for each in c.per_digit},
            "params": {name: {"a": a, "b": b} for name, (a, b) in c.params.items()},
        })  # fmt: skip
    return json.dumps(found[0] if len(found) == 1 else found, indent=1) + "\n"


def as_text(comparison: Comparison, markdown: bool = False) -> str:
    """The comparison for a terminal, or as Markdown for a pull request."""
    c, first = comparison, comparison.accuracy
    bold = "**" if markdown else ""
    code = "`" if markdown else ""
    a, b = f"{code}{c.a}{code}", f"{code}{c.b}{code}"
    level = percent(c.confidence)
    lines = [
        f"{b} against {a}: {bold}{first.verdict}{bold}{f' than {a}' if first.verdict != UNDECIDED else ''}.",
        "",
        f"Of {c.n:,} images {a} alone read {first.only_a} right, {b} alone {first.only_b} (McNemar's exact p = {_p(first)}).",
        "",
        *_table(
            ["metric", "A", "B", "B - A", f"{level} interval", ""],
            [_cells(each) for each in c.metrics],
            markdown,
        ),
    ]
    if c.per_digit:
        header = [
            "images of",
            "A",
            "B",
            "B - A",
            f"{level} interval",
            "only A",
            "only B",
            "p (Holm)",
            "",
        ]
        rows = [
            [
                each.name.removeprefix("recall_"),
                *_cells(each)[1:-1],
                str(each.only_a),
                str(each.only_b),
                _p(each),
                each.verdict,
            ]
            for each in c.per_digit
        ]
        lines += ["", *_table(header, rows, markdown)]
    lines += ["", "Params that differ:" if c.params else "The same params.", ""]
    if c.params:
        lines += _table(
            ["param", "A", "B"],
            [[name, *(json.dumps(v) for v in pair)] for name, pair in c.params.items()],
            markdown,
        )
    return "\n".join(lines).rstrip() + "\n"


def percent(level: float) -> str:
    """0.95 as 95%, 0.999 as 99.9%."""
    return f"{100 * level:.6g}%"


def _cells(each: Difference) -> list[str]:
    interval = f"{each.low:+.4f} to {each.high:+.4f}"
    return [
        each.name,
        f"{each.a:.4f}",
        f"{each.b:.4f}",
        f"{each.difference:+.4f}",
        interval,
        each.verdict,
    ]


def _p(difference: Difference) -> str:
    p = difference.exact_p_value
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def matrix(comparisons: Sequence[Comparison], markdown: bool = False) -> str:
    """Several revisions against each other, as `compare_pairs` compared them: the row against the column."""
    names = list(dict.fromkeys(name for c in comparisons for name in (c.a, c.b)))
    cells = {(name, name): "." for name in names}
    accuracy: dict[str, float] = {}
    for c in comparisons:
        accuracy |= {c.a: c.accuracy.a, c.b: c.accuracy.b}
        cells[c.b, c.a] = f"{c.accuracy.difference:+.4f} {c.accuracy.verdict}"
        cells[c.a, c.b] = f"{0 - c.accuracy.difference:+.4f} {_turned(c.accuracy.verdict)}"
    rows = [
        [name, f"{accuracy[name]:.4f}", *(cells[name, other] for other in names)] for name in names
    ]
    table = _table(["", "accuracy", *(f"against {name}" for name in names)], rows, markdown)
    return (
        "\n".join(
            [
                *table,
                "",
                f"McNemar's exact test, Holm's correction for {len(comparisons)} comparisons.",
            ]
        )
        + "\n"
    )


def _turned(verdict: str) -> str:
    return {"better": "worse", "worse": "better"}.get(verdict, verdict)


def _table(header: list[str], rows: Sequence[Sequence[str]], markdown: bool) -> list[str]:
    """Numbers to the right, words to the left."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    left = [
        i == 0 or not any(row[i][:1] in "+-0123456789" for row in rows if row[i])
        for i in range(len(header))
    ]
    lines = [
        [
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(row, widths, left, strict=True)
        ]
        for row in (header, *rows)
    ]
    if not markdown:
        return [("  ".join(line)).rstrip() for line in lines]
    rule = [
        ("-" if to_left else "-:").rjust(width, "-")
        for width, to_left in zip(widths, left, strict=True)
    ]
    return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]
