"""The names of what a model file may hold."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pkgutil import resolve_name
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.preprocessing import FunctionTransformer

from digits.models.committee import Committee
from digits.models.families import FAMILIES
from digits.models.trusted import TRUSTED
from digits.params.representations import REPRESENTATIONS, SCALES
from tests.imports import ROOT


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
    assert len(set(TRUSTED)) == len(TRUSTED)
    for name in TRUSTED:
        assert full_name(resolve_name(name)) == name


def test_of_this_project_all_that_the_tables_name_is_trusted_and_nothing_else() -> None:
    named = {full_name(kind) for kind in implementations()}
    assert {name for name in TRUSTED if name.startswith("digits.")} == {
        name for name in named if name.startswith("digits.")
    }


def test_all_of_our_estimators_are_trusted() -> None:
    files = [file for room in ("features", "models") for file in (ROOT / "digits" / room).glob("*")]
    modules = [f"digits.{file.parent.name}.{file.stem}" for file in files if file.suffix == ".py"]
    ours = {
        f"{kind.__module__}.{name}"
        for module in modules
        for name, kind in inspect.getmembers(import_module(module), inspect.isclass)
        if issubclass(kind, BaseEstimator) and kind.__module__ == module and name[0] != "_"
    }
    base = "digits.features.base.ImageTransformer"
    assert len(ours) > 8
    assert ours - {base} <= set(TRUSTED)


def test_a_run_is_completed_without_scikit_learn() -> None:
    """Which takes as long to import as all the rest takes."""
    code = """
import sys
import digits.tracking.completion
assert "mlflow" in sys.modules and not {"sklearn", "skops"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
