"""Experiments are ranked by validation, and the test set is never read."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from digits.common.errors import BadInput
from digits.experiments import ranking
from digits.experiments.comparison import SAME, UNDECIDED
from digits.experiments.names import NoSuchRevision
from digits.experiments.paired import mcnemar, paired_difference
from digits.experiments.ranking import Rank, rank_experiments
from digits.experiments.revisions import NotCached, Revision
from digits.metrics.predictions import Predictions
from tests.experiments.conftest import SHUFFLED
from tests.scratch import Project

TRUTH = np.random.default_rng(1).integers(0, 10, 400).astype(np.uint8)


def validated(
    name: str, rows: range, errors: int, target: str | int = "digit", dataset: str = "mnist_784"
) -> Revision:
    """One that read the first so many of its rows wrongly."""
    y = TRUTH[rows] if target == "digit" else TRUTH[rows] == target
    wrong = np.arange(len(rows)) < errors
    if target == "digit":
        predicted = np.where(wrong, (y + 1) % 10, y).astype(np.uint8)
    else:
        predicted = y ^ wrong
    low, high = 0.5, 0.99
    metrics = {
        "n": len(rows),
        "errors": errors,
        "accuracy": 1 - errors / len(rows),
        "accuracy_low": low,
        "accuracy_high": high,
    }
    return Revision(
        name,
        {"fetch": {"dataset": dataset} | ({"extra": "images:mine"} if name == "good" else {})},
        metrics,
        Predictions(np.array(rows), y, predicted, np.zeros(len(rows))),
    )


ALL = {
    revision.name: revision
    for revision in (
        validated("middling", range(100, 200), 4),
        validated("bad", range(100, 200), 20),
        validated("good", range(100, 200), 3),
        validated("other folds", range(150, 300), 9),
        validated("elsewhere", range(300, 400), 5),
        validated("yes or no", range(100, 200), 6, target=5),
        validated("other data", range(100, 200), 7, dataset="idx:mine"),
        validated("gone", range(100, 200), 8),
    )
}


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The revisions above instead of a repository's, and two that were not validated.

    Returns the parts whose results were read.
    """
    parts: list[str] = []

    def read_metrics(_: Path, name: str, part: str) -> dict[str, Any]:
        parts.append(part)
        if name == "failed":
            raise BadInput("no metrics")
        if name == "nothing":
            raise NoSuchRevision("nothing is no revision here")
        return {"n": 0} if name == "unvalidated" else dict(ALL[name].metrics)

    def read_revision(_: Path, name: str, part: str) -> Revision:
        parts.append(part)
        if name == "gone":
            raise NotCached("not here")
        return ALL[name]

    monkeypatch.setattr(ranking, "read_metrics", read_metrics)
    monkeypatch.setattr(ranking, "read_revision", read_revision)
    return parts


def test_ranks(by_hand: list[str]) -> None:
    ranks, not_validated = rank_experiments(Path(), ["unvalidated", "failed", *ALL])
    assert not_validated == ["unvalidated", "failed"]
    assert set(by_hand) == {"validation"}
    assert [rank.name for rank in ranks] == sorted(
        ALL, key=lambda name: -ALL[name].metrics["accuracy"]
    )
    by_name = {rank.name: rank for rank in ranks}
    assert by_name["good"] == Rank("good", dict(ALL["good"].metrics), "the first")
    tested = {
        "middling": (UNDECIDED, 1, 100),
        "bad": ("worse", 17, 100),
        "other folds": ("worse", 9, 50),
    }
    raw = [mcnemar(only_first, 0) for _, only_first, _ in tested.values()]
    corrected = multipletests(raw, method="holm")[1]
    for (name, (verdict, only_first, n)), p in zip(tested.items(), corrected, strict=True):
        low, high = paired_difference(only_first, 0, n, 0.95)
        assert by_name[name] == Rank(
            name,
            dict(ALL[name].metrics),
            verdict,
            by_name[name].p_value,
            difference=-only_first / n,
            low=low,
            high=high,
        )
        assert by_name[name].p_value == pytest.approx(p)
    for name in ("elsewhere", "yes or no", "other data"):
        assert by_name[name] == Rank(name, dict(ALL[name].metrics), "validated on other images")
    assert (
        by_name["gone"].verdict.startswith("not on this machine: `dvc pull`")
        and by_name["gone"].p_value is None
    )


def test_of_a_first_that_is_not_on_this_machine_the_others_do_not_say_it(
    by_hand: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALL, "gone", validated("gone", range(100, 200), 1))
    ranks, _ = rank_experiments(Path(), ["good", "gone"])
    assert [rank.name for rank in ranks] == ["gone", "good"] and "validation" in by_hand
    assert ranks[0].verdict.startswith("the first, not on this machine: `dvc pull`")
    assert ranks[1].verdict == "not compared: the first is not on this machine"


def test_one_of_several_is_worse_only_if_that_is_no_accident_among_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 6 images: p = 0.031, of two 0.062
    models = {f"m{i}": validated(f"m{i}", range(100, 200), 3 + 6 * (i > 0)) for i in range(3)}
    # Another with as many errors.
    models["m2"] = replace(models["m2"], metrics={**models["m2"].metrics, "recall_8": 0.5})
    monkeypatch.setattr(ranking, "read_metrics", lambda _, name, part: dict(models[name].metrics))
    monkeypatch.setattr(ranking, "read_revision", lambda _, name, part: models[name])

    def verdicts(*names: str) -> list[str]:
        ranks, _ = rank_experiments(Path(), [*names])
        return [rank.verdict for rank in ranks]

    assert verdicts("m0", "m1") == ["the first", "worse"]
    assert verdicts("m0", "m1", "m2") == ["the first", UNDECIDED, UNDECIDED]
    models["workspace"] = models["m1"]
    assert verdicts("m0", "m1", "workspace") == ["the first", "worse", "worse"], "the same, twice"
    models["workspace"] = models["m0"]
    expected = ["the first", SAME, "worse"]
    assert verdicts("m0", "m1", "workspace") == expected, "the first, twice"


def test_when_the_first_is_gone_none_can_be_compared(by_hand: list[str]) -> None:
    assert by_hand == []
    ranks, _ = rank_experiments(Path(), ["bad", "gone"])
    assert [(rank.name, rank.p_value) for rank in ranks] == [("gone", None), ("bad", None)]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["unvalidated", "failed"], "no revision has been validated"),
        (["good", "nothing"], "nothing is"),
    ],
)
def test_refused(by_hand: list[str], names: list[str], said: str) -> None:
    assert by_hand == []
    with pytest.raises(BadInput, match=said):
        rank_experiments(Path(), names)


def test_why_results_cannot_be_read_is_said(
    by_hand: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert by_hand == []
    rank_experiments(Path(), ["good", "failed", "unvalidated"])
    assert caplog.messages == ["no metrics"]


@pytest.mark.slow
def test_experiments_are_ranked_without_the_test_set(
    with_experiments: Project, digits: Callable[..., tuple[int, str, str]]
) -> None:
    project = with_experiments
    # Whoever opened one of these would fail.
    shutil.rmtree(project.path / "data" / "predictions")
    (project.path / "metrics" / "test.json").write_text("not JSON", encoding="utf-8")
    cache = project.path / ".dvc" / "cache" / "files" / "md5"
    predictions = [
        file
        for file in cache.glob("*/*.dir")
        if '"predicted.npy"' in file.read_text(encoding="utf-8")
    ]
    tests = [file for file in predictions if file.name not in used_by_models(project)]
    assert len(tests) >= 2
    for file in tests:
        file.unlink()
    code, text, err = digits(project, "best", "main", "unvalidated", "shuffled")
    assert (code, err) == (0, "")
    lines = [line.split() for line in text.splitlines()]
    assert [line[:2] for line in lines[1:3]] == [["1", "main"], ["2", "shuffled"]]
    assert "Not validated: unvalidated." in text and "p = " in text
    assert "worse" in text or UNDECIDED in text
    code, text, err = digits(project, "best")
    assert (code, err) == (0, "")
    assert {"workspace", "shuffled"} == {line.split()[1] for line in text.splitlines()[1:3]}
    assert digits(project, "compare", "main", "shuffled")[0] == 3


@pytest.mark.slow
def test_experiments_that_share_a_name_are_told_apart_by_commit(
    with_experiments: Project, digits: Callable[..., tuple[int, str, str]]
) -> None:
    project = with_experiments
    project.git("commit", "-q", "--allow-empty", "-m", "later")
    settings = [part for setting in SHUFFLED for part in ("-S", setting)]
    project.dvc("exp", "run", "-n", "shuffled", *settings, "train")
    project.git("commit", "-q", "--allow-empty", "-m", "latest")
    commits = project.git(
        "for-each-ref", "--format=%(objectname:short)", "refs/exps/*/*/shuffled"
    ).split()
    assert len({*commits}) == 2
    code, text, err = digits(project, "best")
    assert (code, err) == (0, "")
    assert {line.split()[1] for line in text.splitlines()[1:4]} == {"workspace", *commits}
    code, _, err = digits(project, "compare", "shuffled")
    assert code == 1 and "shuffled means several revisions" in err
    assert all(commit in err for commit in commits)


def used_by_models(project: Project) -> set[str]:
    """The directories in DVC's cache that hold models; their validation has files of such names."""
    cache = project.path / ".dvc" / "cache" / "files" / "md5"
    return {
        file.name
        for file in cache.glob("*/*.dir")
        if "model.skops" in file.read_text(encoding="utf-8")
    }
