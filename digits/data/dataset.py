"""A data set in memory and on disk, and the digest by which it is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.common.arrays import open_array, sha256
from digits.common.errors import BadInput
from digits.common.files import read_json, write_json


@dataclass(frozen=True)
class DataSet:
    """Images (n, height, width) uint8, 0 = paper, with labels (n,) uint8 0-9; the first `n_train` are meant for training."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    n_train: int

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits that name the data set: pixels, labels, their order, and how many are for training."""
        return sha256(self.images, self.labels, np.array(self.n_train, np.int64))


def check_digest(data: DataSet, name: str, pinned: str | None) -> DataSet:
    """The data set itself, if its digest is the pinned one (None: any). Raises BadInput if not."""
    if pinned is not None and data.sha256 != pinned:
        raise BadInput(
            f"{name}: the images and labels have SHA-256 {data.sha256}, allowed is the pinned {pinned}."
        )
    return data


def save_raw(data: DataSet, folder: Path) -> None:
    """Write images.npy, labels.npy and about.json, from which `open_raw` can tell whether they are still what was fetched."""
    np.save(folder / "images.npy", data.images)
    np.save(folder / "labels.npy", data.labels)
    write_json(folder / "about.json", {"n_train": data.n_train, "sha256": data.sha256})


def open_raw(folder: Path) -> DataSet:
    """What `save_raw` wrote, the arrays mapped read-only. Raises BadInput when a file is missing or no longer the same."""
    images = open_array(folder / "images.npy", np.uint8, (None, None, None))
    labels = open_array(folder / "labels.npy", np.uint8, (len(images),))
    about = read_json(folder / "about.json")
    match about:
        case {"n_train": int(n_train), "sha256": str(digest)}:
            return check_digest(DataSet(images, labels, n_train), str(folder), digest)
    raise BadInput(
        f"{folder / 'about.json'} holds {about}, allowed are n_train and sha256; `dvc repro` makes it again."
    )
