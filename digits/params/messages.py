"""A validation error of pydantic as a sentence for the person who wrote the file."""

import difflib
import re
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails


def sentence(error: ErrorDetails, schema: type[BaseModel]) -> str:
    """Say which key is wrong, what its value is, what is allowed, and the nearest right name.

    Parameters
    ----------
    error : ErrorDetails
        One of `ValidationError.errors()`.
    schema : type of BaseModel
        The model of the whole file.
    """
    *parents, last = error["loc"] or ("",)
    key = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in error["loc"])
    key = key.removeprefix(".")
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            allowed = field_names(_section(schema, parents))
            near = did_you_mean(str(last), allowed)
            return f"{key} is not a key; allowed here: {', '.join(allowed)}{near}."
        case "missing":
            needed = ", ".join(field_names(_section(schema, parents)))
            return f"{key} is missing; {'.'.join(map(str, parents)) or 'the file'} needs {needed}."
        case "value_error":
            shown = "" if isinstance(value, dict) else f" is {value!r}"
            return f"{key}{shown}: {error['ctx']['error']}."
        case "literal_error":
            expected = error["ctx"]["expected"]
            near = did_you_mean(str(value), re.findall(r"'(\w+)'", expected))
            return f"{key} is {value!r}, allowed: {expected}{near}."
        case "string_pattern_mismatch":
            expected = _PATTERNS.get(key, error["ctx"]["pattern"])
            return f"{key} is {value!r}, allowed: {expected}{did_you_mean(value, _DATASETS)}."
        case "model_type":
            needed = ", ".join(field_names(_section(schema, list(error["loc"]))))
            return f"{key} is {value!r}, allowed is a section with {needed}."
        case _:
            rule = re.sub("^(Input|List) should", "it must", error["msg"])
            return f"{key} is {value!r}: {rule.partition(' after validation')[0]}."


_DATASETS = ["mnist_784", "digits_8x8"]

_PATTERNS = {
    "fetch.dataset": "mnist_784, digits_8x8 or idx:FOLDER",
    "fetch.sha256": "null or the 64 hexadecimal digits that `fetch` printed",
}


def field_names(section: type[BaseModel]) -> list[str]:
    """The keys of a section, as the file has them."""
    return [field.alias or name for name, field in section.model_fields.items()]


def did_you_mean(name: str, names: list[str]) -> str:
    """Name the nearest of several names, in parentheses; nothing when none is near."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _section(schema: type[BaseModel], path: list[int | str]) -> type[BaseModel]:
    section = schema
    for name in path:
        annotation = section.model_fields[str(name)].annotation
        # A member of an ensemble is a section or None.
        section = next(
            kind
            for kind in (annotation, *get_args(annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
    return section
