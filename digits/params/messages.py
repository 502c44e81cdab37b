"""Errors of the schema as sentences: the key, its value, what is allowed, the nearest name."""

import difflib
import re
import reprlib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

# A value as it is shown: aliases of aliases can make a short file a list of a thousand million.
_LONGEST = 500  # letters
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 3, 20, 20
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def sentence(error: ErrorDetails, schema: type[BaseModel]) -> str:
    """Return one of pydantic's errors as a sentence for the person who wrote the file.

    Parameters
    ----------
    error : dict
        One of `ValidationError.errors()`.
    schema : type
        What the whole file was validated by.
    """
    *parents, last = error["loc"] or ("",)
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    key, value = "".join(parts).lstrip("."), error["input"]
    shown = _SHORT.repr(value)[:_LONGEST]
    match error["type"]:
        case "extra_forbidden":
            section = _section(schema, parents)
            near = did_you_mean(last, field_names(section))
            return f"{key} is not a key; allowed here: {list_fields(section)}{near}."
        case "missing":
            section_name = ".".join(map(str, parents)) or "the file"
            return (
                f"{key} is missing; {section_name} needs {list_fields(_section(schema, parents))}."
            )
        case "value_error":
            is_value = "" if isinstance(value, dict) else f" is {shown}"
            return f"{key}{is_value}: {error['ctx']['error']}."
        case "literal_error":
            allowed = error["ctx"]["expected"]
            near = did_you_mean(value, re.findall(r"'(\w+)'", allowed))
            return f"{key} is {shown}, allowed: {allowed}{near}."
        case "model_type":
            section = _section(schema, [*error["loc"]])
            return f"{key} is {shown}, allowed is a section with {list_fields(section)}."
        case _:
            rule = re.sub("^(Input|List) should", "it must", error["msg"])
            return f"{key} is {shown}: {rule.partition(' after validation')[0]}."


def did_you_mean(name: Any, names: Iterable[str]) -> str:
    """Return the most similar of the names as a question in brackets; empty if none is."""
    near = difflib.get_close_matches(_SHORT.repr(name).strip("'"), list(names), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def field_names(section: type[BaseModel]) -> list[str]:
    """Return the keys of a section as they are in the file."""
    return [field.alias or name for name, field in section.model_fields.items()]


def list_fields(section: type[BaseModel]) -> str:
    """Return the keys of a section, with commas between them."""
    return ", ".join(field_names(section))


def _section(schema: type[BaseModel], path: list[int | str]) -> type[BaseModel]:
    section = schema
    for name in path:
        annotation = section.model_fields[str(name)].annotation
        # A member of an ensemble is a section or None.
        kinds = (annotation, *get_args(annotation))
        section = next(
            kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
    return section
