"""Picture files: which there are in folders and patterns, and in what order."""

import glob
import re
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path

from digits.common.files import is_clutter


def picture_files(names: Iterable[str]) -> Iterator[Path]:
    """The picture files that names stand for.

    Parameters
    ----------
    names : iterable of str
        Each a file, a folder of pictures, or a pattern such as scans/*.png. All that is in a folder
        or matches a pattern counts: whoever opens it says what is no picture.

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
            found = {Path(match) for match in glob.glob(name, recursive=True)}  # noqa: PTH207
            above = {folder for match in found for folder in match.parents}
            files = visible(found - above)  # what is in a folder may match too, as that of **
        else:
            files = [path]
        yield from files or [path]


def pictures_in(folder: Path) -> list[Path]:
    """All that is directly in a folder, but hidden and desktops' files, in natural order.

    None if the folder must not be read.
    """
    try:
        return visible(folder.iterdir())
    except OSError:
        return []


def visible(paths: Iterable[Path]) -> list[Path]:
    """Those of some paths that are not hidden or left by desktops, in natural order."""
    return sorted((path for path in paths if not is_clutter(path.name)), key=natural_key)


def natural_key(path: Path) -> tuple[list[tuple[float, str]], str]:
    """A key that sorts paths in natural order: 2.png before 10.png."""
    parts = re.findall(r"\d+|\D+", str(path).lower())
    return [(int(part), "") if part.isdecimal() else (inf, part) for part in parts], str(path)
