"""What `python -m digits ladder` prints."""

from digits.commands.ladder import _forecast, _rows_text
from digits.experiments.ladder import read_ladder
from digits.experiments.ladder_table import read_table
from tests.imports import ROOT

ROWS = read_table(
    (ROOT / "docs" / "ladder.md").read_text(encoding="utf-8"), read_ladder(ROOT / "ladder.yaml")
)


def test_it_says_first_what_will_run_and_how_long_that_took() -> None:
    seconds = sum(int(ROWS[name].seconds.replace(",", "")) for name in ("svm-rbf", "vsv-poly"))
    assert _forecast(["svm-rbf", "toy", "vsv-poly"], ROWS) == (
        "Running svm-rbf, toy, vsv-poly. "
        f"Training took {seconds:,} seconds when docs/ladder.md was written."
    )
    assert _forecast(["toy"], ROWS) == "Running toy."


def test_it_prints_the_rungs_that_were_asked_for_a_line_for_each_number() -> None:
    text = _rows_text([ROWS["five-sgd"], ROWS["knn"]])
    numbers = ROWS["five-sgd"].measured.split("<br>")
    header, *lines, _, last = text.splitlines()
    assert header.startswith("rung ") and "test accuracy" in header and header.endswith("seconds")
    assert lines[0].startswith("five-sgd ") and lines[-1].startswith("knn ")
    assert len(lines) == len(numbers) + 1 and len(numbers) > 3
    assert all(number in line for number, line in zip(numbers, lines, strict=False))
    assert ROWS["knn"].errors in lines[-1]
    assert "<" not in text and "|" not in text
    assert last == "All rungs: docs/ladder.md"
