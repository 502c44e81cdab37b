"""Nested parameters and their dotted names: {"train": {"model": "knn"}} and "train.model"."""

import copy
from collections.abc import Mapping
from functools import reduce
from typing import Any


def flatten(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of nested parameters by their dotted names, in their order.

    What is no mapping is a value, lists too; an empty mapping has none.
    """
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{below}": leaf for below, leaf in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def with_overrides(params: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested parameters in which some values are replaced.

    Parameters
    ----------
    params : mapping
        Sections and values by their names.
    overrides : mapping
        New values by their dotted names. A section that is not there is added.
    """
    changed = copy.deepcopy(dict(params))
    for key, value in overrides.items():
        *parents, last = key.split(".")
        reduce(lambda section, name: section.setdefault(name, {}), parents, changed)[last] = value
    return changed
