"""Text on one line: names of files, and how many more there are."""

import re
from collections.abc import Iterable
from pathlib import Path


def printable(text: str) -> str:
    r"""A text on one line: line feeds and other control characters in a file's name as \n, \x1b."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda match: repr(match[0])[1:-1], text)


def name_some(names: Iterable[Path | str], limit: int) -> str:
    """The first of some names, at most so many, and how many more there are; on one line."""
    every = [printable(str(name)) for name in names]
    further = len(every) - limit
    return ", ".join(every[:limit]) + (f" and {further} more" if further > 0 else "")
