"""The page on params.yaml: what each key means, what it may be, and which stages it runs again.

All of it is read: meanings from the comments in params.yaml, ranges from the schema, stages from
dvc.yaml.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from digits.commands.output import code_span, text_table
from digits.common.dvc_yaml import parse_yaml
from digits.params.datasets import EXTRA, allowed_datasets
from digits.params.models import MODELS, Models
from digits.params.nested import flatten
from digits.params.representations import REPRESENTATIONS, SCALES
from digits.params.schema import Params

INTRODUCTION = """\
# Params

Every key of `params.yaml`: its value there (the default experiment), what is allowed, what it
means. Written by `python -m digits catalogue params` from `params.yaml`, its schema and `dvc.yaml`.

**How to change one.** Edit `params.yaml`, then `dvc repro`; or leave the file as it is and run an
experiment: `dvc exp run --temp -S train.components=50` ([experiments.md](experiments.md)). The
whole file is checked before any stage works. A wrong key, value or combination is answered by one
sentence. DVC itself runs no stage for a key that none reads, as one with a typing error:
`python -m digits check` looks at the file alone, within a second.

**What runs again.** Each section below names the stages that read it, and those after them. DVC
skips a stage whose inputs came out as they were, and takes from its cache what has run before.

**Many values at once.** Values with commas are a grid:
`dvc exp run --queue -S 'models.svm.C=1,2,4'`."""

RULES = """\
## What does not go together

- `train.copies: support_vectors` needs `train.model: svm`; other models take `all` or `none`.
- `train.engine: intelex` needs `train.model: svm`, and `pip install '.[fast]'`.
- `train.train_sizes` needs `train.validate: holdout` or `cross_validation`.
- `fetch.sha256` is for data sets of your own; the others are pinned in the code.
- `split.strategy: canonical` needs a data set with test images of its own.
- `voting` and `stacking` need two members or more."""

# What a validator of ours allows, which the schema cannot say in JSON's words.
ALLOWED: dict[str, str] = {
    "fetch.dataset": ", ".join(map(code_span, allowed_datasets())),
    "fetch.sha256": "`null`, or 64 hexadecimal digits",
    "fetch.extra": f"`null`, or `{EXTRA}`",
    "train.model": "a section of `models`: " + ", ".join(map(code_span, MODELS)),
    "train.features": "one, or a list of different ones, of "
    + ", ".join(map(code_span, REPRESENTATIONS)),
    "train.scale": ", ".join(map(code_span, SCALES)),
    "train.components": "whole number, at least 0, or a list of one for each of `features`",
    "train.train_sizes": "list of numbers above 0, at most 1, that ascend; may be empty",
    "models.svm.gamma": "`scale`, or a number above 0",
}


def params_text(root: Path) -> str:
    """Return docs/params.md, given the folder with params.yaml and dvc.yaml."""
    text = (root / "params.yaml").read_text(encoding="utf-8")
    values, meanings = parse_yaml(text, "params.yaml"), read_comments(text)
    stages = parse_yaml((root / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"]
    parts = [INTRODUCTION]
    for section, keys in _sections().items():
        level = "##" if "." not in section else "###"
        lines = [f"{level} {code_span(section)}"]
        if section in meanings and keys != [section]:
            lines.append(f"{meanings[section][0].upper()}{meanings[section][1:]}.")
        if keys:
            again = ", ".join(map(code_span, stages_again(stages, section)))
            lines.append(f"Runs again: {again}.")
            rows = [[code_span(key), *_cells(key, values, meanings)] for key in keys]
            header = ["key", "value", "allowed", "what it means"]
            lines.append(text_table(header, rows, "llll", markdown=True))
        parts += lines
    return "\n\n".join([*parts, RULES]) + "\n"


def schema_keys(section: type[BaseModel] = Params, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of each key that has a value of its own.

    Of what stands elsewhere too, as the members of an ensemble, only the name is a key.
    """
    for name, field in section.model_fields.items():
        key, inner = prefix + (field.alias or name), _section(field.annotation)
        if inner is None or _same_as(key, inner):
            yield key
        else:
            yield from schema_keys(inner, f"{key}.")


def read_comments(text: str) -> dict[str, str]:
    """Return the comment beside each key of params.yaml, by its dotted name."""
    comments, path = {}, list[tuple[int, str]]()
    for line in text.splitlines():
        if match := re.match(r"( *)(\w+):(?:.*?\s# (.*))?", line):
            indent, name, comment = match.groups()
            path = [entry for entry in path if entry[0] < len(indent)] + [(len(indent), name)]
            if comment:
                comments[".".join(name for _, name in path)] = comment
    return comments


def stages_again(stages: Mapping[str, Any], section: str) -> list[str]:
    """Return the stages that read a section of params.yaml, and those that come after them.

    Parameters
    ----------
    stages : mapping
        Those of dvc.yaml, in the order in which they run.
    section : str
        Its dotted name.
    """
    again: list[str] = []
    made: list[str] = []
    for name, stage in stages.items():
        reads = [re.sub(r"\$\{.*\}", "", key) for key in stage["params"]]
        is_read = any(key in (section, f"{section.partition('.')[0]}.") for key in reads)
        is_after = any(_overlap(dep, out) for dep in stage["deps"] for out in made)
        if is_read or is_after:
            again.append(name)
            outs = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
            made += [next(iter(out)) if isinstance(out, dict) else out for out in outs]
    return again


def _overlap(path: str, other: str) -> bool:
    """Whether two paths are the same, or one lies in the other."""
    return f"{path}/".startswith(f"{other}/") or f"{other}/".startswith(f"{path}/")


def _sections() -> dict[str, list[str]]:
    """The keys of each section with a heading of its own: those of the file, and each model."""
    sections: dict[str, list[str]] = {}
    for key in schema_keys():
        parts = key.split(".")
        if parts[0] == "models":
            sections.setdefault("models", [])
        sections.setdefault(".".join(parts[: 2 if parts[0] == "models" else 1]), []).append(key)
    return sections


def _cells(key: str, values: Mapping[str, Any], meanings: Mapping[str, str]) -> list[str]:
    value: Any = values
    for name in key.split("."):
        value = value.get(name, {}) if isinstance(value, Mapping) else None
    inner = _section(_field(key).annotation)
    if inner is not None:  # a member of an ensemble
        same = f"the keys of `models.{_same_as(key, inner)}`"
        shown = ", ".join(f"{name}: {_shown(v)}" for name, v in flatten(value).items())
        return [code_span(shown) if value else "", same, meanings.get(key, "a member, if given")]
    allowed = ALLOWED.get(key) or _allowed(_json_schema(key))
    return [code_span(_shown(value)), allowed, meanings.get(key, "").replace(" | ", "; ")]


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    return f"[{', '.join(map(_shown, value))}]" if isinstance(value, list) else str(value)


def _section(annotation: Any) -> type[BaseModel] | None:
    kinds = (annotation, *get_args(annotation))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def _same_as(key: str, section: type[BaseModel]) -> str | None:
    """The family whose section a nested one is like; of a family's own section, none."""
    *parents, name = key.split(".")
    if len(parents) < 2:
        return None
    families = [family for family in MODELS if Models.model_fields[family].annotation is section]
    return name if name in families else next(iter(families), None)


def _field(key: str) -> Any:
    section: type[BaseModel] = Params
    *parents, last = key.split(".")
    for name in parents:
        inner = _section(section.model_fields[name].annotation)
        assert inner is not None
        section = inner
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    return fields[last]


def _json_schema(key: str) -> dict[str, Any]:
    schema = Params.model_json_schema()
    node: dict[str, Any] = schema
    for name in key.split("."):
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        node = node["properties"][name]
    return node


def _allowed(schema: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words."""
    if "enum" in schema:
        return ", ".join(code_span(str(value)) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(sorted(_allowed(choice) for choice in schema["anyOf"]))
    kind = schema["type"]
    if kind == "array":
        items = re.sub("^(whole number|number|list)", r"\1s", _allowed(schema["items"]))
        n = schema.get("minItems", 0)
        if n and n == schema.get("maxItems"):
            return f"list of {n} {items}"
        return f"list of {items}; {'not empty' if n else 'may be empty'}"
    if kind == "null":
        return "`null`"
    limits = [
        f"{words} {schema[name]}"
        for name, words in (
            ("exclusiveMinimum", "above"),
            ("minimum", "at least"),
            ("exclusiveMaximum", "below"),
            ("maximum", "at most"),
        )
        if name in schema
    ]
    name = "whole number" if kind == "integer" else "number"
    return ", ".join([name, " and ".join(limits)]) if limits else name
