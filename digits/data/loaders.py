"""Loaders of data sets: from a table, IDX files, folders of pictures, and from scikit-learn."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from digits.common.errors import BadInput
from digits.common.text import name_some, printable
from digits.data.dataset import DataSet
from digits.data.idx import FILES, parse_idx, unpack

log = logging.getLogger(__name__)

SIDE = 28  # pixels of the images that pictures become: as MNIST's
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
        When one is missing, is there twice with different content, or more than 1 in 100 test
        images are training images too; and as `from_files`.
    """
    contents, missing = {}, []
    for name in FILES.values():
        both = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
        if not both:
            missing.append(name)
            continue
        contents[name] = both[0].read_bytes()
        if len(both) > 1 and unpack(contents[name], name) != unpack(both[1].read_bytes(), name):
            raise BadInput(f"{both[0]} and {both[1].name} differ: allowed is one of them.")
    if missing:
        raise BadInput(f"{folder.absolute()} lacks {', '.join(missing)} (each raw or with .gz).")
    data_set = from_files(contents)
    _check_apart(data_set, folder)
    return data_set


def _check_apart(data_set: DataSet, folder: Path) -> None:
    """Check that test images are no training images: they would not be held out."""
    learned, tested = np.split(data_set.images, [data_set.n_train])
    known = {image.tobytes() for image in learned}
    n_both = sum(image.tobytes() in known for image in tested)
    if 100 * n_both > len(tested):
        raise BadInput(
            f"{folder}: {n_both} of {len(tested)} test images are training images too: allowed is "
            "1 in 100, as what was learned says nothing of how other images are read."
        )


def from_pictures(folder: Path) -> DataSet:
    """Read a folder of labelled pictures, each brought to MNIST's form as `predict` does it.

    Parameters
    ----------
    folder : Path
        With a subfolder for each digit, 0 to 9, or with such subfolders in train/ and in test/.
        Without these, no image is a test image.

    Raises
    ------
    BadInput
        When a digit has no picture, and as `read_pictures` and `find_parts`.
    """
    from digits.pictures.labelled import find_labelled, find_parts

    parts = find_parts(folder) or (folder,)
    for part in parts:
        if missing := find_labelled(part).missing:
            raise BadInput(
                f"{part} has no pictures of {', '.join(missing)}: allowed is a data set with some "
                "of each digit, in subfolders 0 to 9."
            )
    images, labels = zip(*(read_pictures(part, SIDE) for part in parts), strict=True)
    return DataSet(np.concatenate(images), np.concatenate(labels), n_train=len(images[0]))


def read_pictures(folder: Path, side: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read labelled pictures: all of them, or none.

    Parameters
    ----------
    folder : Path
        With subfolders 0 to 9, of which some may be missing.
    side : int
        Height and width of the images, in pixels.

    Returns
    -------
    images : ndarray of shape (n, side, side), uint8
        255 being ink; one for each page of each file, digit by digit, in natural order.
    labels : ndarray of shape (n,), uint8
        The digits.

    Raises
    ------
    BadInput
        When something has no label, or is no picture of a single digit; each is named in the log.
    """
    # Pillow and SciPy: half a second that no other data set needs.
    from digits.pictures.batches import extract_in_batches
    from digits.pictures.labelled import MAX_NAMED, find_labelled, label_of

    pictures = find_labelled(folder)
    unusable = {
        str(stray): f"{stray} is in none of the subfolders 0 to 9, and so has no label."
        for stray in pictures.strays
    }
    images, labels = [], []
    total = len(pictures.files)
    with tqdm(total=total, desc="reading", unit="picture", disable=None, leave=False) as bar:
        for pages in extract_in_batches(pictures.files, side):
            for page in pages:
                if isinstance(page.image, BadInput):
                    unusable[page.name] = str(page.image)
                else:
                    images.append(page.image)
                    labels.append(label_of(page.path))
            bar.update(len({page.path for page in pages}))
    for sentence in unusable.values():
        log.warning("%s", printable(sentence))
    if unusable:
        raise BadInput(
            f"{printable(str(folder))}: of {len(images) + len(unusable)} pictures, "
            f"{len(unusable)} cannot be used ({name_some(unusable, MAX_NAMED)}), so none was: mend "
            "or remove them, as the lines above say what is wrong with each."
        )
    return np.stack(images), np.array(labels, np.uint8)


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
