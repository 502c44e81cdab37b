"""What several commands write: percentages, code spans, tables, files that cannot be written."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from digits.commands.output import check_writable, code_span, percent, text_table, write_png
from digits.common.errors import BadInput

HEADER = ["name", "number", ""]
ROWS = [["a", "1", "yes"], ["a longer name", "-10.50", ""], ["", "", "no"]]


def test_a_table_for_a_terminal() -> None:
    assert text_table(HEADER, ROWS, "lrl").splitlines() == [
        "name           number",
        "a                   1  yes",
        "a longer name  -10.50",
        "                       no",
    ]


def test_a_table_in_markdown() -> None:
    header, rule, *rows = text_table(HEADER, [*ROWS, ["a|b", "1|2", ""]], "lrl", True).splitlines()
    assert rule.replace("-", "").split("|") == ["", ":", ":", ":", ""]
    assert rule.split("|")[2].endswith("-:")
    assert [cell.strip() for cell in header.split("|")[1:-1]] == HEADER
    assert rows[-1].startswith(r"| a\|b ") and r" 1\|2 |" in rows[-1]


def test_percent() -> None:
    assert [percent(share) for share in (0.95, 0.999, 1)] == ["95 %", "99.9 %", "100 %"]
    assert percent(0.98764, ".2f") == "98.76 %"


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("main", "`main`"),
        ("two\nlines", "`two lines`"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        ("a|b", "`a|b`"),
    ],
)
def test_code_spans(text: str, span: str) -> None:
    assert code_span(text) == span


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    check_writable("--explain", None)
    check_writable("--explain", tmp_path / "new.png")
    for path in (tmp_path, tmp_path / "no" / "new.png"):
        with pytest.raises(BadInput, match=r"^--explain .* cannot be written: allowed is a file"):
            check_writable("--explain", path)


def test_a_file_of_others_is_not_replaced(tmp_path: Path) -> None:
    """As a picture that is to be read."""
    for name in ("mine.png", "notes.txt"):
        Image.new("L", (9, 9)).save(tmp_path / name, "PNG") if name == "mine.png" else (
            tmp_path / name
        ).write_text("x")
        with pytest.raises(BadInput, match=r"^--explain .* would replace a file .*another name\.$"):
            check_writable("--explain", tmp_path / name)
    write_png("--explain", Figure(), tmp_path / "seen.png")
    check_writable("--explain", tmp_path / "seen.png")


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_png("--gallery", Figure(), tmp_path / "new.png")
    with Image.open(tmp_path / "new.png") as picture:
        assert picture.format == "PNG"
    with pytest.raises(BadInput, match=r"^--gallery .* cannot be written: .*\.$"):
        write_png("--gallery", Figure(), tmp_path / "no" / "new.png")
    assert [path.name for path in tmp_path.iterdir()] == ["new.png"]
