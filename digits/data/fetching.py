"""Fetch a data set by its name, check it, and keep what came over the network."""

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import platformdirs

from digits.common.errors import BadInput
from digits.common.files import is_clutter, replace
from digits.data.dataset import DataSet, check_digest, open_raw, save_raw
from digits.params.datasets import Source, allowed_datasets, find_source

log = logging.getLogger(__name__)
CACHE = "DIGITS_CACHE"  # environment variable: the folder in which downloads are kept


def fetch_dataset(dataset: str, sha256: str | None, own: Path) -> DataSet:
    """Fetch a data set and check it.

    Parameters
    ----------
    dataset : str
        As `fetch.dataset` in params.yaml.
    sha256 : str or None
        What `DataSet.sha256` of a person's own data must be; None accepts any.
    own : Path
        The folder in which a person's own data must lie, from the current one. DVC looks at it, so
        that a change in it fetches anew.

    Raises
    ------
    BadInput
        When the name is unknown, no mirror delivers, a folder is not below `own`, a file is missing
        or damaged, or the digest differs.
    """
    found = find_source(dataset)
    if not found:
        allowed = ", ".join(allowed_datasets())
        raise BadInput(f"fetch.dataset is {dataset!r}, allowed are {allowed}.")
    source, _ = found
    if source.takes_folder:
        path = _own_folder("fetch.dataset", dataset, own)
        return check_digest(source.fetch(path), dataset, sha256)
    if source.is_download:
        return _fetch_once(source)
    return check_digest(source.fetch(), dataset, source.sha256)


def add_extra(data: DataSet, dataset: str, extra: str, own: Path) -> DataSet:
    """Add a person's labelled pictures to a data set, for training alone.

    Parameters
    ----------
    data : DataSet
        As `fetch_dataset` returns it.
    dataset, extra : str
        As `fetch.dataset` and `fetch.extra` in params.yaml. Of a folder with train/ and test/, the
        pictures in train/ are added.
    own : Path
        As of `fetch_dataset`.

    Raises
    ------
    BadInput
        When the folder is one of the data set's, the images are not square, and as
        `read_pictures` and `fetch_dataset`.
    """
    from digits.data.loaders import read_pictures
    from digits.pictures.labelled import find_parts

    folder = _own_folder("fetch.extra", extra, own)
    source, name = find_source(dataset) or (None, "")
    if source and source.takes_folder:
        other = Path(os.path.normpath(name))
        if folder == other or folder in other.parents or other in folder.parents:
            raise BadInput(
                f"fetch.extra is {extra!r}, but fetch.dataset is {dataset!r}: allowed is another "
                "folder, since test images must not be learned from."
            )
    _, height, width = data.images.shape
    if height != width:
        raise BadInput(
            f"fetch.extra is {extra!r}, but the images of {dataset} have {height} x {width} "
            "pixels: allowed is a data set of square ones."
        )
    train, _ = find_parts(folder) or (folder, None)
    images, labels = read_pictures(train, height)
    return DataSet(
        np.concatenate([data.images, images]),
        np.concatenate([data.labels, labels]),
        data.n_train,
        len(images),
    )


def _own_folder(key: str, value: str, own: Path) -> Path:
    """Return a folder of a person's own data, in which DVC notices every change."""
    folder = value.partition(":")[2]
    path = Path(os.path.normpath(folder))
    if own not in path.parents:
        raise BadInput(
            f"{key} is {value!r}, allowed is a folder below {own.as_posix()}: move "
            f"{folder} there, or make a folder there and link the files into it, since a change "
            "of them is noticed there alone."
        )
    if hidden := [name for name in path.parts if is_clutter(name)]:
        raise BadInput(
            f"{key} is {value!r}, but DVC overlooks {hidden[0]}, as hidden or left by a "
            "program: allowed is a folder of another name."
        )
    if not path.is_dir():
        cure = f"`dvc add {path}` where it is, and `git add {path}.dvc`: experiments have it then"
        if Path(f"{path}.dvc").exists():
            cure = f"`dvc pull {path}` brings it"
        raise BadInput(f"{path} is not in this copy of the repository: {cure}.")
    above = [parent for parent in path.parents if own in parent.parents]
    for place in (*above, path, *path.rglob("*")):
        if place.is_symlink() and place.is_dir():
            raise BadInput(
                f"{place} is a link to a folder, in which DVC notices no change: "
                "make it a folder, and link the files into it."
            )
    return path


def cache_folder() -> Path:
    """Return the folder in which downloads are kept, which need not be there yet.

    It is this machine's, not the repository's: a new clone needs no network.
    """
    given = os.environ.get(CACHE)
    return Path(given) if given else platformdirs.user_cache_path("digits", appauthor=False)


def _fetch_once(source: Source) -> DataSet:
    kept = cache_folder() / (source.sha256 or source.name)
    if kept.exists():
        try:
            data = check_digest(open_raw(kept), source.name, source.sha256)
            log.info("%s is on this machine already, in %s", source.name, kept)
            return data
        except BadInput as error:
            log.warning("%s; it is fetched again.", error)
    data = check_digest(source.fetch(), source.name, source.sha256)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            save_raw(data, new)
            replace(new, kept)
    except OSError as error:  # a full disk, a home that is read-only: the data is here all the same
        log.warning("%s is not kept in %s (%s)", source.name, kept.parent, error.strerror or error)
    return data
