"""What a Dask worker does with a piece of a fit, and what it must have for that."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from digits.common.errors import BadInput
from digits.common.files import list_modules
from digits.common.resources import all_threads, share_threads
from digits.common.versions import installed_versions, other_versions

# By these NumPy and OpenBLAS choose their routines, which round differently, when they are loaded
# (common/environment.py).
ROUTINES = ("OPENBLAS_CORETYPE", "NPY_ENABLE_CPU_FEATURES", "NPY_DISABLE_CPU_FEATURES")

CODE = "the project's code"

Call = tuple[Callable[..., Any], list[Any], dict[str, Any]]


class InFile(NamedTuple):
    """Stands for a large array, which is in an .npy file."""

    path: str


@cache
def identity() -> dict[str, str]:
    """What two processes must have in common to compute the same, by name.

    It is that of the first call: a worker does not read code again that was edited since.
    """
    package = Path(__file__).resolve().parent.parent
    digest = sha256()
    for file in list_modules(package):
        digest.update(f"{file.relative_to(package).as_posix()}\n".encode() + file.read_bytes())
    code = {CODE: digest.hexdigest()[:12]}
    return code | installed_versions() | {name: os.environ.get(name, "unset") for name in ROUTINES}


def differences(wanted: Mapping[str, str]) -> list[str]:
    """Return "numpy 2.4.5 (the sender's is 2.4.6)" for whatever is otherwise here."""
    return other_versions(identity(), wanted, "the sender's")


def run_piece(payload: bytes, wanted: Mapping[str, str], at_a_time: Mapping[str, int]) -> bytes:
    """Call functions as joblib would have called them on the sender's machine.

    Parameters
    ----------
    payload : bytes
        A list of functions with their arguments, in Dask's form.
    wanted : mapping of str to str
        The sender's `identity`.
    at_a_time : mapping of str to int
        By the address of a worker that runs one piece at a time, how many run on its machine.

    Returns
    -------
    bytes
        The list of what they return, in Dask's form.

    Raises
    ------
    BadInput
        When this worker would compute otherwise, or does not see the sender's files.
    """
    from distributed import get_worker
    from distributed.protocol.pickle import dumps, loads

    worker = get_worker().state
    if others := differences(wanted):  # of a worker that came later than the check
        raise BadInput(not_the_same(worker.address, others))
    calls: list[Call] = loads(payload)
    # Of two pieces in one process, the one that ends first would lift the limits of the other: so
    # there are limits that nobody lifts, and each has one thread.
    threadpool_limits(1)
    share_threads(at_a_time.get(worker.address, sys.maxsize))
    try:
        with all_threads():
            return dumps([call(*_open(args), **_open(kwargs)) for call, args, kwargs in calls])
    except FileNotFoundError as error:
        raise BadInput(not_seen(worker.address, error.filename)) from error


def _open(value: Any) -> Any:
    """Put arrays in the places of the files that stand for them."""
    if isinstance(value, InFile):
        return np.asarray(np.load(value.path, mmap_mode="r"))
    return mapped(_open, value)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply a function to what a list, a dictionary or a dataclass holds; others stay."""
    if type(value) is list:
        return [function(item) for item in value]
    if type(value) is dict:
        return {key: function(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        values = {each.name: function(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **values)
    return value


def not_the_same(worker: str, others: list[str]) -> str:
    """The sentence about a worker that would compute otherwise."""
    return (
        f"the worker {worker} has {', '.join(others)}: start it again, in a clone of the same "
        "commit and with the same variables."
    )


def not_seen(worker: str, path: object) -> str:
    """The sentence about a worker that does not see the sender's files."""
    return (
        f"the worker {worker} does not see {path}: the workers of a fit need the sender's folder "
        "at the same place, as on one machine or on a shared file system."
    )
