"""The ladder: its rungs are valid experiments, its verdicts are right, and it runs on real DVC."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.utils.serialize import dumps_yaml

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments import ladder
from digits.experiments.git import Experiment
from digits.experiments.ladder import (
    Ladder,
    Rung,
    chosen,
    found,
    overrides,
    params_of,
    read_ladder,
    read_table,
    table,
    verdict,
)
from digits.metrics.classification import fold_accuracies
from digits.metrics.intervals import proportion
from digits.metrics.predictions import Predictions
from digits.params.nested import flatten, with_overrides
from digits.params.schema import parse_params
from tests.imports import ROOT
from tests.scratch import Project

LADDER = read_ladder(ROOT / "ladder.yaml")


@pytest.mark.parametrize("rung", LADDER.rungs, ids=lambda rung: rung.name)
def test_a_rung_is_a_valid_experiment_with_numbers_to_compare(rung: Rung) -> None:
    params = params_of(LADDER, rung)
    for name, printed in rung.published.items():
        part, _, metric = name.partition(".")
        assert part in ("validation", "test") and metric and float(printed) > 0
        if part == "validation":
            assert params.train.validate_ != "none", "there would be nothing to compare"


def test_no_two_rungs_are_the_same() -> None:
    assert len({rung.name for rung in LADDER.rungs}) == len(LADDER.rungs) >= 16
    assert len(
        {json.dumps(params_of(LADDER, rung).effective(), sort_keys=True) for rung in LADDER.rungs}
    ) == len(LADDER.rungs)


def test_the_champion_is_the_default() -> None:
    champion = next(rung for rung in LADDER.rungs if rung.name == "champion")
    default = parse_params((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert params_of(LADDER, champion).effective() == default.effective()


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
    assert verdict(rung(accuracy=published), {"test.n": 10_000, "test.accuracy": here}) == word


def test_one_number_that_misses_makes_the_rung_missed() -> None:
    values = {"test.n": 10_000, "test.accuracy": 0.9714, "test.threshold": 3370.0}
    assert verdict(rung(accuracy="0.9714", threshold="3370.02"), values) == "missed"
    assert verdict(rung(accuracy="0.9714", threshold="3370.0"), values) == "exact"


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
    assert verdict(published, values | {"validation.n": 600}) == "missed"


def test_what_has_not_run_is_said_so() -> None:
    assert table(LADDER, {}, {}, {}, {}).count("not run yet") == len(LADDER.rungs)


def test_the_table_that_is_committed_keeps_what_did_not_run_again() -> None:
    committed = (ROOT / "docs" / "ladder.md").read_text(encoding="utf-8")
    before = read_table(committed)
    assert list(before) == [rung.name for rung in LADDER.rungs], "every rung has run"
    assert table(LADDER, {}, {}, {}, before) == committed


def values_of(errors: int) -> dict[str, Any]:
    low, high = proportion(10_000 - errors, 10_000, 0.95)
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
    table(BELOW, {"a": values_of(300), "b": values_of(200), "c": values_of(250)}, COST, STEPS, {})
)


def kept(results: dict[str, dict[str, Any]], rungs: Ladder = BELOW) -> dict[str, list[str]]:
    """Seconds, MiB and comparison of each rung with results, of whose cost and comparisons nothing is known."""
    return {
        name: cells[7:] for name, cells in read_table(table(rungs, results, {}, {}, BEFORE)).items()
    }


def test_numbers_that_came_out_again_keep_their_cost_and_comparison() -> None:
    assert kept({}) == {name: ["5", "100", STEPS.get(name, "")] for name in "abc"}
    assert kept({"a": values_of(300), "b": values_of(200)}) == kept({})
    other_verdicts = [
        rung.model_copy(update={"published": {"test.accuracy": "0.99"}}) for rung in BELOW.rungs
    ]
    assert kept(
        {"a": values_of(300), "b": values_of(200)}, Ladder(base={}, rungs=other_verdicts)
    ) == kept({})


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


def test_rungs_are_chosen_by_name() -> None:
    assert chosen(LADDER, "all") == LADDER.rungs
    assert 0 < len(chosen(LADDER, "quick")) < len(LADDER.rungs)
    for names in ("knn,forest", "knn forest", "knn, forest"):
        assert [rung.name for rung in chosen(LADDER, names)] == ["knn", "forest"]
    with pytest.raises(BadInput, match="RUNGS has nothing, allowed are all, quick and five-sgd"):
        chosen(LADDER, "knn,nothing")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rungs: []", "base"),
        ("base: {}\nrungs: [{name: Two Words, what: x, source: y}]", "rungs.0.name"),
        ("base: {}\nrungs: [{name: a, what: x, source: y, publish: {}}]", "rungs.0.publish"),
        ("base: [", "line 2"),
        ("base: {}\nrungs: [{name: a, what: x, source: y}]", "a: target is missing"),
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
        params_of(LADDER, wrong)


def by_name(name: str) -> Rung:
    return next(rung for rung in LADDER.rungs if rung.name == name)


@pytest.mark.parametrize("rung", LADDER.rungs, ids=lambda rung: rung.name)
def test_a_rung_says_every_param_that_matters(rung: Rung) -> None:
    said = {override.removeprefix("++").partition("=")[0] for override in overrides(LADDER, rung)}
    assert flatten(params_of(LADDER, rung).effective()).keys() <= said


KNN = {"n_neighbors": 4, "weights": "distance"}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("forest", {"models.forest.n_estimators": 10}),
        ("forest", {"split.seed": 1}),
        ("forest", {"augment.elastic.alpha": 1.0}),
        ("forest", {"evaluate.robustness.images": 100}),
        ("forest", {"fetch.dataset": "digits_8x8"}),
        ("five-sgd", {"evaluate.precision_target": 0.8}),
        ("champion", {"train.train_sizes": [0.5, 1.0]}),
        ("voting", {"models.voting.members.knn": KNN}),
        (
            "voting",
            {
                "models.voting.members": {
                    "knn": KNN,
                    "forest": {"n_estimators": 9, "max_depth": 3, "min_samples_leaf": 1},
                }
            },
        ),
        ("forest", {"models.forest.max_deep": 3}),  # of before, when the params were others
    ],
)
def test_an_experiment_with_other_params_is_not_the_rung(
    monkeypatch: pytest.MonkeyPatch, name: str, other: dict[str, Any]
) -> None:
    here = with_overrides(LADDER.base, by_name(name).set)

    def found_with(settings: dict[str, Any]) -> dict[str, str]:
        files = {
            "params.yaml": dumps_yaml(with_overrides(here, settings)),
            "dvc.lock": "stages: {}",
        }
        monkeypatch.setattr(ladder, "read_file", lambda root, revision, path: files[path])
        monkeypatch.setattr(ladder, "list_experiments", lambda root: [Experiment(name, "r", "r")])
        return found(LADDER)

    assert found_with({}) == {name: "r"}
    assert found_with(other) == {}
    assert found_with({"models.knn.n_neighbors": 7}) == {name: "r"}, "of another model"


def test_a_queued_rung_has_its_params_whatever_params_yaml_says(newcomer: Project) -> None:
    newcomer.edit(
        models__voting__members={"knn": KNN, "forest": LADDER.base["models"]["forest"]},
        split__seed=7,
    )
    newcomer.commit("other params")
    for name in ("voting", "vsv-poly", "committee"):
        settings = [
            part
            for override in overrides(LADDER, by_name(name))
            for part in ("--set-param", override)
        ]
        newcomer.dvc("exp", "run", "--queue", "--name", name, *settings)
        queued = parse_params(newcomer.git("show", "refs/exps/celery/stash:params.yaml"))
        assert queued.effective() == params_of(LADDER, by_name(name)).effective()


SMALL: list[dict[str, Any]] = [
    {
        "name": "one",
        "what": "One neighbour.",
        "source": "x",
        "set": {"models.knn.n_neighbors": 1},
        "quick": True,
    },
    {
        "name": "trees",
        "what": "Trees.",
        "source": "y",
        "set": {"train.model": "forest"},
        "published": {"test.accuracy": "0.1"},
    },
    {
        "name": "bad",
        "what": "More neighbours than images.",
        "source": "z",
        "set": {"models.knn.n_neighbors": 5000},
    },
]


@pytest.fixture
def with_a_ladder(project: Project) -> Iterator[Project]:
    params = parse_yaml((project.path / "params.yaml").read_bytes(), "params.yaml")
    base = with_overrides(params, {"train.validate": "none", "augment.shifts": []})
    (project.path / "ladder.yaml").write_text(
        dumps_yaml({"base": base, "rungs": SMALL}), encoding="utf-8"
    )
    project.commit("a small ladder")
    yield project
    project.dvc("queue", "stop", "--kill")


def test_make_ladder_runs_what_is_missing_and_writes_the_table(with_a_ladder: Project) -> None:
    project = with_a_ladder
    before = an_experiment_of_before(project, "one")
    head = project.git("rev-parse", "HEAD").strip()
    project.git(
        "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/one", before
    )  # as it is when ladder.yaml or code was edited since
    written = project.path / "docs" / "ladder.md"
    said = project.run("python", "-m", "digits", "ladder", "quick")
    undo = f"git update-ref refs/exps/{head[:2]}/{head[2:]}/one {before}"
    assert (
        f"the experiment one is of other params or code and makes room: `{undo}` brings it back"
        in said
    )
    assert project.git("rev-parse", f"refs/exps/{before[:2]}/{before[2:]}/one").strip() == before, (
        "another commit's stays"
    )
    assert written.read_text(encoding="utf-8").count("not run yet") == 2
    said = project.run("python", "-m", "digits", "ladder", "all", "--jobs", "2", fails=True)
    assert "digits: bad did not finish" in said
    assert "Queued experiment 'one'" not in said
    text = written.read_text(encoding="utf-8")
    assert text.count("not run yet") == 1
    row = next(line for line in text.splitlines() if line.startswith("| [trees]"))
    trees = json.loads(project.git("show", f"{revision(project, 'trees')}:metrics/test.json"))
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[3:5] == ["accuracy 0.1", f"{trees['accuracy']:.1f}"] and cells[5] == "better"
    assert cells[7] == str(trees["errors"])
    assert int(cells[8]) >= 0 and int(cells[9]) > 50
    compared = json.loads(
        project.run("python", "-m", "digits", "compare", "one", "trees", "--json")
    )
    assert cells[10] == f"{compared['verdict']}, p = {compared['p_value']:.2g}"
    assert {run.info.run_name for run in project.runs()} >= {"one", "trees"}


def an_experiment_of_before(project: Project, name: str) -> str:
    """When params.yaml had other keys, and there were no results."""
    project.git("checkout", "-q", "--detach")
    project.git("rm", "-q", "dvc.lock")
    (project.path / "params.yaml").write_text("target: digit\n", encoding="utf-8")
    project.commit("before")
    commit = project.git("rev-parse", "HEAD").strip()
    project.git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/{name}", commit)
    project.git("checkout", "-q", "main")
    return commit


def revision(project: Project, name: str) -> str:
    return project.git("for-each-ref", "--format=%(objectname)", "refs/exps/*/*/" + name).strip()
