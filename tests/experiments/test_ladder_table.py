"""docs/ladder.md: its verdicts are right, and it keeps what it should of the numbers so far."""

from typing import Any

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.experiments.ladder import Ladder, Rung, read_ladder
from digits.experiments.ladder_table import ladder_markdown, published_verdict, read_table
from digits.metrics.classification import fold_accuracies
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions
from tests.imports import ROOT

LADDER = read_ladder(ROOT / "ladder.yaml")


def rung(**published: str) -> Rung:
    return Rung(
        name="a",
        what="",
        source="",
        published={f"test.{name}": value for name, value in published.items()},
    )


@pytest.mark.parametrize(
    ("published", "here", "word"),
    [
        ("0.9714", 0.9714, "exact"),
        ("0.971", 0.9714, "exact"),
        ("0.971", 0.9716, "within"),
        ("0.9714", 0.9684, "within"),  # [0.9679, 0.9745]
        ("0.9714", 0.9670, "missed"),
        ("0.9714", 0.9750, "better"),
    ],
)
def test_a_verdict_says_where_the_number_lies(published: str, here: float, word: str) -> None:
    assert (
        published_verdict(rung(accuracy=published), {"test.n": 10_000, "test.accuracy": here})
        == word
    )


def test_one_number_that_misses_makes_the_rung_missed() -> None:
    values = {"test.n": 10_000, "test.accuracy": 0.9714, "test.threshold": 3370.0}
    assert published_verdict(rung(accuracy="0.9714", threshold="3370.02"), values) == "missed"
    assert published_verdict(rung(accuracy="0.9714", threshold="3370.0"), values) == "exact"


def test_a_fold_of_three_has_a_third_of_the_images() -> None:
    published = Rung(name="a", what="", source="", published={"validation.fold_0": "0.960"})
    said = Predictions(
        np.arange(600),
        np.zeros(600, np.uint8),
        (np.arange(600) < 20).astype(np.uint8),
        np.zeros((600, 10)),
    )
    folds = fold_accuracies(said, np.repeat(np.arange(3, dtype=np.int8), 200))
    values = {f"validation.{name}": value for name, value in folds.items()}
    assert (
        values["validation.fold_0"] == 0.9
    )  # 0.960 has the interval 0.923 to 0.980 on 200 images, 0.875 to 0.984 on 66
    assert published_verdict(published, values | {"validation.n": 600}) == "missed"


def test_a_published_number_of_nothing_that_is_measured_is_a_sentence() -> None:
    with pytest.raises(BadInput, match=r"ladder\.yaml: a: published has test\.acuracy, .*allowed"):
        published_verdict(rung(acuracy="0.9"), {"test.n": 9, "test.accuracy": 0.9})


def test_what_has_not_run_is_said_so() -> None:
    assert ladder_markdown(LADDER, {}, {}, {}, {}).count("not run yet") == len(LADDER.rungs)


def test_the_table_that_is_committed_keeps_what_did_not_run_again() -> None:
    committed = (ROOT / "docs" / "ladder.md").read_text(encoding="utf-8")
    before = read_table(committed, LADDER)
    assert list(before) == [rung.name for rung in LADDER.rungs], "every rung has run"
    assert ladder_markdown(LADDER, {}, {}, {}, before) == committed


def values_of(errors: int) -> dict[str, Any]:
    low, high = wilson_interval(10_000 - errors, 10_000, 0.95)
    return {"test.n": 10_000, "test.errors": errors} | dict(
        zip(
            ("test.accuracy", "test.accuracy_low", "test.accuracy_high"),
            (1 - errors / 10_000, low, high),
            strict=True,
        )
    )


BELOW = Ladder(
    base={},
    rungs=[
        Rung(name=name, what="", source="", published={"test.accuracy": "0.97"})
        for name in ("a", "b", "c")
    ],
)
COST = {name: {"train_seconds": 5.0, "peak_memory_mib": 100.0} for name in "abc"}
STEPS = {"b": "better, p = 0.01", "c": "worse, p = 0.02"}
BEFORE = read_table(
    ladder_markdown(
        BELOW, {"a": values_of(300), "b": values_of(200), "c": values_of(250)}, COST, STEPS, {}
    ),
    BELOW,
)


def kept(results: dict[str, dict[str, Any]], rungs: Ladder = BELOW) -> dict[str, list[str]]:
    """Seconds, MiB and comparison of each rung with results, when no new ones are known."""
    return {
        name: [*row[7:]]
        for name, row in read_table(ladder_markdown(rungs, results, {}, {}, BEFORE), rungs).items()
    }


def test_numbers_that_came_out_again_keep_their_cost_and_comparison() -> None:
    assert kept({}) == {name: ["5", "100", STEPS.get(name, "")] for name in "abc"}
    assert kept({"a": values_of(300), "b": values_of(200)}) == kept({})
    other_verdicts = [
        rung.model_copy(update={"published": {"test.accuracy": "0.99"}}) for rung in BELOW.rungs
    ]
    results = {"a": values_of(300), "b": values_of(200), "c": values_of(250)}
    assert kept(results, Ladder(base={}, rungs=other_verdicts)) == kept({})


def test_no_old_cost_or_comparison_stands_beside_new_numbers() -> None:
    assert kept({"b": values_of(201)}) == {
        "a": ["5", "100", ""],
        "b": ["", "", ""],
        "c": ["5", "100", ""],
    }
    assert kept({"a": values_of(301), "b": values_of(200)}) == {
        "a": ["", "", ""], "b": ["5", "100", ""], "c": ["5", "100", STEPS["c"]],
    }  # fmt: skip
    between = Rung(name="between", what="", source="")
    assert kept({}, Ladder(base={}, rungs=[BELOW.rungs[0], between, *BELOW.rungs[1:]]))["b"] == [
        "5",
        "100",
        "",
    ]


def test_a_rung_that_was_edited_has_not_run() -> None:
    page = ladder_markdown(BELOW, {}, {}, {}, BEFORE)
    edited = BELOW.rungs[1].model_copy(update={"set": {"train.model": "knn"}})
    rungs = Ladder(base={}, rungs=[BELOW.rungs[0], edited, BELOW.rungs[2]])
    assert list(read_table(page, rungs)) == ["a", "c"]
    otherwise = BELOW.rungs[1].model_copy(update={"published": {"test.accuracy": "0.99"}})
    rungs = Ladder(base={}, rungs=[BELOW.rungs[0], otherwise, BELOW.rungs[2]])
    page = ladder_markdown(rungs, {}, {}, {}, read_table(page, rungs))
    assert list(read_table(page, rungs)) == ["a", "c"] and page.count("not run yet") == 1
