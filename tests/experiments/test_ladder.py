"""ladder.yaml: its rungs are valid experiments, and mistakes in it are named."""

import json
from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.experiments.ladder import (
    Rung,
    choose_rungs,
    dvc_overrides,
    read_ladder,
    rung_params,
)
from digits.params.nested import flatten
from digits.params.schema import parse_params
from tests.imports import ROOT

LADDER = read_ladder(ROOT / "ladder.yaml")


@pytest.mark.parametrize("rung", LADDER.rungs, ids=lambda rung: rung.name)
def test_a_rung_is_a_valid_experiment_with_numbers_to_compare(rung: Rung) -> None:
    params = rung_params(LADDER, rung)
    for name, printed in rung.published.items():
        part, _, metric = name.partition(".")
        assert part in ("validation", "test") and metric and float(printed) > 0
        if part == "validation":
            assert params.train.validate_ != "none", "there would be nothing to compare"


def test_no_two_rungs_are_the_same() -> None:
    assert len({rung.name for rung in LADDER.rungs}) == len(LADDER.rungs) >= 16
    assert len(
        {json.dumps(rung_params(LADDER, rung).effective(), sort_keys=True) for rung in LADDER.rungs}
    ) == len(LADDER.rungs)


def test_the_champion_is_the_default() -> None:
    champion = next(rung for rung in LADDER.rungs if rung.name == "champion")
    default = parse_params((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert rung_params(LADDER, champion).effective() == default.effective()


def test_rungs_are_chosen_by_name() -> None:
    assert choose_rungs(LADDER, "all") == LADDER.rungs
    assert 0 < len(choose_rungs(LADDER, "quick")) < len(LADDER.rungs)
    for names in ("knn,forest", "knn forest", "knn, forest"):
        assert [rung.name for rung in choose_rungs(LADDER, names)] == ["knn", "forest"]
    with pytest.raises(BadInput, match="RUNGS has nothing, allowed are all, quick and five-sgd"):
        choose_rungs(LADDER, "knn,nothing")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rungs: []", "base"),
        ("base: {}\nrungs: [{name: Two Words, what: x, source: y}]", "rungs.0.name"),
        ("base: {}\nrungs: [{name: a, what: x, source: y, publish: {}}]", "rungs.0.publish"),
        ("base: [", "line 2"),
        ("base: {}\nrungs: [{name: a, what: x, source: y}]", "a: target is missing"),
        ("base: {models: 3}\nrungs: [{name: a, what: x, source: y}]", "a: target is missing"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "ladder.yaml").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match=f"ladder.yaml.*{sentence}"):
        read_ladder(tmp_path / "ladder.yaml")


def test_a_wrong_param_is_named() -> None:
    wrong = Rung(name="a", what="", source="", set={"train.modle": "knn"})
    with pytest.raises(
        BadInput, match=r"ladder.yaml: a: train.modle is not a key.*did you mean model"
    ):
        rung_params(LADDER, wrong)


@pytest.mark.parametrize("rung", LADDER.rungs, ids=lambda rung: rung.name)
def test_a_rung_says_every_param_that_matters(rung: Rung) -> None:
    said = {
        override.removeprefix("++").partition("=")[0] for override in dvc_overrides(LADDER, rung)
    }
    assert flatten(rung_params(LADDER, rung).effective()).keys() <= said
