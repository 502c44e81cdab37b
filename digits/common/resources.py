"""Threads and memory: how much of this machine may be used, and how much was."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import joblib
import psutil
from threadpoolctl import threadpool_limits

from digits.common.errors import BadInput

_STATUS = Path("/proc/self/status")
_GROUP_OF_THIS_PROCESS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
# Files of a control group of Linux, of version 2 and 1: the most memory that its processes may
# hold, what they hold, and of which part, in memory.stat, files are that can be dropped.
_MEMORY_FILES = [
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
]

_sharing = 1  # as many processes share the threads


def share_threads(n: int) -> None:
    """Let this process take one n-th of the threads from now on, and at least one."""
    global _sharing
    _sharing = n


def n_threads() -> int:
    """Return how many threads may work: DIGITS_THREADS, by default one for each core.

    It is less where `share_threads` says so.

    Raises
    ------
    BadInput
        When the environment variable DIGITS_THREADS is no whole number from 1, or the container
        does not say how many cores may be used.
    """
    given = os.environ.get("DIGITS_THREADS", "")
    if given and (not given.isdecimal() or int(given) < 1):
        raise BadInput(
            f"the environment variable DIGITS_THREADS is {given!r}, "
            "allowed is a whole number from 1."
        )
    try:  # also when it is given: joblib asks by itself
        # joblib counts the cores that this process may use, in a container too.
        cores = joblib.cpu_count()
    except (ValueError, OSError) as error:
        raise BadInput(
            f"joblib cannot count the cores that this container may use ({error}): its cpu.max or "
            "cpu.cfs_quota_us in /sys/fs/cgroup is no number, so mend it or do not mount it."
        ) from error
    return max(int(given or cores) // _sharing, 1)


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
        warnings.catch_warnings(),
    ):
        # Each task of scikit-learn sets the warning filters, which are the process's, and puts
        # them back. Where another thread does so at that moment, it finds none, and says that it
        # was called in a wrong way.
        warnings.filterwarnings("ignore", "`sklearn.utils.parallel.delayed` should be used")
        yield


def free_memory() -> float:
    """Return how much more memory this process may take, here and in its container, in MiB.

    A container is a control group of Linux; what it does not say is no limit.
    """
    free = float(psutil.virtual_memory().available)
    for group in _groups():
        for most, held, files in _MEMORY_FILES:
            # A file may be of the other version, or say "max".
            with suppress(OSError, ValueError, KeyError):
                limit = int((group / most).read_text(encoding="utf-8"))
                stat = (group / "memory.stat").read_text(encoding="utf-8")
                droppable = int(dict(line.split() for line in stat.splitlines())[files])
                free = min(
                    free, limit - int((group / held).read_text(encoding="utf-8")) + droppable
                )
    return max(0, free) / 2**20


def _groups() -> Iterator[Path]:
    """Yield the folders of the control groups of this process, and of those that they are in."""
    try:
        lines = _GROUP_OF_THIS_PROCESS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root = _GROUPS / controllers
            group = root / path.lstrip("/")
            yield group
            yield from (parent for parent in group.parents if parent.is_relative_to(root))


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
