"""The folder in which a stage leaves what it can go on from when it was killed."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from digits.common.files import remove
from digits.common.locks import hold

log = logging.getLogger(__name__)
WEEK = 7 * 24 * 3600  # seconds


@contextmanager
def open_checkpoints(repository: Path, stage: str, digest: str) -> Iterator[Path | None]:
    """Yield a folder for a stage with the very inputs it has now; it goes when all is done.

    It is None while another process does the very same, as two workers of a queue may: each
    would overwrite what the other left. Folders of other inputs go after a week. Git-ignored.

    Parameters
    ----------
    repository : Path
        The main repository.
    stage : str
        The stage's name.
    digest : str
        Of all that it depends on.
    """
    folder = repository / ".checkpoints" / f"{stage}-{digest[:16]}"
    for other in folder.parent.glob(f"{stage}-*"):
        with suppress(FileNotFoundError):  # whoever uses it is just done
            if other != folder and time.time() - other.stat().st_mtime > WEEK:
                with _held(repository, other) as is_ours:
                    if is_ours:
                        remove(other)
    with _held(repository, folder) as is_ours:
        if not is_ours:
            log.info("another process does the same just now: killed, this one would begin anew")
        yield folder if is_ours else None
        if is_ours:
            remove(folder)


@contextmanager
def _held(repository: Path, folder: Path) -> Iterator[bool]:
    """Yield whether the folder is ours until the end, as nobody else holds it.

    What a killed process held is free again.
    """
    # The lock is not in the folder, which comes and goes.
    file = repository / ".dvc" / "tmp" / f"{folder.name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with hold(file, blocking=False) as is_ours:
        yield is_ours
