"""IDX files, written byte by byte as the format's description has it: what the project reads is made by nothing of its own."""

import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import DataSet
from digits.data.idx import FILES


def idx_file(array: NDArray[np.uint8]) -> bytes:
    """One file: two zeros, 8 for unsigned bytes, the number of dimensions, each of them big-endian, the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def idx_files(data: DataSet) -> dict[str, bytes]:
    """The contents of a data set's four files, by their names."""
    files = {}
    for part, rows in (("train", slice(data.n_train)), ("test", slice(data.n_train, None))):
        files[FILES[f"{part}_images"]] = idx_file(data.images[rows])
        files[FILES[f"{part}_labels"]] = idx_file(data.labels[rows])
    return files
