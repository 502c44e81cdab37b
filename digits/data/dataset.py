"""A data set in memory and on disk, and the digest that names it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.common.arrays import ArrayFile, open_array, open_array_file, sha256
from digits.common.errors import BadInput
from digits.common.files import read_json, write_json


@dataclass(frozen=True)
class DataSet:
    """Images with labels.

    Attributes
    ----------
    images : ndarray of shape (n, height, width), uint8
        0 is paper, 255 ink.
    labels : ndarray of shape (n,), uint8
        The digits 0 to 9.
    n_train : int
        How many of them, from the first on, are meant for training: all of them, if the data set
        has no test images of its own.
    n_extra : int, default=0
        How many of them, the last, are a person's extra pictures, for training alone. They come
        last, so that the rows of all others are the same with and without them.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    n_train: int
    n_extra: int = 0

    @property
    def sha256(self) -> str:
        """The digest of pixels, labels, their order and the numbers, as 64 hexadecimal digits."""
        return _digest(self.images, self.labels, self.n_train, self.n_extra)


def _digest(images: NDArray | ArrayFile, labels: NDArray, n_train: int, n_extra: int) -> str:
    numbers = [n_train, n_extra] if n_extra else n_train
    return sha256(images, labels, np.array(numbers, np.int64))


def check_digest(data: DataSet, name: str, pinned: str | None) -> DataSet:
    """Return the data set itself, if its digest is the pinned one.

    Parameters
    ----------
    data : DataSet
        What came.
    name : str
        Where it came from, for the message.
    pinned : str or None
        What `DataSet.sha256` must be; None accepts any.

    Raises
    ------
    BadInput
        When the digest is another.
    """
    if pinned is not None:
        _refuse_another(data.sha256, name, pinned)
    return data


def _refuse_another(digest: str, name: str, pinned: str) -> None:
    if digest != pinned:
        raise BadInput(
            f"{name}: the images and labels have SHA-256 {digest}, allowed is the pinned {pinned}."
        )


def save_raw(data: DataSet, folder: Path) -> None:
    """Write a data set to a folder: images.npy, labels.npy, and about.json with its digest.

    With pictures for training alone, also the digest without them: models with and without these
    are validated and tested on the same images.
    """
    np.save(folder / "images.npy", data.images)
    np.save(folder / "labels.npy", data.labels)
    extra: dict[str, int | str] = {}
    if n := data.n_extra:
        scored = DataSet(data.images[:-n], data.labels[:-n], data.n_train)
        extra = {"n_extra": n, "sha256_without_extra": scored.sha256}
    write_json(folder / "about.json", {"n_train": data.n_train, "sha256": data.sha256} | extra)


def open_raw(folder: Path) -> DataSet:
    """Open what `save_raw` wrote, the arrays mapped read-only.

    Raises
    ------
    BadInput
        When a file is missing, or is not what `save_raw` wrote.
    """
    # Not by a map, whose pages would all count as this process's memory.
    file = open_array_file(folder / "images.npy", np.uint8, (None, None, None))
    labels = open_array(folder / "labels.npy", np.uint8, (len(file),))
    about = read_json(folder / "about.json")
    match {"n_extra": 0} | about:
        case {"n_train": int(n_train), "sha256": str(digest), "n_extra": int(n_extra)}:
            _refuse_another(_digest(file, labels, n_train, n_extra), str(folder), digest)
            images = open_array(file.path, file.dtype, file.shape)
            return DataSet(images, labels, n_train, n_extra)
    raise BadInput(
        f"{folder / 'about.json'} holds {about}, allowed are n_train and sha256; "
        "`dvc repro` makes it again."
    )
