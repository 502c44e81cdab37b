"""`dvc` in a process of its own that need not import DVC: it is forked from one that has.

To import it takes most of the time of many a `dvc` command.
"""

import multiprocessing
import os
import sys
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

# What most commands import.
PRELOADED = ["dvc.cli.parser", "dvc.repo", "dvc.repo.reproduce", "dvc.scm", "dvc.stage.run"]


def can_fork() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run_dvc(arguments: tuple[str, ...], folder: Path, env: dict[str, str], output: str) -> int:
    """Run a command of DVC's in a folder, and return its exit code.

    What it and its children print is added to the file `output`.
    """
    process = _context().Process(target=_run, args=(arguments, folder, env, output))
    process.start()
    process.join()
    code = process.exitcode
    assert code is not None
    return code


def _run(arguments: tuple[str, ...], folder: Path, env: dict[str, str], output: str) -> None:
    """As a new process begins: with this environment, folder, home and output."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    printed = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(printed, stream)
    import pygit2
    from dvc.cli import main

    # libgit2 has looked for its home when it was loaded.
    pygit2.settings.search_path[pygit2.enums.ConfigLevel.GLOBAL] = env["HOME"]
    pygit2.settings.search_path[pygit2.enums.ConfigLevel.XDG] = f"{env['HOME']}/.config/git"
    sys.argv = ["dvc", *arguments]
    sys.exit(main(list(arguments)))
