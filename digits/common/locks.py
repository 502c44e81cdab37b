"""Files that one process at a time holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from digits.common.errors import BadInput
from digits.common.files import cure_of

_NO_LOCKS = "locks fail on its file system, so keep the repository on another, as a local disk"


@contextmanager
def hold(file: Path, blocking: bool = True) -> Iterator[bool]:
    """Hold a file until the end; what a killed process held is free again.

    Parameters
    ----------
    file : Path
        It is made if it is not there; its folder must be.
    blocking : bool, default=True
        Whether to wait until nobody else holds it.

    Yields
    ------
    bool
        Whether it is held: always, unless `blocking` is false.

    Raises
    ------
    BadInput
        When the file system has no locks, or the file cannot be made.
    """
    lock = FileLock(file)
    try:
        lock.acquire(blocking=blocking)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        cure = cure_of(error) or _NO_LOCKS
        raise BadInput(f"{file} cannot be locked ({reason}): {cure}.") from error
    try:
        yield True
    finally:
        lock.release()
