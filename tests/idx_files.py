"""A small data set, and its IDX files, written byte by byte as the format is described.

So what the project reads is made by nothing of its own.
"""

import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import DataSet
from digits.data.idx import FILES

_RNG = np.random.default_rng(0)
TRAIN_IMAGES = _RNG.integers(0, 256, (7, 5, 4), np.uint8)
TEST_IMAGES = _RNG.integers(0, 256, (3, 5, 4), np.uint8)
TRAIN_LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)
TEST_LABELS = np.array([6, 5, 0], np.uint8)
ALL = (
    np.concatenate([TRAIN_IMAGES, TEST_IMAGES]),
    np.concatenate([TRAIN_LABELS, TEST_LABELS]),
    7,
)


def assert_same(
    data: DataSet, images: NDArray[np.uint8], labels: NDArray[np.uint8], n_train: int
) -> None:
    """A data set has these arrays, dtypes included."""
    np.testing.assert_array_equal(data.images, images, strict=True)
    np.testing.assert_array_equal(data.labels, labels, strict=True)
    assert data.n_train == n_train


def idx_file(array: NDArray[np.uint8]) -> bytes:
    """Return one IDX file: 0, 0, 8 for unsigned bytes, the shape big-endian, the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def idx_files(data: DataSet) -> dict[str, bytes]:
    """Return the contents of a data set's four IDX files, by their names."""
    files = {}
    for part, rows in (("train", slice(data.n_train)), ("test", slice(data.n_train, None))):
        files[FILES[f"{part}_images"]] = idx_file(data.images[rows])
        files[FILES[f"{part}_labels"]] = idx_file(data.labels[rows])
    return files
