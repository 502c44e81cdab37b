"""YAML as DVC reads it: by ruamel.yaml, version 1.2."""

import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.resolver import VersionedResolver

from digits.common.errors import BadInput

_CONFLICT = re.compile(r"^<{7} .*^={7}$.*^>{7} ", re.MULTILINE | re.DOTALL)  # as git writes it
_DIRECTIVE = re.compile(r"(?:[ \t\r]*(?:#.*)?\n)*%")  # before any content


class _Resolver(VersionedResolver):
    """ruamel.yaml's own types of scalars, without those that are more often meant as text.

    To ruamel.yaml, and so to DVC, 1_000, 0x10, 0o17 and 0b101 are whole numbers and 2026-01-01 is
    a date. Here they stay strings: no key takes them, and whoever writes one is told.
    """

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        if kind is ScalarNode and implicit[0]:
            name = str(tag).rpartition(":")[2]
            if name == "timestamp" or (name in ("int", "float") and re.search("[_xob]", value)):
                return self.DEFAULT_SCALAR_TAG
        return tag


class _Constructor(SafeConstructor):
    """ruamel.yaml's own values, with scalars alone as keys of a mapping."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise ConstructorError(problem="a key is not a scalar", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str | bytes, name: str) -> Any:
    """Parse a YAML text to what DVC makes of it.

    Parameters
    ----------
    text : str or bytes
        One document. No key may stand twice in a mapping, and no directive before it: %YAML 1.1
        would give other values.
    name : str
        The file's name, for the message.

    Raises
    ------
    BadInput
        When it is not such a document, or not UTF-8.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name} is not UTF-8 text: {error}.") from error
    if _DIRECTIVE.match(text):
        raise BadInput(f"{name} is not valid YAML: a % directive is not allowed.")
    if _CONFLICT.search(text):
        raise BadInput(
            f"{name} has an unresolved merge conflict: edit it, or take one side by "
            "`git checkout --ours` or `--theirs`."
        )
    yaml = YAML(typ="safe")
    yaml.Resolver, yaml.Constructor = _Resolver, _Constructor
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"{name}{line} is not valid YAML: {error.problem}.") from error
    except (YAMLError, ValueError, KeyError) as error:
        # A control character, or a tag on what it does not fit.
        raise BadInput(f"{name} is not valid YAML: {' '.join(str(error).split())}.") from error
