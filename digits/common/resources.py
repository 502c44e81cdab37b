"""How much of this machine may be used, and how much was."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import psutil
from threadpoolctl import threadpool_limits

from digits.common.errors import BadInput


def threads() -> int:
    """How many threads may work: the environment variable DIGITS_THREADS, by default one per core."""
    given = os.environ.get("DIGITS_THREADS", "")
    if given and (not given.isdecimal() or int(given) < 1):
        raise BadInput(
            f"the environment variable DIGITS_THREADS is {given!r}, allowed is a whole number from 1."
        )
    return int(given or joblib.cpu_count())  # those that this process may use, in a container too


@contextmanager
def all_threads() -> Iterator[None]:
    """Work on as many threads as are allowed, by joblib and OpenMP; their number does not change the result.

    A matrix product on two threads differs from that on one in its last bits, and so would a model made by it: BLAS gets one.
    """
    n = threads()
    with (
        joblib.parallel_config(backend="threading", n_jobs=n),
        threadpool_limits({"blas": 1, "openmp": n}),
    ):
        yield


def peak_memory() -> float:
    """The most memory that this process has held so far, in MiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    if (
        status := Path("/proc/self/status")
    ).exists():  # Linux, where getrusage still counts the program that started this one
        (line,) = (
            line
            for line in status.read_text(encoding="utf-8").splitlines()
            if line.startswith("VmHWM")
        )
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
