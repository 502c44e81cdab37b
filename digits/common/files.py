"""Files: checked when opened, written in chunks, replaced whole, known by their SHA-256."""

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

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


def open_array(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> np.memmap:
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


@dataclass(frozen=True)
class ArrayFile:
    """An array in an .npy file, of which some rows are read without mapping the file.

    The pages of a memory map, and their neighbours, count as this process's memory once they are
    touched: whoever reads row after row of a large map holds all of it in the end.

    Parameters
    ----------
    path : Path
        The file.
    dtype : dtype
        Of its values.
    shape : tuple of int
        Its rows first; the values lie in C order.
    offset : int
        Where the first value lies, in bytes from the beginning of the file.
    """

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> Self:
        """The same values, in their order, in rows of another shape; the last may be left out."""
        assert math.prod(shape) <= math.prod(self.shape), f"{shape} is more than {self.shape}"
        return type(self)(self.path, self.dtype, shape, self.offset)

    def read(self, rows: NDArray) -> NDArray:
        """Read some rows.

        Parameters
        ----------
        rows : ndarray of shape (m,), int
            Numbers of rows, from 0. Neighbours that follow each other are read at once.

        Returns
        -------
        ndarray of shape (m, ...)
        """
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if len(rows) == 0:
            return result
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        ends = np.append(np.flatnonzero(np.diff(rows) != 1) + 1, len(rows))
        with self.path.open("rb", buffering=0) as file:
            for first, end in zip(np.append(0, ends[:-1]), ends, strict=True):
                file.seek(self.offset + int(rows[first]) * row_bytes)
                file.readinto(result[first:end].data)
        return result


def open_array_file(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> ArrayFile:
    """Check an .npy file as `open_array` does, to read rows of it. Raises BadInput as that does."""
    array = open_array(path, dtype, shape)
    if not array.flags.c_contiguous:
        raise BadInput(
            f"{path} holds an array in Fortran order, allowed is C order: it was changed since it "
            "was made; delete it and run `dvc repro`."
        )
    return ArrayFile(path, array.dtype, array.shape, array.offset)


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
