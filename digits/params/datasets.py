"""The table of data sets that `fetch.dataset` may name.

Every stage reads this table, by the schema of params.yaml. So it imports nothing heavy: what
fetches a data set is named as "module:name" and imported when it is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any


@dataclass(frozen=True)
class Source:
    """One data set, or one kind of a person's own.

    Attributes
    ----------
    name : str
        The value of `fetch.dataset`; "kind:FOLDER" takes a folder.
    summary : str
        One line on it.
    target : str
        What fetches it, as "module:name": a function without arguments, or of a folder (Path),
        that returns a `DataSet`.
    sha256 : str or None
        The digest (`DataSet.sha256`) that it must have; None for a person's own.
    origin : str
        Where it comes from; empty for a person's own.
    licence : str
        Empty for a person's own.
    is_download : bool
        Whether it comes over the network, and is worth keeping.
    """

    name: str
    summary: str
    target: str
    sha256: str | None = None
    origin: str = ""
    licence: str = ""
    is_download: bool = False

    @property
    def takes_folder(self) -> bool:
        """Whether a folder belongs to the name, as in idx:FOLDER."""
        return self.name.endswith(":FOLDER")

    @property
    def fetch(self) -> Callable[..., Any]:
        """The function that fetches it."""
        function: Callable[..., Any] = resolve_name(self.target)
        return function

    def split(self, dataset: str) -> str | None:
        """Return the folder that `dataset` names ("" if none is needed), or None for another."""
        if not self.takes_folder:
            return "" if dataset == self.name else None
        kind = self.name.removesuffix("FOLDER")
        folder = dataset.removeprefix(kind)
        return folder if dataset.startswith(kind) and folder else None


SOURCES: tuple[Source, ...] = (
    Source(
        "mnist_784",
        "MNIST: 70,000 digits of 28 x 28 pixels",
        "digits.data.mirrors:fetch_mnist",
        sha256="0ed62a311ed80bc79b5ea5c36cffdd2cc526e6c5d9ad02258c9430e2b62d7379",
        origin="https://www.openml.org/d/554",
        licence="CC BY-SA 3.0",
        is_download=True,
    ),
    Source(
        "digits_8x8",
        "1,797 small digits of 8 x 8 pixels inside scikit-learn, no network",
        "digits.data.loaders:digits_8x8",
        sha256="965e37b093b111a7de0257e17c71167250b471eba3850b2005b16d981e97b7ff",
        origin="https://archive.ics.uci.edu/dataset/80",
        licence="CC BY 4.0",
    ),
    Source(
        "idx:FOLDER",
        "your own four IDX files, as MNIST has them, in a folder below data/own",
        "digits.data.loaders:from_folder",
    ),
    Source(
        "images:FOLDER",
        "your own pictures, in a folder below data/own with a subfolder for each digit, 0 to 9; "
        "with train/ and test/ above them, or with split.strategy shuffled",
        "digits.data.loaders:from_pictures",
    ),
)
EXTRA = "images:FOLDER"  # what `fetch.extra` may be


def find_source(dataset: str) -> tuple[Source, str] | None:
    """Return the table's entry for a value of `fetch.dataset` and the folder in it, if any."""
    for source in SOURCES:
        if (folder := source.split(dataset)) is not None:
            return source, folder
    return None


def allowed_datasets() -> list[str]:
    """Return what `fetch.dataset` may be, for messages."""
    return [source.name for source in SOURCES]
