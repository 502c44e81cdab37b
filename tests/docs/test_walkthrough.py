"""What the pages tell a newcomer to do is done, on small digits, as it is written there."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.imports import ROOT
from tests.pages import PAGES, blocks_of, edits_of
from tests.scratch import Project, ran

# Their commands are run one after the other, each page's in a project of its own.
WALKED = ("docs/tutorial.md", "docs/experiments.md", "docs/measuring.md")
# `make` would install packages; the environment of the tests has them.
BASH = 'set -euo pipefail\nmake() { command make --assume-old .venv/ready "$@"; }\n'


def walk(project: Project, page: str) -> list[str]:
    """Run the blocks of a page that are not marked, and return what each prints."""
    outputs = []
    for block in blocks_of(page):
        if block.language == "sh" and not block.not_run:
            project.edit(**{key.replace(".", "__"): v for key, v in edits_of(block.code).items()})
            outputs.append(project.run("bash", "-c", BASH + block.code, DVC_PAGER="cat"))
    return outputs


def test_all_that_is_not_marked_is_run_here() -> None:
    to_run = {
        page
        for page in PAGES
        for block in blocks_of(page)
        if block.language == "sh" and not block.not_run
    }
    assert to_run == {"README.md", *WALKED}


@pytest.mark.parametrize("command", ["dvc stage list", "make help"])
def test_a_command_that_only_looks_runs_here_too(command: str) -> None:
    assert any(command in block.code for page in PAGES for block in blocks_of(page))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output = subprocess.check_output(
        command.split(), cwd=ROOT, env=os.environ | {"PATH": path}, text=True
    )
    assert "evaluate" in output


@pytest.mark.slow
def test_the_pages_commands_do_what_is_written(
    reproduced: Callable[..., Project], tmp_path: Path
) -> None:
    project = reproduced().copy(tmp_path / "readme" / "digits")
    (project.path / ".venv").symlink_to(sys.prefix)
    (project.path / ".git" / "info" / "exclude").write_text(".venv\n", encoding="utf-8")
    output, back = walk(project, "README.md")
    assert ran(output) == ["train", "evaluate", "track"]
    assert "Stage 'augment' didn't change, skipping" in output
    assert output.count("errors") >= 2 and "workspace against main: " in output
    assert 'train.copies  "all"  "none"' in output

    assert "Without copies" in back
    assert project.repro() == ["track"] and project.git("status", "--porcelain") == ""
    for page in WALKED:
        name = Path(page).stem
        outputs = walk(project.copy(tmp_path / name / "digits"), page)
        assert outputs and not any("Traceback" in output for output in outputs), page
