"""The committed params.yaml, and what it is when somebody edits it."""

import copy
from collections.abc import Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from dvc.utils.serialize import dumps_yaml
from dvc.utils.serialize import parse_yaml as parse_as_dvc

# With a value of `copies` that every model has.
TEXT = (
    (Path(__file__).resolve().parent.parent / "params.yaml")
    .read_text(encoding="utf-8")
    .replace(": support_vectors ", ": all ")
)
VALUES: dict[str, Any] = parse_as_dvc(TEXT, "params.yaml")


def edited(changes: Mapping[str, str | None]) -> str:
    """The text of the committed params.yaml, with some values replaced by a piece of YAML, or removed (None)."""
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
