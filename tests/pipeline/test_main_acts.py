"""The main acts, each once, by real DVC, git, make and MLflow in a scratch repository.

Beside them: a queue with two workers (tests/experiments/test_queue.py), a training that is killed
and goes on (test_resume.py), pictures that are read (tests/commands/test_predict.py).
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from digits.metrics.tables import read_metrics, table_path
from tests.scratch import Project, assert_complete, ran, without

RUN_AGAIN = ["train", "evaluate", "track"]


def assert_has_all_metrics(run: Run, project: Project) -> None:
    """Also those of each digit, which metrics/*.json do not have."""
    measured = {
        f"{part}/{name}": value
        for part in ("validation", "test")
        for name, value in read_metrics(project.path, part).items()
        if name != "test_set"
    }
    assert "validation/recall_3_low" in measured and "test/f1_9" in measured
    assert {name: run.data.metrics.get(name) for name in measured} == measured
    logged = {file.path for file in project.client().list_artifacts(run.info.run_id, "plots")}
    assert {table_path("validation"), table_path("test")} <= logged


def assert_good_for_editors(project: Project) -> None:
    """What DVC's extension for VS Code reads: plots with titles, and few short columns."""
    plots = json.loads(project.dvc("plots", "diff", "main", "--json"))["data"]
    charts = [plot for several in plots.values() for plot in several if plot["type"] == "vega"]
    titles = [chart["content"]["title"]["text"] for chart in charts]
    assert len(set(titles)) == len(titles) >= 5 and not any("/" in title for title in titles)
    workspace = json.loads(project.dvc("exp", "show", "--json"))[0]["data"]
    metrics = {
        name: set(file["data"]) - {"n", "test_set", "fold_2"}
        for name, file in workspace["metrics"].items()
    }
    means = {f"{name}{end}" for name in ("accuracy", "macro_f1") for end in ("", "_low", "_high")}
    parts = ("validation", "test")
    assert metrics == {f"metrics/{part}.json": {"errors"} | means for part in parts}
    assert json.loads(project.dvc("data", "status", "--json")) == {}


def test_repro_from_nothing_leaves_one_complete_run(reproduced: Callable[..., Project]) -> None:
    """`reproduced` has seen that every stage ran, in order."""
    project = reproduced()
    (run,) = project.runs()
    assert_complete(run, project)
    assert_has_all_metrics(run, project)


def test_nothing_runs_twice_and_the_tree_stays_clean(project: Project) -> None:
    assert project.repro() == []
    assert project.git("status", "--porcelain") == ""


def test_an_edit_on_a_branch_and_back(
    reproduced: Callable[..., Project], tmp_path: Path, here: Callable[..., str]
) -> None:
    project = reproduced().copy(tmp_path / "digits")
    before = project.json("metrics/test.json")
    project.git("checkout", "-qb", "one-neighbour")
    project.edit(models__knn__n_neighbors=1)
    output = project.dvc("repro")
    assert ran(output) == RUN_AGAIN and " brings its workspace back" in output
    project.commit()
    after = project.json("metrics/test.json")

    diff = project.dvc("params", "diff", "main")
    assert "models.knn.n_neighbors" in diff and "train.seed" not in diff
    diff = project.dvc("metrics", "diff", "main", "--md")
    assert f"| {before['accuracy']:.5f}"[:9] in diff and f"| {after['accuracy']:.5f}"[:9] in diff
    assert "test_set" not in diff, "both were measured on the same images"
    assert len(project.dvc("metrics", "diff", "main").splitlines()) <= 24
    table = project.dvc("exp", "show", "--all-branches", "--only-changed", "--md").splitlines()
    head = [cell.strip() for cell in table[0].strip("|").split("|")]
    assert {"metrics/test.json:accuracy", "models.knn.n_neighbors"} <= {*head} and len(head) <= 21
    page = project.dvc("plots", "diff", "main").strip().removeprefix("file://")
    assert "one-neighbour" not in page and Path(page).stat().st_size > 10_000
    assert_good_for_editors(project)
    compared = json.loads(here(project, "compare", "main", "--json"))
    assert (compared["a"], compared["b"], compared["n"]) == ("main", "workspace", 300)
    assert compared["params"] == {"models.knn.n_neighbors": {"a": 4, "b": 1}}
    accuracy = {metric["name"]: metric for metric in compared["metrics"]}["accuracy"]
    assert accuracy["a"] == pytest.approx(before["accuracy"])
    assert accuracy["b"] == pytest.approx(after["accuracy"])

    project.git("checkout", "-q", "main")
    project.dvc("checkout")
    assert project.repro() == ["track"]
    assert project.git("status", "--porcelain") == ""
    edited, restored = sorted(
        project.runs(), key=lambda run: run.data.params["models.knn.n_neighbors"]
    )
    assert_complete(edited, project)
    assert_complete(restored, project)

    # Seconds: most of them would be for importing MLflow, and that is not done.
    project.edit(models__knn__n_neighbors=1)
    assert project.repro(**without(tmp_path / "without", "mlflow")) == ["track"]
    assert len(project.runs()) == 2


def test_clone_and_pull(project: Project, tmp_path: Path) -> None:
    project.dvc("push")
    clone = project.clone(tmp_path / "clone")
    clone.dvc("pull")
    assert clone.repro() == ["track"]
    assert clone.git("status", "--porcelain") == ""
    assert clone.repro() == []
    (run,) = clone.runs()
    assert_complete(run, clone)
    assert_has_all_metrics(run, clone)
