"""The schema of `params.yaml`: the whole file is checked before any stage works."""

import difflib
import re
from typing import get_args

from pydantic import (
    BaseModel,
)
from pydantic_core import ErrorDetails

from digits.params.schema import Params


def _sentence(error: ErrorDetails) -> str:
    """One of pydantic's errors as a sentence for the person who wrote the file."""
    *parents, last = error["loc"] or ("",)
    key = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]
    ).lstrip(".")
    given = error["input"]
    match error["type"]:
        case "extra_forbidden":
            section = _section(parents)
            return f"{key} is not a key; allowed here: {_names(section)}{_nearest(str(last), _fields(section))}."
        case "missing":
            return f"{key} is missing; {'.'.join(map(str, parents)) or 'the file'} needs {_names(_section(parents))}."
        case "value_error":
            shown = "" if isinstance(given, dict) else f" is {given!r}"
            return f"{key}{shown}: {error['ctx']['error']}."
        case "literal_error":
            allowed = error["ctx"]["expected"]
            near = _nearest(str(given), re.findall(r"'(\w+)'", allowed))
            return f"{key} is {given!r}, allowed: {allowed}{near}."
        case "string_pattern_mismatch":
            return f"{key} is {given!r}, allowed: {_PATTERNS.get(key, error['ctx']['pattern'])}{_nearest(given, _DATASETS)}."
        case "model_type":
            return f"{key} is {given!r}, allowed is a section with {_names(_section(list(error['loc'])))}."
        case _:
            rule = re.sub("^(Input|List) should", "it must", error["msg"]).partition(
                " after validation"
            )[0]
            return f"{key} is {given!r}: {rule}."


_DATASETS = ["mnist_784", "digits_8x8"]

_PATTERNS = {
    "fetch.dataset": "mnist_784, digits_8x8 or idx:FOLDER",
    "fetch.sha256": "null or the 64 hexadecimal digits that `fetch` printed",
}


def _section(path: list[int | str]) -> type[BaseModel]:
    section: type[BaseModel] = Params
    for name in path:
        annotation = section.model_fields[str(name)].annotation
        # A member of an ensemble is a section or None.
        section = next(
            kind
            for kind in (annotation, *get_args(annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
    return section


def _fields(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _names(section: type[BaseModel]) -> str:
    return ", ".join(_fields(section))


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
