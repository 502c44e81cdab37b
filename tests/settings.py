"""The committed params.yaml, what it is when somebody edits it, and what it is refused with."""

import copy
import re
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml
from dvc.utils.serialize import parse_yaml as parse_as_dvc

from digits.common.errors import BadInput
from digits.params.schema import parse_params
from tests.imports import ROOT

# With a value of `copies` that every model has.
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8").replace(": support_vectors ", ": all ")
VALUES: dict[str, Any] = parse_as_dvc(TEXT, "params.yaml")

# What only a programmer would say.
INTERNAL = re.compile(
    r"function-|constrained|after validation|instance of|[Ii]nput|type=|dict|pydantic|Traceback"
    r"|Error|<|\bSection\b|_\b"
)


def edited(changes: Mapping[str, str | None]) -> str:
    """Return the text of the committed params.yaml with some values changed.

    Each value, by its dotted name, is replaced by a piece of YAML, or removed (None).
    """
    values = copy.deepcopy(VALUES)
    for path, piece in changes.items():
        *parents, last = path.split(".")
        section = reduce(getitem, parents, values)
        if piece is None:
            del section[last]
        else:
            section[last] = f"<{path}>"
    text = dumps_yaml(values)
    for path, piece in changes.items():
        text = text.replace(f"<{path}>", str(piece))
    return text


def complaints(text: str) -> list[str]:
    """Return the sentences that a params.yaml is refused with, without the file's name."""
    with pytest.raises(BadInput) as caught:
        parse_params(text, "some.yaml")
    lines = str(caught.value).split("\n")
    assert all(line.startswith("some.yaml") and line.endswith(".") for line in lines), lines
    assert [line for line in lines if INTERNAL.search(line)] == []
    return [line.removeprefix("some.yaml: ") for line in lines]


def complaint(text: str) -> str:
    """Return the one sentence that a params.yaml is refused with, without the file's name."""
    lines = complaints(text)
    assert len(lines) == 1, lines
    return lines[0]


def assert_refused(path: str, piece: str, parts: list[str]) -> None:
    """With one value changed, params.yaml is refused in one sentence that has these parts."""
    sentence = complaint(edited({path: piece}))
    assert sentence.startswith(parts[0])
    assert [part for part in parts if part not in sentence] == []
