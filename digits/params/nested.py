"""Nested params by dotted names: {"train": {"model": "knn"}} is {"train.model": "knn"}."""

import copy
from collections.abc import Mapping
from functools import reduce
from typing import Any


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested params by their dotted names: {"train.model": "knn"}."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        key = f"{prefix}{name}"
        flat |= flatten(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat


def with_overrides(params: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested params in which some values, given by dotted names, are others."""
    changed = copy.deepcopy(dict(params))
    for key, value in overrides.items():
        *parents, last = key.split(".")
        reduce(lambda section, name: section.setdefault(name, {}), parents, changed)[last] = value
    return changed
