"""Picture files: which there are in folders and patterns, and in what order."""

import glob
import re
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp",
    ".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".ico", ".jp2", ".j2k",
)  # fmt: skip


def picture_files(names: Iterable[str]) -> Iterator[Path]:
    """The picture files that names stand for.

    Parameters
    ----------
    names : iterable of str
        Each a file, a folder of pictures, or a pattern such as scans/*.png.

    Yields
    ------
    Path
        Files of a folder or pattern in natural order. A name that stands for no file is yielded as
        it is, so that whoever opens it says so.
    """
    for name in names:
        path = Path(name)
        if path.is_dir():
            files = pictures_in(path)
        elif not path.exists() and glob.has_magic(name):
            # Path.glob takes no absolute patterns.
            matches = glob.glob(name, recursive=True)  # noqa: PTH207
            files = sorted((Path(match) for match in matches), key=natural_key)
        else:
            files = [path]
        yield from files or [path]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by their suffixes, in natural order.

    None if the folder must not be read.
    """
    try:
        files = list(folder.iterdir())
    except OSError:
        return []
    pictures = [
        file for file in files if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    return sorted(pictures, key=natural_key)


def natural_key(path: Path) -> tuple[list[tuple[float, str]], str]:
    """A key that sorts paths in natural order: 2.png before 10.png."""
    parts = re.findall(r"\d+|\D+", str(path).lower())
    return [(int(part), "") if part.isdecimal() else (inf, part) for part in parts], str(path)
