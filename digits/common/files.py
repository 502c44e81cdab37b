"""Files: checked when opened, written in chunks, replaced whole, known by their SHA-256."""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from digits.common.errors import BadInput

CHUNK = 10_000  # images held in memory at once


def sha256(*arrays: NDArray) -> str:
    """SHA-256 of the dtype, shape and values (C order) of all the arrays, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_array(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> np.ndarray:
    """Map an .npy file read-only after checking what it is; None in `shape` stands for any length.

    DVC does not notice a cached file that was altered in place, so whoever opens one looks.
    Raises BadInput when the file is missing, is no .npy, or has another dtype or shape.
    """
    try:
        array = open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"{path} cannot be read as an .npy array ({error}); `dvc repro` makes it again."
        ) from error
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = f"({', '.join('any' if n is None else str(n) for n in shape)})"
        raise BadInput(
            f"{path} holds {array.dtype} of shape {array.shape}, allowed is {np.dtype(dtype)} of shape {wanted}: "
            "it was changed since it was made; delete it and run `dvc repro`."
        )
    return array


def write_chunks(path: Path, chunks: Iterable[NDArray], length: int) -> None:
    """Write an .npy of `length` rows from consecutive chunks of them, holding one chunk in memory at a time."""
    start = 0
    for chunk in chunks:
        if start == 0:
            open_memmap(path, mode="w+", dtype=chunk.dtype, shape=(length, *chunk.shape[1:]))
        # Mapped anew for each chunk: pages of a map count as this process's memory until it is closed.
        open_memmap(path, mode="r+")[start : start + len(chunk)] = chunk
        start += len(chunk)
    assert start == length, f"{path}: {start} rows came, {length} were announced"


def read_rows(array: NDArray, rows: NDArray) -> NDArray:
    """Some rows (ascending) of an array, in memory.

    Of a mapped file without the map: pages of a map, and their neighbours, count as this process's memory once they are touched.
    """
    root: Any = array
    while isinstance(getattr(root, "base", None), np.memmap):
        root = root.base
    if not isinstance(root, np.memmap) or not array.flags.c_contiguous or len(rows) == 0:
        return np.asarray(array[rows])
    start = root.offset + array.ctypes.data - root.ctypes.data
    some = np.empty((len(rows), *array.shape[1:]), array.dtype)
    ends = np.append(np.flatnonzero(np.diff(rows) != 1) + 1, len(rows))
    with Path(str(root.filename)).open("rb", buffering=0) as file:
        for first, end in zip(np.append(0, ends[:-1]), ends, strict=True):
            file.seek(start + int(rows[first]) * array[0].nbytes)
            file.readinto(some[first:end].data)
    return some


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, a key a line, the same bytes on every system."""
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON mapping. Raises BadInput when it is missing or is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} cannot be read as JSON ({error}); `dvc repro` makes it again."
        ) from error
    if not isinstance(values, dict):
        raise BadInput(
            f"{path} holds a {type(values).__name__}, allowed is a mapping; `dvc repro` makes it again."
        )
    return values


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table for DVC's plots, the same bytes on every system; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(header) + "\n")
        file.writelines(
            ",".join("" if cell is None else str(cell) for cell in row) + "\n" for row in rows
        )


def read_csv(path: Path) -> list[dict[str, float]]:
    """The rows of a table of numbers that `write_csv` wrote; empty cells are left out.

    Raises BadInput when the file is missing or holds anything else.
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
    """Put a finished file or folder in its place by renaming, so that nobody ever sees half of it."""
    if old.is_dir():
        aside = old.with_name(old.name + ".old")
        remove(aside)  # of one that was killed here
        old.replace(aside)
        new.replace(old)
        remove(aside)
    else:
        new.replace(old)


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            remove(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
