"""Make a data set of what was downloaded, is in a folder, or comes with scikit-learn."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from digits.common.errors import BadInput
from digits.data.dataset import DataSet
from digits.data.idx import FILES, parse_idx

DIGITS_8X8_TRAIN = 1_497  # of 1,797: five sixths, as in MNIST


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
