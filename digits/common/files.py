"""Files: JSON and CSV with the same bytes on every system, digests, replacing and deleting."""

import csv
import errno
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from digits.common.errors import BadInput

# Files and folders that are hidden, or that desktops and editors leave in any folder: nobody's
# data. .dvcignore names the same.
CLUTTER = (".*", "[Tt]humbs.db", "ehthumbs.db", "[Dd]esktop.ini", "@eaDir", "*~", "~$*", "#*#")

# What keeps a file from being written, and what to do then.
_CURES = {
    "no room": "make room there",
    "it is read-only": "who runs this must be allowed to write there",
}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MAY_NOT_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)


def is_clutter(name: str) -> bool:
    """Whether a file or folder of this name is nobody's data."""
    return any(fnmatch(name, pattern) for pattern in CLUTTER)


def list_modules(folder: Path) -> list[Path]:
    """Return the Python files below a folder, sorted, without those that are nobody's data."""
    return sorted(
        path
        for path in folder.rglob("*.py")
        if not any(map(is_clutter, path.relative_to(folder).parts))
    )


def cure_of(error: Exception) -> str | None:
    """Return what to do where there is no room or no right to write; None of any other error."""
    return _CURES.get(_obstacle(error))


def why_not_written(error: Exception) -> str | None:
    """Return why a file could not be written, as the end of a sentence; None of any other error.

    Parameters
    ----------
    error : Exception
        As Python raises it, NumPy, or MLflow of its database.
    """
    if not (cure := cure_of(error)):
        return None
    place = getattr(error, "filename", None) or "a file"
    reason = getattr(error, "strerror", None) or _obstacle(error)
    return f"{place} could not be written ({reason}): {cure}"


def _obstacle(error: Exception) -> str:
    """Return a key of _CURES; of any other error nothing."""
    number, text = getattr(error, "errno", None), str(error)
    # NumPy counts items that it could not write, SQLite has words of its own; both give no number.
    if number in _NO_ROOM or (number is None and re.search("requested and|disk is full", text)):
        return "no room"
    if number in _MAY_NOT_WRITE or (number is None and "readonly database" in text):
        return "it is read-only"
    return ""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, a line for each key."""
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON mapping. Raises BadInput when the file is missing or holds anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as JSON ({error}); `dvc repro` makes it again."
        ) from error
    if not isinstance(values, dict):
        raise BadInput(
            f"{path} holds a {type(values).__name__}, allowed is a mapping; "
            "`dvc repro` makes it again."
        )
    return values


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as CSV, for DVC's plots.

    Parameters
    ----------
    path : Path
        The file.
    header : sequence of str
        The names of the columns.
    rows : iterable of sequences
        Their cells; None is an empty one.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


def read_csv(path: Path) -> list[dict[str, float]]:
    """Read a table of numbers that `write_csv` wrote.

    Returns
    -------
    list of dict
        The numbers of each row by the names of their columns, without the empty cells.

    Raises
    ------
    BadInput
        When the file is missing or holds anything else.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {name: float(cell) for name, cell in row.items() if cell}
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(
            f"{path} cannot be read as a table of numbers ({error}); `dvc repro` makes it again."
        ) from error


def replace(new: Path, old: Path) -> None:
    """Put a finished file or folder in its place by renaming, so that nobody ever sees half of it.

    Parameters
    ----------
    new : Path
        The finished one, on the same file system.
    old : Path
        Its place, where an earlier file or folder may be.
    """
    if old.is_dir():
        aside = old.with_name(old.name + ".old")
        remove(aside)  # left by a process that was killed here
        old.replace(aside)
        new.replace(old)
        remove(aside)
    else:
        new.replace(old)


def remove(path: Path) -> None:
    """Delete a file, a folder or a link, if it exists; what a link leads to stays."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            remove(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
