"""docs/reliability.md: each promise in it has a test that is there."""

import ast
import re

import pytest

from tests.imports import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")]
HEADS = [line for line in ROWS if line == "| what happens | what you see | test |"]
PROMISES = [line for line in ROWS if line not in HEADS]


def test_each_of_the_nine_kinds_has_promises_of_which_there_are_many() -> None:
    assert len(re.findall(r"^## \d", PAGE, re.MULTILINE)) == len(HEADS) == 9
    assert len(PROMISES) >= 60 and len(set(PROMISES)) == len(PROMISES)


@pytest.mark.parametrize("row", PROMISES)
def test_a_promise_has_a_test(row: str) -> None:
    cells = re.fullmatch(r"\| ([^|]+) \| ([^|]+) \| `([\w/.]+)::([\w:]+)` \|", row)
    assert cells, f"not three cells, the last of them `file::test`: {row}"
    *_, file, test = cells.groups()
    scope: ast.AST = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    for name in test.split("::"):
        inner = {
            node.name: node
            for node in ast.iter_child_nodes(scope)
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        assert name in inner, f"{file} has no {test}"
        scope = inner[name]
    assert isinstance(scope, ast.FunctionDef) and scope.name.startswith("test_")
