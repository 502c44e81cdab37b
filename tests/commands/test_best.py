"""`python -m digits best`: the table and what it says in words."""

from typing import Any

from digits.commands.best import ranking_text
from digits.experiments.comparison import SAME, UNDECIDED
from digits.experiments.ranking import Rank


def metrics(errors: int) -> dict[str, Any]:
    accuracy = 1 - errors / 100
    return {
        "n": 100,
        "errors": errors,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.05,
        "accuracy_high": accuracy + 0.02,
    }


def compared(name: str, errors: int, verdict: str) -> Rank:
    """One that was tested against the first."""
    return Rank(name, metrics(errors), verdict, 0.01 * errors, -0.005, -0.01 * errors, 0.001)


FIRST = Rank("good", metrics(3), "the first")
GONE = Rank("gone", metrics(8), "not on this machine: `dvc pull`")


def test_table_and_conclusion() -> None:
    ranks = [
        FIRST,
        compared("middling", 4, UNDECIDED),
        Rank("elsewhere", metrics(5), "validated on other images"),
        compared("other folds", 9, "worse"),
        GONE,
        compared("bad", 20, "worse"),
    ]
    lines = ranking_text(ranks, ["unvalidated", "failed"], 0.999).splitlines()
    assert len(lines) == 1 + len(ranks) + 2 and "against the first, 99.9 % interval" in lines[0]
    assert lines[1].split()[:4] == ["1", "good", "100", "0.9700"]
    assert "  -0.0400 to +0.0010, p = 0.04" in lines[2] and lines[2].endswith(UNDECIDED)
    assert all(line == line.rstrip() for line in lines)
    assert lines[-1].startswith(
        "Cannot be told from the first: middling. Not compared: elsewhere, gone. "
        "Not validated: unvalidated, failed. Ranked by validation alone"
    )
    assert lines[-1].endswith("McNemar's exact test, Holm's correction for 3 comparisons.")


def test_a_result_that_stands_there_twice_is_one_comparison() -> None:
    ranks = [FIRST, compared("bad", 20, "worse"), compared("workspace", 20, "worse")]
    assert ranking_text(ranks, [], 0.95).endswith("Holm's correction for 1 comparison.\n")


def test_alone_there_is_nothing_to_compare_with() -> None:
    assert "Only one has been validated: nothing to compare it with." in ranking_text(
        [FIRST], [], 0.95
    )


def test_none_can_be_compared() -> None:
    text = ranking_text([FIRST, GONE], [], 0.95)
    assert "None could be compared with the first. Not compared: gone." in text
    text = ranking_text([FIRST, compared("bad", 20, "worse"), GONE], [], 0.95)
    assert "None that was compared is as good as the first. Not compared: gone." in text


def test_what_is_the_same_is_not_called_what_cannot_be_told_apart() -> None:
    ranks = [FIRST, compared("docs", 3, SAME), compared("middling", 4, UNDECIDED)]
    text = ranking_text(ranks, [], 0.95)
    assert "The same as the first: docs. Cannot be told from the first: middling. Ran" in text
    assert "Cannot" not in ranking_text(ranks[:2], [], 0.95)


def test_better_on_the_images_that_both_were_asked_is_not_worse() -> None:
    ranks = [FIRST, compared("other", 9, "better")]
    assert "Cannot be told from the first: other." in ranking_text(ranks, [], 0.95)
    ranks = [FIRST, compared("other", 9, "worse")]
    assert "No other can be said to be as good as the first. Ranked" in ranking_text(
        ranks, [], 0.95
    )
