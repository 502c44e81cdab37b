"""docs/catalogue.md is what the tables in the code say."""

from digits.__main__ import COMMANDS
from digits.commands.catalogue import catalogue_text
from digits.metrics.classification import METRICS
from digits.models.families import FAMILIES
from digits.params.datasets import SOURCES
from digits.params.models import MODELS
from digits.params.representations import REPRESENTATIONS, SCALES
from tests.imports import ROOT


def test_the_committed_page_is_the_printed_one() -> None:
    committed = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert committed == catalogue_text(), "run `python -m digits catalogue > docs/catalogue.md`"


def test_the_tables_name_all_that_there_is() -> None:
    text = catalogue_text()
    names = [*COMMANDS, *MODELS, *REPRESENTATIONS, *SCALES]
    names += [source.name for source in SOURCES] + [metric.name for metric in METRICS]
    assert all(f"| `{name}` " in text for name in names)
    assert set(MODELS) == set(FAMILIES)
