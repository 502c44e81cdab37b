"""What a data set is here, and proof that what came is what was meant."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digits.common.arrays import open_array, sha256
from digits.common.errors import BadInput
from digits.common.files import read_json, write_json
from digits.data.idx import FILES, parse_idx

DIGITS_8X8_TRAIN = 1_497  # of 1,797: five sixths, as in MNIST


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


def from_table(pixels: ArrayLike, labels: ArrayLike) -> DataSet:
    """MNIST as OpenML hands it out: pixels (70000, 784) of any number type, labels (70000,) as numbers or *strings*.

    Both are cast at once: compared with numbers, strings would be silently unequal to all of them.
    """
    images = np.asarray(pixels).astype(np.uint8).reshape(-1, 28, 28)
    return DataSet(images, np.asarray(labels).astype(np.uint8), n_train=60_000)


def from_files(files: Mapping[str, bytes]) -> DataSet:
    """A data set from the contents of its four IDX files, raw or gzipped, by their names in `idx.FILES`.

    Raises BadInput when a file is damaged, the four do not fit together, or a label is not 0-9.
    """
    images = [
        parse_idx(files[FILES[f"{part}_images"]], 3, FILES[f"{part}_images"])
        for part in ("train", "test")
    ]
    labels = [
        parse_idx(files[FILES[f"{part}_labels"]], 1, FILES[f"{part}_labels"])
        for part in ("train", "test")
    ]
    for part, x, y in zip(("train", "test"), images, labels, strict=True):
        if len(x) != len(y) or len(x) == 0:
            raise BadInput(
                f"the {part} files hold {len(x)} images and {len(y)} labels, allowed is one label for each of one or more images."
            )
    if images[0].shape[1:] != images[1].shape[1:]:
        raise BadInput(
            f"training and test images are {images[0].shape[1:]} and {images[1].shape[1:]} pixels, allowed is one size."
        )
    if (highest := max(y.max() for y in labels)) > 9:
        raise BadInput(f"the labels go up to {highest}, allowed are the digits 0 to 9.")
    return DataSet(np.concatenate(images), np.concatenate(labels), n_train=len(images[0]))


def from_folder(folder: Path) -> DataSet:
    """A person's own four IDX files, each raw or .gz. Raises BadInput as `from_files`, or naming the files that are missing."""
    contents, missing = {}, []
    for name in FILES.values():
        found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if found:
            contents[name] = found[0].read_bytes()
        else:
            missing.append(name)
    if missing:
        raise BadInput(f"{folder.absolute()} lacks {', '.join(missing)} (each raw or with .gz).")
    return from_files(contents)


def digits_8x8() -> DataSet:
    """scikit-learn's own 1,797 digits of 8 x 8 pixels, brought from 0..16 to 0..255."""
    from sklearn.datasets import load_digits  # 0.5 s of imports that the other data sets do without

    digits = load_digits()
    return DataSet(
        np.rint(digits.images * (255 / 16)).astype(np.uint8),
        digits.target.astype(np.uint8),
        DIGITS_8X8_TRAIN,
    )
