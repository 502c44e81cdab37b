"""`dvc` in a process of its own that need not import DVC: it is forked from one that has.

To import it takes most of the time of many a `dvc` command. The process that has imported it is
`python -m tests.forked dvc`: by the last word a stage finds DVC among its parents.
"""

import atexit
import gc
import json
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

from tests.imports import ROOT

# What most commands import.
_PRELOADED = ("dvc.cli.parser", "dvc.repo", "dvc.repo.reproduce", "dvc.scm", "dvc.stage.run")


def can_fork() -> bool:
    return hasattr(os, "fork")


def run_dvc(arguments: tuple[str, ...], folder: Path, env: dict[str, str], output: str) -> int:
    """Run a command of DVC's in a folder, and return its exit code.

    What it and its children print is added to the file `output`.
    """
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps([arguments, str(folder), env, output]) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    """Start the process that has imported DVC; it ends with this one."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", "dvc"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    for module in _PRELOADED:
        import_module(module)
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _run(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(arguments: list[str], folder: str, env: dict[str, str], output: str) -> None:
    """As a new process begins: with this environment, folder, home and streams."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.path[0] = folder
    printed = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream, file in enumerate((os.open(os.devnull, os.O_RDONLY), printed, printed)):
        os.dup2(file, stream)
    import pygit2
    from dvc.cli import main

    # libgit2 has looked for its home when it was loaded.
    pygit2.settings.search_path[pygit2.enums.ConfigLevel.GLOBAL] = env["HOME"]
    pygit2.settings.search_path[pygit2.enums.ConfigLevel.XDG] = f"{env['HOME']}/.config/git"
    sys.argv = ["dvc", *arguments]
    sys.exit(main(arguments))


if __name__ == "__main__":
    _serve()
