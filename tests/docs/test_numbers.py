"""Numbers in README and docs are those of the committed results."""

import csv
import re

import pytest

from bench.frontier import IMAGES
from digits.common.files import read_json
from tests.imports import ROOT
from tests.pages import blocks_of, text_of

RESULTS = {name: read_json(ROOT / "metrics" / f"{name}.json") for name in ("validation", "test")}
TEST = RESULTS["test"]
# What the README tells of `train.copies: none`, which is not committed: errors, and a share.
EXAMPLE = {"validation": 41, "test": 41}
EXAMPLE_TURNED = "98.30 %"
# Numbers in the README's lines that are no results: versions, sizes, the level of intervals.
FACTS = {"3.11", "3.14", "8", "3", "64", "1,797", "127.0.0.1", "20", "95 %", "3.0", EXAMPLE_TURNED}
FACTS |= {f"{IMAGES:,}"}  # from which the ways in the README's picture learned


def percent(value: float) -> str:
    return f"{100 * value:.2f}"


def ladder_rows() -> dict[str, list[str]]:
    """The cells of each row of docs/ladder.md, by the rung's name."""
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text_of("docs/ladder.md").splitlines()
        if line.startswith("| [")
    ]
    return {row[0][1:].partition("]")[0]: row for row in cells}


def turned_by(degrees: float) -> str:
    """The default's accuracy on turned test images."""
    with (ROOT / "plots" / "robustness_rotation.csv").open(encoding="utf-8") as file:
        rows = {float(row["amount"]): float(row["accuracy"]) for row in csv.DictReader(file)}
    return f"{percent(rows[degrees])} %"


def results_in_words() -> set[str]:
    numbers = {f"{percent(TEST['accuracy'])} %", turned_by(20), f"{TEST['n']:,}"}
    numbers |= {percent(TEST[f"accuracy_{end}"]) for end in ("low", "high")}
    numbers |= {str(TEST["errors"]), str(len(ladder_rows()))}
    return numbers | {str(abs(EXAMPLE[part] - RESULTS[part]["errors"])) for part in RESULTS}


def test_each_number_in_the_readme_is_one_of_the_results() -> None:
    prose = re.sub(r"```.*?```|<!--.*?-->|\]\([^)]*\)", "", text_of("README.md"), flags=re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith("|")]
    numbers = set(re.findall(r"(?<![\w.])\d[\w,.]*(?<![.,])(?: %)?", "\n".join(lines)))
    assert numbers - FACTS == results_in_words() and numbers >= FACTS


def test_the_rungs_in_the_readme_are_those_of_the_ladder() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text_of("README.md").splitlines()
        if line.startswith("| [")
    ]
    assert len(rows) >= 5
    for name, _, published, here, errors in rows:
        rung = ladder_rows()[name[1:].partition("]")[0]]
        assert [f"accuracy {published}", here, errors] == [rung[2], rung[5], rung[6]]


def test_what_the_readme_prints_of_the_default_is_its_result() -> None:
    printed = "\n".join(block.code for block in blocks_of("README.md") if block.language == "text")
    for part, values in RESULTS.items():
        cells = [values["errors"], EXAMPLE[part], EXAMPLE[part] - values["errors"]]
        line = rf"^metrics/{part}\.json +errors +{' +'.join(map(str, cells))}$"
        assert re.search(line, printed, re.MULTILINE), line
    assert re.search(rf"^accuracy +{TEST['accuracy']:.4f} ", printed, re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("docs/measuring.md", f"{TEST['n'] - TEST['errors']:,} of {TEST['n']:,}"),
        ("docs/measuring.md", f"accuracy is {TEST['accuracy']:.4f}"),
        ("docs/measuring.md", f"{TEST['accuracy_low']:.4f} to {TEST['accuracy_high']:.4f}"),
        ("docs/design.md", f"({TEST['errors']} errors"),
        ("docs/pictures.md", f"{EXAMPLE_TURNED} instead of {turned_by(20)}"),
        ("docs/tutorial.md", ", ".join(ladder_rows()["five-sgd"][3].split("<br>")[:2])),
        *(("docs/tutorial.md", ladder_rows()[name][5][:6]) for name in ("knn", "knn-shifts")),
        *(("docs/measuring.md", ladder_rows()[name][5][:6]) for name in ("knn", "knn-shifts")),
    ],
)
def test_numbers_in_docs_are_those_of_the_results(page: str, text: str) -> None:
    assert text in " ".join(text_of(page).split())


def test_the_readme_is_a_page() -> None:
    assert len(text_of("README.md").splitlines()) <= 150
