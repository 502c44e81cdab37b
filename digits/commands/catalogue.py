"""`python -m digits catalogue`: what can be chosen and what is measured, as tables in Markdown.

`python -m digits catalogue params` is the page on the keys of params.yaml.
"""

import argparse
from collections.abc import Iterator
from importlib import import_module

from digits.commands.output import code_span, text_table

HELP = (
    "the data sets, representations, models and metrics that there are, as in docs/catalogue.md; "
    "`catalogue params`: every key of params.yaml, as in docs/params.md"
)

Table = tuple[str, list[str], list[list[str]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which page."""
    parser.add_argument(
        "page",
        nargs="?",
        choices=["catalogue", "params"],
        default="catalogue",
        help="catalogue (the default), or params",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print a page."""
    from digits.commands.params_page import params_text
    from digits.experiments.git import ROOT

    print(params_text(ROOT) if arguments.page == "params" else catalogue_text(), end="")


def catalogue_text() -> str:
    """Return all tables, each under its title; docs/catalogue.md holds this text."""
    lines = [
        "# Catalogue",
        "",
        "What `params.yaml` can name, what is measured, and which commands there are. Written by "
        "`python -m digits catalogue` from the tables in the code.",
    ]
    for title, header, rows in tables():
        table = text_table(header, rows, "l" * len(header), markdown=True)
        lines += ["", f"## {title}", "", table]
    return "\n".join(lines) + "\n"


def tables() -> Iterator[Table]:
    """Yield the title, the header and the rows of each table."""
    from digits.__main__ import COMMANDS
    from digits.metrics.classification import METRICS
    from digits.models.families import FAMILIES
    from digits.params.datasets import SOURCES
    from digits.params.models import MODELS, Models
    from digits.params.representations import REPRESENTATIONS, SCALES

    yield (
        "Data sets (`fetch.dataset`)",
        ["name", "what it is", "from", "licence"],
        [
            [code_span(each.name), each.summary, each.origin or "you", each.licence or "yours"]
            for each in SOURCES
        ],
    )
    for title, entries in (
        ("Representations (`train.features`)", REPRESENTATIONS),
        ("Scales (`train.scale`)", SCALES),
    ):
        rows = [[code_span(name), entry.summary] for name, entry in entries.items()]
        yield title, ["name", "what it is"], rows
    yield (
        "Models (`train.model`)",
        ["name", "class", "learns by epochs", "settings", "engines"],
        [
            [
                code_span(name),
                code_span(FAMILIES[name].estimator.__name__),
                "yes" if FAMILIES[name].by_epochs else "no",
                " ".join(map(code_span, _settings(Models, name))),
                " ".join(map(code_span, FAMILIES[name].engines)),
            ]
            for name in MODELS
        ],
    )
    yield (
        "Metrics",
        ["name", "what it is", "targets", "interval"],
        [
            [code_span(metric.name), metric.description, metric.target, metric.interval]
            for metric in METRICS
        ],
    )
    modules = {name: import_module(f"digits.commands.{name}") for name in COMMANDS}
    yield (
        "Commands (`python -m digits ...`)",
        ["name", "what it does"],
        [[code_span(name), module.HELP] for name, module in modules.items()],
    )


def _settings(models: type, name: str) -> list[str]:
    section = models.model_fields[name].annotation  # type: ignore[attr-defined]
    return list(section.model_fields)
