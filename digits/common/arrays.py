"""Arrays in .npy files: checked when opened, read and written some rows at a time."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from digits.common.errors import BadInput

CHUNK = 10_000  # images held in memory at once


def sha256(*arrays: "NDArray | ArrayFile") -> str:
    """Return the SHA-256 of arrays: their dtypes, shapes and values in C order.

    Of one in a file, no more than a chunk is in memory.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        for part in array.chunks() if isinstance(array, ArrayFile) else [array]:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def open_array(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> np.memmap:
    """Map an .npy file read-only after checking what it holds.

    DVC does not notice a cached file that was altered in place, so this is checked at every use.

    Parameters
    ----------
    path : Path
        The file.
    dtype : dtype
        What its dtype must be.
    shape : tuple of int or None
        What its shape must be; None stands for any length.

    Raises
    ------
    BadInput
        When the file is missing, is no .npy, or has another dtype or shape.
    """
    try:
        array = open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"{path} cannot be read as an .npy array ({error}); `dvc repro` makes it again."
        ) from error
    fits = array.ndim == len(shape) and all(
        allowed in (None, length) for allowed, length in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        allowed_shape = ", ".join("any" if length is None else str(length) for length in shape)
        raise BadInput(
            f"{path} holds {array.dtype} of shape {array.shape}, "
            f"allowed is {np.dtype(dtype)} of shape ({allowed_shape}): "
            "it was changed since it was made; delete it and run `dvc repro`."
        )
    return array


@dataclass(frozen=True)
class ArrayFile:
    """An array in an .npy file, of which some rows are read without mapping the file.

    The pages of a memory map, and their neighbours, count as this process's memory once they are
    touched: whoever reads row after row of a large map holds all of it in the end.

    Attributes
    ----------
    path : Path
        The file.
    dtype : dtype
        Of the values.
    shape : tuple of int
        Rows first; the values lie in C order.
    offset : int
        Where the first value lies, in bytes from the beginning of the file.
    """

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> "ArrayFile":
        """Return the same values, in their order, in another shape; the last may be left out."""
        assert math.prod(shape) <= math.prod(self.shape), f"{shape} is more than {self.shape}"
        return ArrayFile(self.path, self.dtype, shape, self.offset)

    def read(self, rows: NDArray) -> NDArray:
        """Read some rows into memory.

        Parameters
        ----------
        rows : ndarray of shape (m,), int
            Row numbers from 0. Consecutive ones are read at once.

        Returns
        -------
        ndarray of shape (m, ...)
        """
        values = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if len(rows) == 0:
            return values
        row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        ends = np.append(np.flatnonzero(np.diff(rows) != 1) + 1, len(rows))
        starts = np.append(0, ends[:-1])
        with self.path.open("rb", buffering=0) as file:
            for start, end in zip(starts, ends, strict=True):
                file.seek(self.offset + int(rows[start]) * row_bytes)
                left = values[start:end].data.cast("B")
                while left:  # Linux reads 2 GiB at a time at most
                    if not (n := file.readinto(left)):
                        raise BadInput(f"{self.path} is shorter than it was: `dvc repro` makes it.")
                    left = left[n:]
        return values

    def chunks(self) -> Iterator[NDArray]:
        """Read all rows, CHUNK at a time."""
        for start in range(0, len(self), CHUNK):
            yield self.read(np.arange(start, min(start + CHUNK, len(self))))


@dataclass(frozen=True)
class SomeRows:
    """Some rows of an array, which are read when they are sliced.

    Attributes
    ----------
    array : ndarray or ArrayFile of shape (n, ...)
        In memory or in a file.
    rows : ndarray of shape (m,), int
        Row numbers from 0.
    """

    array: NDArray | ArrayFile
    rows: NDArray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> NDArray:
        return read_rows(self.array, self.rows[part])


def read_rows(array: NDArray | ArrayFile, rows: NDArray) -> NDArray:
    """Return some rows (m,) of an array in memory or in a file, in memory."""
    return array.read(rows) if isinstance(array, ArrayFile) else np.asarray(array[rows])


def open_array_file(path: Path, dtype: DTypeLike, shape: tuple[int | None, ...]) -> ArrayFile:
    """Check an .npy file as `open_array` does, to read some of its rows.

    Raises
    ------
    BadInput
        As `open_array`, and when the values lie in Fortran order.
    """
    array = open_array(path, dtype, shape)
    if not array.flags.c_contiguous:
        raise BadInput(
            f"{path} holds an array in Fortran order, allowed is C order: "
            "it was changed since it was made; delete it and run `dvc repro`."
        )
    return ArrayFile(path, array.dtype, array.shape, array.offset)


def write_chunks(path: Path, chunks: Iterable[NDArray], length: int) -> None:
    """Write an .npy file chunk by chunk, with one of them in memory at a time.

    Parameters
    ----------
    path : Path
        The file.
    chunks : iterable of ndarray
        Consecutive rows, all of one dtype.
    length : int
        How many rows they have together.
    """
    start = 0
    # Not by a map: where the disk is full, writing to one kills the process without a word.
    with path.open("wb") as file:
        for chunk in chunks:
            if start == 0:
                shape = (length, *chunk.shape[1:])
                header = {"descr": chunk.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(chunk).data)
            start += len(chunk)
    assert start == length, f"{path}: {start} rows came, {length} were announced"
