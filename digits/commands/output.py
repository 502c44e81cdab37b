"""What several commands write: text for any terminal, percentages, tables, PNG files."""

import codecs
import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.common.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In the pictures that commands write, by which they know them again.
COMMENT = "python -m digits"


def escape_unprintable() -> None:
    """From now on, print escaped what the encoding of stdout or stderr lacks.

    Bytes of a file's name that are no text are printed as they are.
    """
    codecs.register_error("digits", _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="digits")


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def percent(share: float, form: str = ".6g") -> str:
    """A share as a percentage: 0.95 as 95 %, or 95.00 % in the form ".2f"."""
    return f"{100 * share:{form}} %"


def probability_text(probability: float | None) -> str:
    """A probability as a percentage; nothing but 1 reads as 100 %."""
    if probability is None:
        return "-"
    return ">99.9 %" if 0.9995 <= probability < 1 else percent(probability, ".1f")


def file_name(path: str) -> str:
    """The name of a file, without its folder, as a figure can show it."""
    return os.fsencode(Path(path).name).decode(errors="replace")


def code_span(text: str) -> str:
    """A text as Markdown shows it unchanged, on one line."""
    text = " ".join(text.split())
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", text))))
    return f"{fence} {text} {fence}"


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], align: str, markdown: bool = False
) -> str:
    """A table for a terminal, or in Markdown.

    Parameters
    ----------
    header : sequence of str
        The columns' names.
    rows : sequence of sequences of str
        The cells. In Markdown, text that is not this project's belongs in a `code_span`.
    align : str
        A letter for each column: "l" for words to the left, "r" for numbers to the right.
    markdown : bool
        Whether to write Markdown.

    Returns
    -------
    str
        Lines without blanks or a newline at their end.
    """
    from tabulate import tabulate

    options: dict[str, Any] = {
        "disable_numparse": True,
        "colalign": [{"l": "left", "r": "right"}[letter] for letter in align],
    }
    lines = [header, *rows]
    if markdown:
        header, *rows = [[cell.replace("|", r"\|") for cell in line] for line in lines]
        table = tabulate(rows, headers=header, tablefmt="pipe", **options)
    else:
        # As a row: tabulate would make columns wider than the header that it is told of.
        table = tabulate(lines, tablefmt="plain", **options)
    return "\n".join(line.rstrip() for line in table.splitlines())


def check_writable(option: str, path: Path | None) -> None:
    """Check before any work that a picture can be written, and that nothing is lost by it.

    Raises
    ------
    BadInput
        When the path that an option names is a folder, in a folder that does not exist, or a file
        that `write_png` did not write, as a picture that is to be read.
    """
    if path and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise BadInput(
            f"{option} {path} cannot be written: allowed is a file in a folder that is there."
        )
    if path and path.exists() and not _was_written_here(path):
        raise BadInput(
            f"{option} {path} would replace a file that this command did not write: "
            "allowed is another name."
        )


def _was_written_here(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.info.get("Comment") == COMMENT
    except Exception:  # noqa: BLE001 (whatever Pillow makes of a file that is no picture)
        return False


def write_png(option: str, figure: "Figure", path: Path) -> None:
    """Save a figure as a PNG file, whole or not at all.

    Raises
    ------
    BadInput
        When the path that an option names cannot be written.
    """
    from digits.plots.style import save_png

    new = path.with_name(path.name + ".new")
    try:
        save_png(figure, new, COMMENT)
        new.replace(path)
    except OSError as error:
        raise BadInput(f"{option} {path} cannot be written: {error.strerror or error}.") from error
    finally:
        new.unlink(missing_ok=True)
