"""A Dask cluster on 127.0.0.1, for the tests that send work to one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.scratch import Project

needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask is not installed: pip install '.[cluster]'"
)
LONG = 600  # seconds; on a machine of usual speed it takes 20


@contextmanager
def started(where: Project, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process; it is gone at the end. What it prints is in a file in its home."""
    where.home.mkdir(parents=True, exist_ok=True)
    with (where.home / "log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=where.path,
            env=where.env | env,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()  # what it runs ends with it
            process.wait()


def dask(
    folder: Path, *arguments: str, **env: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """A scheduler or a worker on 127.0.0.1, with a folder, a home and a cache of its own."""
    here = ("--host", "127.0.0.1", "--no-dashboard")
    return started(Project(folder, folder / "home"), "-m", "dask", *arguments, *here, **env)


def scheduler(folder: Path, port: int) -> AbstractContextManager[subprocess.Popen[str]]:
    return dask(folder, "scheduler", "--port", str(port))


def worker(folder: Path, port: int, **env: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """A worker that runs one experiment, or one piece of a fit, at a time."""
    options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
    return dask(folder, "worker", f"tcp://127.0.0.1:{port}", *options, **env)


def says(where: Project, text: str) -> bool:
    """Whether a process has printed this."""
    return text in (where.home / "log").read_text("utf-8")
