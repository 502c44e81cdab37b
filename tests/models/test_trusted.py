"""The names of what a model file may hold."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

from sklearn.preprocessing import FunctionTransformer

from digits.models.committee import Committee
from digits.models.families import FAMILIES
from digits.models.trusted import trusted_names
from digits.params.representations import REPRESENTATIONS, SCALES
from tests.imports import ROOT

TRUSTED = set(trusted_names())


def full_name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def implementations() -> Iterator[Any]:
    """All classes and functions that the tables name."""
    yield Committee
    for family in FAMILIES.values():
        yield from (family.estimator, *family.engines.values())
    for entry in (*REPRESENTATIONS.values(), *SCALES.values()):
        for step in entry.steps:
            _, transformer = step.make()
            yield type(transformer)
            if isinstance(transformer, FunctionTransformer):
                yield transformer.func


def test_each_is_the_full_name_of_a_type_or_function() -> None:
    assert len(TRUSTED) == len(trusted_names())
    for name in TRUSTED:
        assert full_name(resolve_name(name)) == name


def test_all_that_the_tables_name_is_trusted() -> None:
    named = {full_name(kind) for kind in implementations()}
    ours = {name for name in named if name.startswith("digits.")}
    assert len(ours) > 8
    assert ours <= TRUSTED


def test_nothing_that_acts_is_trusted() -> None:
    """Of functions, only those that scale: another could write a file when a model is used."""
    functions = {name for name in TRUSTED if inspect.isfunction(resolve_name(name))}
    assert functions and {name.rpartition(".")[0] for name in functions} == {
        "digits.features.scaling"
    }


def test_a_run_is_completed_without_scikit_learn() -> None:
    """Which takes as long to import as all the rest takes."""
    code = """
import sys
import digits.tracking.completion
assert "mlflow" in sys.modules and not {"sklearn", "skops"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
