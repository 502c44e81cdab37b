"""What `python -m digits ladder` prints."""

from digits.commands.ladder import _forecast, _longest_first, _rows_text, _seconds
from digits.experiments.ladder import Rung, read_ladder
from digits.experiments.ladder_table import read_table
from tests.imports import ROOT

ROWS = read_table(
    (ROOT / "docs" / "ladder.md").read_text(encoding="utf-8"), read_ladder(ROOT / "ladder.yaml")
)
TEXTS = {"a": "60", "b": "1,571", "c": "9", "new": ""}


def test_it_says_first_what_will_run_and_how_long_that_took() -> None:
    seconds = _seconds(ROWS)
    assert seconds["svm-rbf"] == int(ROWS["svm-rbf"].seconds.replace(",", "")) > 100
    assert _forecast(["svm-rbf", "toy", "vsv-poly"], seconds) == (
        "Running svm-rbf, toy, vsv-poly. "
        f"Training took {seconds['svm-rbf'] + seconds['vsv-poly']:,} seconds when docs/ladder.md "
        "was written."
    )
    assert _forecast(["toy"], seconds) == "Running toy."


def test_the_longest_rung_runs_first_and_one_that_has_not_run_before_it() -> None:
    rungs = [Rung(name=name, what="", source="") for name in ("a", "new", "b", "c")]
    seconds = _seconds({name: ROWS["knn"]._replace(seconds=text) for name, text in TEXTS.items()})
    assert [rung.name for rung in _longest_first(rungs, seconds)] == ["new", "b", "a", "c"]


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
