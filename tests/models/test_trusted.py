"""The names of the types that a model file may hold."""

import inspect
import subprocess
import sys
from importlib import import_module
from pkgutil import resolve_name

from sklearn.base import BaseEstimator

from digits.models.trusted import TRUSTED
from tests.imports import ROOT


def test_each_is_the_full_name_of_a_type_or_function() -> None:
    assert len(set(TRUSTED)) == len(TRUSTED)
    for name in TRUSTED:
        kind = resolve_name(name)
        assert f"{kind.__module__}.{kind.__qualname__}" == name


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
