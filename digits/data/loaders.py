"""Loaders of data sets: from a table, from IDX files, and from scikit-learn."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from digits.common.errors import BadInput
from digits.data.dataset import DataSet
from digits.data.idx import FILES, parse_idx

DIGITS_8X8_TRAIN = 1_497  # of 1,797: five sixths, as in MNIST


def from_table(pixels: ArrayLike, labels: ArrayLike) -> DataSet:
    """Return MNIST from the table that OpenML has.

    Parameters
    ----------
    pixels : array-like of shape (70000, 784)
        0 to 255, of any number type.
    labels : array-like of shape (70000,)
        Numbers or *strings*. They are cast at once: compared with numbers, strings would be
        silently unequal to all of them.
    """
    images = np.asarray(pixels).astype(np.uint8).reshape(-1, 28, 28)
    return DataSet(images, np.asarray(labels).astype(np.uint8), n_train=60_000)


def from_files(files: Mapping[str, bytes]) -> DataSet:
    """Return a data set from the contents of its four IDX files.

    Parameters
    ----------
    files : mapping
        Each file's content, raw or gzipped, by its name in `idx.FILES`.

    Raises
    ------
    BadInput
        When a file is damaged, the four do not fit together, or a label is not 0 to 9.
    """
    parts = ("train", "test")
    images, labels = (
        [parse_idx(files[FILES[f"{part}_{kind}"]], ndim, FILES[f"{part}_{kind}"]) for part in parts]
        for kind, ndim in (("images", 3), ("labels", 1))
    )
    for part, x, y in zip(parts, images, labels, strict=True):
        if len(x) != len(y) or len(x) == 0:
            raise BadInput(
                f"the {part} files hold {len(x)} images and {len(y)} labels, "
                "allowed is one label for each of one or more images."
            )
    train_size, test_size = (part.shape[1:] for part in images)
    if train_size != test_size:
        raise BadInput(
            f"training and test images are {train_size} and {test_size} pixels, "
            "allowed is one size."
        )
    if (highest := max(y.max() for y in labels)) > 9:
        raise BadInput(f"the labels go up to {highest}, allowed are the digits 0 to 9.")
    return DataSet(np.concatenate(images), np.concatenate(labels), n_train=len(images[0]))


def from_folder(folder: Path) -> DataSet:
    """Read the four IDX files of a folder, each raw or with .gz.

    Raises
    ------
    BadInput
        When one is missing, and as `from_files`.
    """
    contents, missing = {}, []
    for name in FILES.values():
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                contents[name] = path.read_bytes()
                break
        else:
            missing.append(name)
    if missing:
        raise BadInput(f"{folder.absolute()} lacks {', '.join(missing)} (each raw or with .gz).")
    return from_files(contents)


def digits_8x8() -> DataSet:
    """Return scikit-learn's own 1,797 digits of 8 x 8 pixels, brought from 0..16 to 0..255.

    They are read from the file that `sklearn.datasets.load_digits` reads: 64 pixels and the digit
    in each row. Importing scikit-learn would take longer than all the rest of the stage.
    """
    package = find_spec("sklearn")
    assert package and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0], "datasets", "data")
    table = np.loadtxt(folder / "digits.csv.gz", delimiter=",")
    images = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    return DataSet(images, table[:, -1].astype(np.uint8), DIGITS_8X8_TRAIN)
