"""`python -m digits compare`: which differences between revisions are more than chance."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from digits.commands.options import add_confidence
from digits.commands.output import check_writable, code_span, percent, text_table, write_png
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from digits.experiments.comparison import Comparison, Difference
    from digits.experiments.revisions import Revision

HELP = "which differences between revisions are real: B against A, image by image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Revisions, what of them to compare, and how to show it."""
    parser.add_argument(
        "revisions",
        nargs="*",
        metavar="REVISION",
        help="branches, tags, commits, DVC experiments, workspace; by default main and the "
        "workspace. Several make a matrix.",
    )
    parser.add_argument(
        "--validation",
        action="store_true",
        help="compare on validation, as any choice should be made",
    )
    add_confidence(parser, "of intervals and verdicts")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--md", action="store_true", help="print Markdown")
    parser.add_argument(
        "--gallery",
        type=Path,
        metavar="PATH",
        help="write a picture of the images fixed and broken (PNG)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Compare, print, and draw the gallery that was asked for."""
    from digits.experiments.comparison import compare, compare_pairs
    from digits.experiments.names import WORKSPACE
    from digits.experiments.revisions import read_revision

    check_writable("--gallery", arguments.gallery)
    names = arguments.revisions or ["main"]
    names = [*names, WORKSPACE] if len(names) == 1 else names
    revisions = [
        read_revision(ROOT, name, "validation" if arguments.validation else "test")
        for name in names
    ]
    a, b, *more = revisions
    if more and arguments.gallery:
        raise BadInput(f"--gallery takes two revisions, not {len(revisions)}.")
    if more:
        comparisons = compare_pairs(revisions, arguments.confidence)
        text = matrix_text(comparisons, arguments.md)
    else:
        comparisons = [compare(a, b, arguments.confidence)]
        text = comparison_text(comparisons[0], arguments.md)
    print(comparisons_json(comparisons) if arguments.json else text, end="")
    if arguments.gallery:
        _write_gallery(a, b, arguments.gallery)


def _write_gallery(a: "Revision", b: "Revision", path: Path) -> None:
    from digits.commands.side_by_side import changed_predictions
    from digits.data.folds import name_classes
    from digits.experiments.revisions import open_result

    with open_result(ROOT, b.name) as result:
        images = result.read_array("data/raw/images.npy")[a.predictions.rows]
    models = (a.name, a.predictions), (b.name, b.predictions)
    figure = changed_predictions(images, *models, name_classes(a.params["target"]))
    write_png("--gallery", figure, path)


def comparisons_json(comparisons: Sequence["Comparison"]) -> str:
    """Everything as JSON, the verdict on the accuracy at the top; of several a list."""
    values = [_json_values(comparison) for comparison in comparisons]
    return json.dumps(values[0] if len(values) == 1 else values, indent=1) + "\n"


def _json_values(comparison: "Comparison") -> dict[str, object]:
    accuracy = comparison.accuracy
    return {
        "a": comparison.a,
        "b": comparison.b,
        "n": comparison.n,
        "confidence": comparison.confidence,
        "verdict": accuracy.verdict,
        "p_value": accuracy.p_value,
        "only_a": accuracy.only_a,
        "only_b": accuracy.only_b,
        "difference": accuracy.difference,
        "difference_low": accuracy.low,
        "difference_high": accuracy.high,
        "metrics": [vars(metric) for metric in comparison.metrics],
        "per_digit": {
            recall.name.removeprefix("recall_"): vars(recall) for recall in comparison.per_digit
        },
        "params": {name: {"a": a, "b": b} for name, (a, b) in comparison.params.items()},
    }


def comparison_text(comparison: "Comparison", markdown: bool = False) -> str:
    """One comparison for a terminal, or as Markdown for a pull request."""
    from digits.experiments.comparison import SAME, UNDECIDED

    def name(text: str) -> str:
        return code_span(text) if markdown else text

    accuracy, level = comparison.accuracy, percent(comparison.confidence)
    a, b = name(comparison.a), name(comparison.b)
    verdict = f"**{accuracy.verdict}**" if markdown else accuracy.verdict
    than = {UNDECIDED: "", SAME: ", prediction by prediction"}.get(accuracy.verdict, f" than {a}")
    blocks = [
        f"{b} against {a}: {verdict}{than}.",
        f"Of {comparison.n:,} images {a} alone read {accuracy.only_a} right, "
        f"{b} alone {accuracy.only_b} (McNemar's exact p = {_p_value(accuracy)}).",
        text_table(
            ["metric", "A", "B", "B - A", f"{level} interval", ""],
            [[metric.name, *_numbers(metric), metric.verdict] for metric in comparison.metrics],
            "lrrrrl",
            markdown,
        ),
    ]
    if comparison.per_digit:
        blocks.append(_per_digit_table(comparison, markdown))
    if comparison.params:
        rows = [
            [name(param), *(name(json.dumps(value)) for value in values)]
            for param, values in comparison.params.items()
        ]
        blocks += ["Params that differ:", text_table(["param", "A", "B"], rows, "lll", markdown)]
    else:
        blocks.append("The same params.")
    return "\n\n".join(blocks) + "\n"


def _per_digit_table(comparison: "Comparison", markdown: bool) -> str:
    interval = f"{percent(comparison.confidence)} interval"
    header = ["images of", "A", "B", "B - A", interval, "only A", "only B", "p (Holm)", ""]
    rows = [
        [
            recall.name.removeprefix("recall_"),
            *_numbers(recall),
            str(recall.only_a),
            str(recall.only_b),
            _p_value(recall),
            recall.verdict,
        ]
        for recall in comparison.per_digit
    ]
    return text_table(header, rows, "lrrrrrrrl", markdown)


def _numbers(metric: "Difference") -> list[str]:
    return [
        f"{metric.a:.4f}",
        f"{metric.b:.4f}",
        f"{metric.difference:+.4f}",
        f"{metric.low:+.4f} to {metric.high:+.4f}",
    ]


def _p_value(metric: "Difference") -> str:
    p = metric.exact_p_value
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"


def matrix_text(comparisons: Sequence["Comparison"], markdown: bool = False) -> str:
    """Several revisions against each other: the row against the column."""
    revisions = list(dict.fromkeys(name for c in comparisons for name in (c.a, c.b)))
    labels = [code_span(name) if markdown else name for name in revisions]
    accuracy: dict[str, float] = {}
    cells = {(name, name): "." for name in revisions}
    opposite = {"better": "worse", "worse": "better"}
    for c in comparisons:
        difference, verdict = c.accuracy.difference, c.accuracy.verdict
        accuracy |= {c.a: c.accuracy.a, c.b: c.accuracy.b}
        cells[c.b, c.a] = f"{difference:+.4f} {verdict}"
        # 0 - 0.0 is 0.0, where -0.0 would be printed with its sign.
        cells[c.a, c.b] = f"{0 - difference:+.4f} {opposite.get(verdict, verdict)}"
    rows = [
        [label, f"{accuracy[name]:.4f}", *(cells[name, other] for other in revisions)]
        for label, name in zip(labels, revisions, strict=True)
    ]
    header = ["", "accuracy", *(f"against {label}" for label in labels)]
    table = text_table(header, rows, "lr" + "r" * len(revisions), markdown)
    correction = f"McNemar's exact test, Holm's correction for {len(comparisons)} comparisons."
    return f"{table}\n\n{correction}\n"
