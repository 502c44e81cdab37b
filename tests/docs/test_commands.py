"""Commands in README and docs are ones that exist, parsed as the programs themselves would."""

import re
import subprocess
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser

from digits.__main__ import _parser
from digits.common.errors import BadInput
from tests.dask_cluster import needs_dask
from tests.imports import ROOT, own_file
from tests.pages import PAGES, blocks_of, commands_of, spans_of

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHELL = [(page, block) for page in PAGES for block in blocks_of(page) if block.language == "sh"]


def test_there_are_pages_with_commands() -> None:
    assert len(PAGES) >= 18 and len(SHELL) >= 30
    assert any(block.not_run for _, block in SHELL) and not all(block.not_run for _, block in SHELL)


@pytest.mark.parametrize("page", PAGES)
def test_code_says_its_language(page: str) -> None:
    assert {block.language for block in blocks_of(page)} <= {"sh", "text", "yaml", "python"}


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    variables = set(re.findall(r"^(?:\w+: )?([A-Z]+) \??= ", MAKEFILE, re.MULTILINE))
    for word in words:
        name, is_variable, _ = word.partition("=")
        assert name in (variables if is_variable else targets), word


def check_python(words: list[str]) -> None:
    match words:
        case ["-c", code]:
            compile(code, "the page", "exec")
        case ["-m", "digits", *arguments]:
            _parser().parse_args(arguments)  # SystemExit, if it does not take them
        case ["-m", "pytest", *arguments]:
            assert all((ROOT / word).exists() for word in arguments if word[0] != "-"), words
        case ["-m", module, *_]:
            assert own_file(module), module
        case _:
            pytest.fail(f"unknown: python {words}")


def check_dvc(words: list[str]) -> None:
    get_main_parser().parse_args(words)


@cache
def git_usage(command: str) -> str:
    done = subprocess.run(["git", command, "-h"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def check_git(words: list[str]) -> None:
    command, *arguments = words
    usage = git_usage(command)
    assert "is not a git command" not in usage, command
    for word in arguments:
        if re.fullmatch(r"--\w[\w-]*(=.*)?", word):
            name = word.partition("=")[0][2:]
            assert re.search(rf"--(\[no-\])?{name}\b", usage), words
        elif re.fullmatch(r"-\w+", word):
            assert all(re.search(rf"-{letter}\b", usage) for letter in word[1:]), words


def options_in(*files: str) -> Callable[[list[str]], None]:
    """A check that the options of a command stand in the files that define them."""

    def check(words: list[str]) -> None:
        for option in (word for word in words if word.startswith("--")):
            assert any(f'"{option}"' in source_of(file) for file in files), option

    return check


@cache
def source_of(file: str) -> str:
    package, _, path = file.partition("/")
    spec = find_spec(package)
    assert spec and spec.origin
    return (Path(spec.origin).parent / path).read_text(encoding="utf-8")


def check_pip(words: list[str]) -> None:
    extras = re.fullmatch(r"\.\[([\w,]+)\]", words[-1])
    assert words[0] == "install" and extras
    assert set(extras[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def check(command: list[str]) -> None:
    """Check that a program is there, and takes these arguments."""
    match command:
        case ["make", *words]:
            check_make(words)
        case ["python", *words]:
            check_python(words)
        case ["dvc", *words]:
            check_dvc(words)
        case ["git", *words]:
            check_git(words)
        case ["pip", *words]:
            check_pip(words)
        case ["mlflow", "server", *words]:
            options_in("mlflow/cli/__init__.py", "mlflow/utils/cli_args.py")(words)
        case ["dask", "scheduler" | "worker", *_]:
            pass  # their options: a test of its own, where Dask is installed
        case ["ssh", _, script]:
            for inner in commands_of(script):
                check(inner)
        case ["cd", _] | [".", ".venv/bin/activate"] | ["grep", _]:
            pass
        case _:
            pytest.fail(f"no program of this project: {' '.join(command)}")


@pytest.mark.parametrize("page", PAGES)
def test_each_command_is_one_that_exists(page: str) -> None:
    for block in blocks_of(page):
        if block.language == "sh":
            for command in commands_of(block.code):
                check(command)


@pytest.mark.services
@needs_dask
def test_dask_has_the_options_that_are_named() -> None:
    lines = re.findall(r"dask (scheduler|worker) (.*)", "".join(block.code for _, block in SHELL))
    assert len(lines) >= 6
    for which, line in lines:
        options_in(f"distributed/cli/dask_{which}.py")(line.split())
    with pytest.raises(AssertionError):
        options_in("distributed/cli/dask_worker.py")(["--nthread", "1"])


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_lines_exist_too(page: str) -> None:
    for span in spans_of(page):
        if re.match(r"make [a-z]|python -m (digits [a-z]|bench\.)", span) and "[" not in span:
            for command in commands_of(span):
                check(command)


@pytest.mark.parametrize(
    "wrong",
    [
        "make raport", "make queue JOB=2", "python -m digits compair main", "dvc repo",
        "python -m digits compare --md5 main", "dvc exp run --templ", "git swich main",
        "git commit --ammend", "mlflow server --hots 1", "dask wroker",
        "python -m bench.frontiers", "pip install '.[s4]'", "curl x", "ls | python -m digits bets",
    ],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_found(wrong: str) -> None:
    (command,) = [words for words in commands_of(wrong) if words != ["ls"]]
    errors = AssertionError, SystemExit, DvcParserError, BadInput, pytest.fail.Exception
    with pytest.raises(errors):
        check(command)
