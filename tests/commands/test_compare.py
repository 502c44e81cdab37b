"""`python -m digits compare`: every sentence and table as it will be read."""

import json
import re
from html import escape
from itertools import combinations

import numpy as np
import pytest
from markdown_it import MarkdownIt
from statsmodels.stats.multitest import multipletests

from digits.commands.compare import comparison_text, comparisons_json, matrix_text
from digits.experiments import comparison
from digits.experiments.comparison import UNDECIDED, Comparison, compare, compare_pairs
from digits.experiments.revisions import Revision
from tests.revisions import NO, PARAMS, SAME, TRUTH, YES, A, B, N, digits, revision


def test_json() -> None:
    other = digits("b", 0.1, 3, params=PARAMS | {"target": 5})
    c = compare(A, other)
    found = json.loads(comparisons_json([c]), parse_constant=pytest.fail)
    assert {
        "verdict",
        "p_value",
        "only_a",
        "only_b",
        "difference",
        "difference_low",
        "difference_high",
        "per_digit",
    } <= set(found)
    assert (found["a"], found["b"], found["n"], found["verdict"]) == ("a", "b", N, "better")
    assert (found["difference_low"], found["difference_high"]) == (c.accuracy.low, c.accuracy.high)
    assert list(found["per_digit"]) == list("0123456789")
    assert found["per_digit"]["4"]["p_value"] == c.per_digit[4].p_value
    assert found["params"] == {"target": {"a": "digit", "b": 5}}
    several = json.loads(comparisons_json(compare_pairs([A, B, SAME], 0.95)))
    assert [comparison["b"] for comparison in several] == ["b", "c", "c"]


NO_POSITIVES = [
    revision(name, np.zeros(30, bool), np.arange(30) < errors, np.zeros(30))
    for name, errors in (("one", 0), ("two", 3))
]


@pytest.mark.parametrize(("a", "b"), [(NO, YES), NO_POSITIVES])
def test_json_has_no_numbers_that_json_does_not_know(a: Revision, b: Revision) -> None:
    json.loads(comparisons_json([compare(a, b)]), parse_constant=pytest.fail)


def markdown_tables(text: str) -> list[list[list[str]]]:
    """The cells of each table, the rule left out; all its rows as long as its header."""
    tables = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            lines = [
                [cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()
            ]
            assert len({len(line) for line in lines}) == 1
            assert all(set(cell) <= set("-:") and "-" in cell for cell in lines[1])
            tables.append([lines[0], *lines[2:]])
    return tables


def test_the_same_params() -> None:
    assert "The same params." in comparison_text(compare(A, A))


@pytest.mark.parametrize(("a", "b"), [(A, B), (A, A), (NO, YES)])
def test_texts(a: Revision, b: Revision) -> None:
    b = Revision(b.name, PARAMS | {"target": 5, "seen": None}, b.metrics, b.predictions)
    c = compare(a, b)
    plain, markdown = comparison_text(c), comparison_text(c, markdown=True)
    first = c.accuracy
    than = {UNDECIDED: "", comparison.SAME: ", prediction by prediction"}.get(
        first.verdict, f" than {a.name}"
    )
    assert plain.splitlines()[0] == f"{b.name} against {a.name}: {first.verdict}{than}."
    assert (
        f"`{a.name}` alone read {first.only_a} right, `{b.name}` alone {first.only_b} "
        "(McNemar's exact p = "
    ) in markdown
    assert f"**{first.verdict}**" in markdown and "|" not in plain and "*" not in plain
    assert all(line == line.rstrip() for line in plain.splitlines())
    tables = markdown_tables(markdown)
    assert [len(table) - 1 for table in tables] == [
        len(part) for part in (c.metrics, c.per_digit, c.params) if part
    ]
    assert tables[-1] == [["param", "A", "B"], ["`target`", '`"digit"`', "`5`"]]
    assert tables[0][1][:4] == [
        "accuracy",
        f"{first.a:.4f}",
        f"{first.b:.4f}",
        f"{first.difference:+.4f}",
    ]


def test_names_with_odd_characters_stand_in_markdown_as_they_are() -> None:
    odd = "a|b`c<i>*d*"
    a, b = (revision(name, TRUTH, x.predictions.predicted) for name, x in ((odd, A), ("b", B)))
    params = PARAMS | {"fetch": "idx:<b>|`x`", "x|y": 1}
    b = Revision(b.name, params, b.metrics, b.predictions)
    pair, matrix = (
        comparison_text(compare(a, b), True),
        matrix_text(compare_pairs([a, b], 0.95), True),
    )
    html = [MarkdownIt("js-default").render(text) for text in (pair, matrix)]
    for page in html:
        assert f"<code>{escape(odd)}</code>" in page
        assert not re.search("<(b|i|em)>", page)
    for text in ("x|y", json.dumps(params["fetch"])):
        assert f"<code>{escape(text)}</code>" in html[0]


def matrix_cells(comparisons: list[Comparison]) -> dict[tuple[str, str], str]:
    """The cells of the matrix, by row and column."""
    (header, *rows) = markdown_tables(matrix_text(comparisons, markdown=True))[0]
    names = [name.removeprefix("against ").strip("`") for name in header[2:]]
    assert [row[0] for row in rows] == [f"`{name}`" for name in names]
    return {
        (label.strip("`"), name): cell
        for label, _, *cells in rows
        for name, cell in zip(names, cells, strict=True)
    }


def test_matrix_is_antisymmetric() -> None:
    cells = matrix_cells(compare_pairs([A, B, SAME], 0.95))
    assert len(cells) == 9
    turned = {"better": "worse", "worse": "better", UNDECIDED: UNDECIDED}
    for (row, column), cell in cells.items():
        if row == column:
            assert cell == "."
        else:
            (number, _, word), (back, _, other) = (
                cell.partition(" "),
                cells[column, row].partition(" "),
            )
            assert float(number) == -float(back) and word == turned[other]
    assert cells["b", "a"].endswith(" better") and cells["c", "a"].endswith(UNDECIDED)
    assert "3 comparisons" in matrix_text(compare_pairs([A, B, SAME], 0.95))


def test_matrix_has_holm_s_correction() -> None:
    predictions = [
        np.where(np.arange(N) < errors, (TRUTH + 1) % 10, TRUTH).astype(np.uint8)
        for errors in (0, 6, 11)
    ]
    revisions = [
        revision(name, TRUTH, predicted) for name, predicted in zip("xyz", predictions, strict=True)
    ]
    found = compare_pairs(revisions, 0.95)
    raw = [compare(a, b).accuracy.exact_p_value for a, b in combinations(revisions, 2)]
    corrected = multipletests(raw, method="holm")[1]
    cells = matrix_cells(found)
    assert raw[0] < 0.05 < corrected[0]
    for c, values, p in zip(found, json.loads(comparisons_json(found)), corrected, strict=True):
        word = UNDECIDED if p > 0.05 else "worse"
        assert cells[c.b, c.a].endswith(word)
        assert values["verdict"] == values["metrics"][0]["verdict"] == word, (
            "for machines as for people"
        )
        assert values["p_value"] == pytest.approx(p, abs=1e-12)


def test_no_difference_has_one_sign() -> None:
    cells = matrix_cells(compare_pairs([A, digits("twin", 0.20, 2), B], 0.95))
    assert cells["a", "twin"] == cells["twin", "a"] == f"+0.0000 {comparison.SAME}"
