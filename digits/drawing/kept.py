"""Drawings kept with their labels: a folder of pictures with a subfolder for each digit."""

from hashlib import sha256
from pathlib import Path
from threading import Lock
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.pictures.paths import pictures_in

DIGITS = range(10)


class KeptDrawings:
    """The drawings in a folder, as FOLDER/DIGIT/NAME.png.

    A drawing is named by its pixels, so that no file is ever written over another one.

    Parameters
    ----------
    folder : Path
        Made when the first drawing is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: list[Path] = []  # by this object, in their order
        self._lock = Lock()

    def keep(self, pixels: NDArray[np.uint8], digit: int) -> tuple[Path, bool]:
        """Write a drawing as a PNG file, whole or not at all.

        Parameters
        ----------
        pixels : ndarray of shape (height, width, 3), uint8
            The drawing.
        digit : int
            What it shows.

        Returns
        -------
        file : Path
            Where it is.
        is_new : bool
            False when this drawing was there already, perhaps as another digit.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        name = sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16] + ".png"
        with self._lock:
            for file in (self.folder / str(other) / name for other in DIGITS):
                if file.exists():
                    return file, False
            file = self.folder / str(digit) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_name(f".{uuid4().hex}.new")  # hidden: nobody takes it for a picture
            try:
                Image.fromarray(pixels).save(new, "PNG", optimize=True)
                new.replace(file)
            finally:
                new.unlink(missing_ok=True)
            self._kept.append(file)
        return file, True

    def take_back(self) -> Path | None:
        """Delete the drawing that this object kept last.

        Returns
        -------
        Path or None
            Where it was; None when it has kept none, or all are taken back.

        Raises
        ------
        OSError
            When it cannot be deleted.
        """
        with self._lock:
            if not self._kept:
                return None
            file = self._kept[-1]
            file.unlink(missing_ok=True)
            self._kept.pop()
        return file

    def counts(self) -> list[int]:
        """How many pictures there are of each digit, whoever put them there."""
        return [len(pictures_in(self.folder / str(digit))) for digit in DIGITS]
