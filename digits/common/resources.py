"""Threads and memory: how much of this machine may be used, and how much was."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import psutil
from threadpoolctl import threadpool_limits

from digits.common.errors import BadInput

_STATUS = Path("/proc/self/status")


def n_threads() -> int:
    """Return how many threads may work: DIGITS_THREADS, by default one for each core.

    Raises
    ------
    BadInput
        When the environment variable DIGITS_THREADS is no whole number from 1.
    """
    given = os.environ.get("DIGITS_THREADS", "")
    if given and (not given.isdecimal() or int(given) < 1):
        raise BadInput(
            f"the environment variable DIGITS_THREADS is {given!r}, "
            "allowed is a whole number from 1."
        )
    # joblib counts the cores that this process may use, in a container too.
    return int(given or joblib.cpu_count())


@contextmanager
def all_threads() -> Iterator[None]:
    """Let joblib and OpenMP work on as many threads as are allowed, without changing the result.

    A matrix product on two threads differs from that on one in its last bits, and so would a model
    made by it: BLAS gets one.
    """
    n = n_threads()
    with (
        joblib.parallel_config(backend="threading", n_jobs=n),
        threadpool_limits({"blas": 1, "openmp": n}),
    ):
        yield


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    if _STATUS.exists():
        # Linux, where getrusage still counts the program that started this one.
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        (peak,) = (line for line in lines if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
