"""YAML as DVC reads it."""

import re
from typing import Any

import yaml

from digits.common.errors import BadInput


class _Yaml12(yaml.SafeLoader):
    """Scalars as YAML 1.2 has them.

    DVC reads and writes `params.yaml` as YAML 1.2, where 1e-4 is a number and 010 is ten. PyYAML follows YAML 1.1, where they are
    a string and eight: the lock would record one value and the stage would use another. For the same reason a key given twice is
    refused, as by DVC, and so is a header that asks for another version.
    """

    def process_directives(self) -> Any:
        if self.check_token(yaml.DirectiveToken):
            raise yaml.YAMLError("a % directive is not allowed")
        return super().process_directives()  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(
                problem=f"the key {twice!r} stands there twice", problem_mark=node.start_mark
            )
        return mapping


_Yaml12.yaml_implicit_resolvers = {}

for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Yaml12.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def _whole_number(loader: _Yaml12, node: yaml.ScalarNode) -> int:
    return int(
        loader.construct_scalar(node)
    )  # YAML 1.1's own constructor would still read 010 as octal


_Yaml12.add_constructor("tag:yaml.org,2002:int", _whole_number)


def parse_yaml(text: str | bytes, name: str) -> Any:
    """The values in a YAML text, read as DVC reads them; `name` is the file's, for the message.

    Raises BadInput when it is not YAML, or not UTF-8.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not UTF-8 text: {error}.") from error
    try:
        return yaml.load(text, _Yaml12)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"{name}{line} is not valid YAML: {error.problem}.") from error
    except (
        yaml.YAMLError,
        ValueError,
        KeyError,
    ) as error:  # a control character, a tag on what it does not fit
        raise BadInput(f"{name} is not valid YAML: {' '.join(str(error).split())}.") from error
