"""The rooms of the library: who may import whom, and how large a file may be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT, closure, imported_modules, is_docstring_alone, modules

EVERYTHING = {
    "common", "params", "pictures", "data", "features", "models", "training", "metrics", "plots",
    "experiments", "tracking", "inference", "drawing",
}  # fmt: skip
# A room, and the rooms whose modules it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "common": set(),
    "params": {"common"},
    "pictures": {"common"},
    "data": {"common", "params", "pictures"},
    "features": {"common", "params", "data"},
    "models": {"common", "params", "data", "features"},
    "metrics": {"common", "data"},
    "training": {"common", "data", "features", "metrics", "models"},
    "plots": {"common", "metrics"},
    "experiments": {"common", "params", "metrics"},
    "tracking": {"common", "params", "models", "experiments"},
    "inference": {"common", "pictures", "metrics", "models"},
    "drawing": {"common", "inference", "pictures"},
    "commands": EVERYTHING | {"__main__"},  # which lists them
}


def rooms_of(file: Path, package: str = "digits") -> set[str]:
    """The rooms whose modules a file imports."""
    names = (name.split(".") for name in imported_modules(file))
    return {parts[1] for parts in names if parts[0] == package and len(parts) > 1}


def test_every_module_stands_in_a_room() -> None:
    folders = {path.name for path in (ROOT / "digits").iterdir() if any(path.glob("*.py"))}
    assert folders == set(MAY_IMPORT) == EVERYTHING | {"commands"}
    outside = {path.name for path in (ROOT / "digits").glob("*.py")}
    assert outside == {"__init__.py", "__main__.py"}
    assert all(is_docstring_alone(path) for path in modules("digits") if path.name == "__init__.py")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    for file in modules(f"digits/{room}"):
        assert rooms_of(file) - {room} <= MAY_IMPORT[room], file
        assert not any(name.split(".")[0] in ("stages", "tests") for name in imported_modules(file))


def test_imports_between_rooms_make_no_circle() -> None:
    above: set[str] = {"__main__"}
    for room, below in MAY_IMPORT.items():  # each stands after the rooms that it may import
        assert below <= above, room
        above.add(room)


def test_imports_between_files_make_no_circle() -> None:
    for file in modules("digits", "stages"):
        for other in closure(file) - {file}:
            assert file not in closure(other), f"{file} <-> {other}"


def test_the_schema_imports_no_implementation() -> None:
    """Every stage depends on the schema: an edit of a transformer must not reach `fetch`."""
    assert {path.parts[1] for path in closure(Path("digits/params/schema.py"))} == {
        "common",
        "params",
    }


def test_the_runner_imports_only_common_and_params() -> None:
    for file in modules("stages/runner"):
        assert rooms_of(file) <= {"common", "params"}, file
        assert rooms_of(file, "stages") <= {"runner"}, file


def test_importing_the_library_changes_nothing() -> None:
    """`import digits` in a notebook sets no variable, handler or warning filter."""
    names = [str(path.with_suffix("")).replace("/", ".") for path in modules("digits")]
    imports = "\n".join(
        f"import {name.removesuffix('.__init__')}" for name in names if "__main__" not in name
    )
    code = (
        "import os, signal\n"
        "import numpy, mlflow, matplotlib, skops.io, dvc.repo\n"  # what these set is theirs
        "before = dict(os.environ), signal.getsignal(signal.SIGTERM), os.getcwd()\n"
        f"{imports}\n"
        "assert before == (dict(os.environ), signal.getsignal(signal.SIGTERM), os.getcwd())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", ["digits", "stages", "tests", "bench"])
def test_files_are_short_and_lines_fit_beside_each_other(folder: str) -> None:
    for file in modules(folder):
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 300, file
        assert max(map(len, lines), default=0) <= 100, file


def test_a_stage_is_a_page() -> None:
    pages = [path for path in modules("stages") if path.parent == Path("stages")]
    assert len(pages) == 8  # six stages, __init__ and __main__
    for page in pages:
        assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= 70, page
