"""What `dvc repro` runs after an edit, and that its results come out the same anywhere."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml

from digits.common.dvc_yaml import parse_yaml
from digits.tracking.lookup import COMPLETE
from tests.scratch import ANEW, FIVE, STAGES, Project, assert_complete, ran, replace_once

FIRST_STAGES = ("fetch", "split")


def verify(project: Project, fails: bool = False) -> str:
    """`make verify`, with the environment of the tests in the place of the project's own."""
    (project.path / ".venv").symlink_to(Path(sys.prefix))
    return project.run("make", "--assume-old", ".venv/ready", "verify", fails=fails)


@pytest.mark.slow
def test_make_verify_finds_that_two_clean_clones_agree(project: Project) -> None:
    """git compares dvc.lock, metrics and plots of the one with those of the other."""
    output = verify(project)
    assert ran(output) == list(STAGES) and "byte for byte" in output
    assert project.runs() == [], "a run that nobody asked for"


def keep_first_stages(project: Project) -> None:
    """Leave `fetch` and `split` alone in dvc.yaml and dvc.lock: enough for `make verify`."""
    for name in ("dvc.yaml", "dvc.lock"):
        content = parse_yaml((project.path / name).read_bytes(), name)
        content["stages"] = {stage: content["stages"][stage] for stage in FIRST_STAGES}
        content.pop("plots", None)
        (project.path / name).write_text(dumps_yaml(content), encoding="utf-8")


@pytest.mark.slow
def test_make_verify_tells_results_that_do_not_come_out_again(project: Project) -> None:
    fold = project.locked("split")["data/split"]
    keep_first_stages(project)
    replace_once(project.path / "dvc.lock", fold, "0" * 32 + ".dir")
    project.commit("folds that this code does not make")
    output = verify(project, fails=True)
    assert ran(output) == list(FIRST_STAGES)
    assert f"+      md5: {fold}" in output and "byte for byte" not in output


@pytest.mark.slow
def test_make_verify_tells_a_time_stamp_and_a_generator_without_a_seed(project: Project) -> None:
    keep_first_stages(project)
    data = project.path / "digits" / "data"
    stamped = '{"made": __import__("time").time_ns(), "n_train": data.n_train'
    replace_once(data / "dataset.py", '{"n_train": data.n_train', stamped)
    replace_once(data / "folds.py", "random_state=seed", "random_state=None")
    project.edit(split__strategy="shuffled")
    assert project.repro() == list(FIRST_STAGES)
    project.commit("results that are others each time")
    output = verify(project, fails=True)
    assert ran(output) == list(FIRST_STAGES) and "byte for byte" not in output
    for stage, out in zip(FIRST_STAGES, ("data/raw", "data/split"), strict=True):
        assert f"-      md5: {project.locked(stage)[out]}" in output


# What each key is a dependency of; what comes after those stages in the DAG runs when their outs
# change.
DEPENDS_ON: dict[str, tuple[Any, set[str]]] = {
    "target": (5, {"split", "train", "evaluate", "track"}),
    "fetch.dataset": ("mnist_784", {"fetch", "evaluate", "track"}),
    "split.strategy": ("shuffled", {"split", "track"}),
    "split.folds": (4, {"split", "track"}),
    "split.seed": (1, {"split", "track"}),
    "augment.shifts": ([[0, 1]], {"augment", "track"}),
    "augment.rotations": ([5.0], {"augment", "track"}),
    "augment.scales": ([0.9], {"augment", "track"}),
    "augment.shears": ([0.1], {"augment", "track"}),
    "augment.elastic.copies": (1, {"augment", "track"}),
    "augment.elastic.alpha": (1.0, {"augment", "track"}),
    "augment.elastic.sigma": (1.0, {"augment", "track"}),
    "augment.seed": (1, {"augment", "track"}),
    "train.scale": ("unit", {"train", "track"}),
    "train.components": (8, {"train", "track"}),
    "train.copies": ("none", {"train", "track"}),
    "train.validate": ("none", {"train", "track"}),
    "train.train_sizes": ([0.5], {"train", "track"}),
    "train.seed": (1, {"train", "track"}),
    "train.model": ("forest", {"train", "track"}),
    "models.knn.n_neighbors": (3, {"train", "track"}),
    "models.knn.weights": ("uniform", {"train", "track"}),
    "models.sgd.alpha": (0.1, set()),
    "models.forest.max_depth": (3, set()),
    "models.forest.n_estimators": (5, set()),
    "evaluate.precision_target": (0.5, {"evaluate", "track"}),
    "evaluate.confidence": (0.9, {"evaluate", "track"}),
    "evaluate.robustness.shifts": ([2], {"evaluate", "track"}),
}


@pytest.fixture(scope="module")
def only_asked(
    reproduced: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A reproduced project of which these tests only ask the status."""
    return reproduced().copy(tmp_path_factory.mktemp("asked") / "digits")


@pytest.mark.parametrize("key", DEPENDS_ON)
def test_a_param_is_a_dependency_of_exactly_these_stages(
    only_asked: Project, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", only_asked.env["DVC_SITE_CACHE_DIR"])
    value, stages = DEPENDS_ON[key]
    file = only_asked.path / "params.yaml"
    before = file.read_bytes()
    only_asked.edit(**{key.replace(".", "__"): value})
    with Repo(str(only_asked.path)) as repo:
        status: dict[str, list[dict[str, Any]]] = repo.status()
    file.write_bytes(before)
    changed = {
        address.rpartition(":")[2]
        for address, changes in status.items()
        if any("params.yaml" in change.get("changed deps", {}) for change in changes)
    }
    assert changed == stages


@pytest.mark.slow
def test_an_edit_runs_what_depends_on_it_and_setting_it_back_restores_the_rest(
    reproduced: Callable[..., Project], experiments: Project, tmp_path: Path
) -> None:
    """Some of the edits are those of other tests, which share their projects."""
    params = (reproduced().path / "params.yaml").read_bytes()
    anew, five = reproduced(**ANEW), reproduced(**FIVE)
    for project, stages in ((anew, "evaluate track"), (five, " ".join(STAGES[1:]))):
        assert (project.path / ".git" / "stages").read_text(encoding="utf-8") == stages
    shifted = (experiments.path / ".git" / "good.txt").read_text(encoding="utf-8")
    assert ran(shifted) == ["augment", "train", "evaluate", "track"]

    project = five.copy(tmp_path / "five")
    project.edit(models__forest__n_estimators=5)
    assert project.repro() == []
    (project.path / "params.yaml").write_bytes(params)
    assert project.repro() == ["track"]
    assert project.git("diff", "HEAD~1") == ""
    assert "??" not in project.git("status", "--porcelain")
    for one in (anew, project, experiments):
        runs = [run for run in one.runs() if COMPLETE in run.data.tags]
        assert len(runs) == 2 + (one is experiments)
        for run in runs:
            assert_complete(run, one)


@pytest.mark.slow
def test_it_works_without_activating_the_environment(project: Project, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    project.run(sys.executable, "-m", "venv", "--without-pip", str(bare))
    path = f"{bare / 'bin'}:/usr/bin:/bin"
    output = project.dvc("repro", "-sf", "split", PATH=path, fails=True)
    assert "lacks this project's packages (dvc, " in output and "run `make repro`" in output
    (project.path / ".venv").symlink_to(Path(sys.prefix))
    assert ran(project.dvc("repro", "-sf", "split", PATH=path)) == ["split"]
