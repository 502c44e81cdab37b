"""The digits on many picture files: a batch at a time, so that memory stays flat."""

import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.common.resources import n_threads
from digits.pictures.handwriting import extract_digits
from digits.pictures.photo import page_name

BATCH = 250  # pictures


class Page(NamedTuple):
    """One page of a picture file.

    Attributes
    ----------
    path : Path
        The file.
    number : int or None
        Which of its pages or frames, counted from 1; None if it has but one.
    image : ndarray of shape (side, side), uint8, or BadInput
        The digit on it, or why there is none.
    """

    path: Path
    number: int | None
    image: NDArray[np.uint8] | BadInput

    @property
    def name(self) -> str:
        """The file's path, with the page if there are several: scan.tiff[2]."""
        return page_name(self.path, self.number)


def extract_in_batches(
    paths: Iterable[Path], side: int, batch: int = BATCH
) -> Iterator[list[Page]]:
    """Extract the digit on each page of some picture files, in their order.

    Parameters
    ----------
    paths : iterable of Path
        The files.
    side : int
        Height and width of the images, in pixels.
    batch : int, default=BATCH
        How many files are in memory at a time.

    Yields
    ------
    list of Page
        At most so many of them.
    """
    remaining = iter(paths)
    with ThreadPoolExecutor(n_threads()) as pool:
        while files := list(islice(remaining, batch)):
            with warnings.catch_warnings():
                # Of large pictures and damaged EXIF; what counts is whether it can be read.
                warnings.filterwarnings("ignore", module=r"PIL\.")
                extracted = list(pool.map(lambda path: list(extract_digits(path, side)), files))
            pages = [
                Page(path, number if len(images) > 1 else None, image)
                for path, images in zip(files, extracted, strict=True)
                for number, image in enumerate(images, 1)
            ]
            for start in range(0, len(pages), batch):
                yield pages[start : start + batch]
