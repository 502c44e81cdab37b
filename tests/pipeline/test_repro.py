"""The four acts (edit and reproduce, diff, experiment, track), by real DVC in a scratch repository."""

import sys
from pathlib import Path

import pytest

from digits.common.dvc_yaml import parse_yaml
from tests.scratch import STAGES, Project, assert_complete, ran, without


def test_nothing_runs_twice_and_the_tree_stays_clean(project: Project) -> None:
    assert project.repro() == []
    assert project.git("status", "--porcelain") == ""


def test_two_clean_clones_agree(project: Project, newcomer: Project) -> None:
    assert newcomer.repro() == list(STAGES)
    for name in (
        "dvc.lock",
        "metrics/test.json",
        "metrics/validation.json",
        "plots/pictures/errors.png",
        "plots/confusion.csv",
    ):
        assert (newcomer.path / name).read_bytes() == (project.path / name).read_bytes(), name


def test_make_verify_tells_results_that_do_not_come_out_again(project: Project) -> None:
    verify = (
        "make",
        "--assume-old",
        ".venv/ready",
        "verify",
    )  # the environment is there, elsewhere
    ran_anew = project.run(*verify)
    assert ran(ran_anew) == list(STAGES) and "byte for byte" in ran_anew
    assert not (project.store / "mlflow.db").exists(), "a run that nobody asked for"
    lock = (project.path / "dvc.lock").read_text(encoding="utf-8")
    model = parse_yaml(lock, "dvc.lock")["stages"]["train"]["outs"][-1][
        "md5"
    ]  # metrics/validation.json comes first
    (project.path / "dvc.lock").write_text(lock.replace(model, "0" * 32 + ".dir"), encoding="utf-8")
    project.commit("a model that this code does not make")
    said = project.run(*verify, fails=True)
    assert f"+      md5: {model}" in said and "byte for byte" not in said


# What each key is a dependency of; what comes after those stages in the DAG runs when their outs change.
DEPENDS_ON = {
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
    "evaluate.precision_target": (0.5, {"evaluate", "track"}),
    "evaluate.confidence": (0.9, {"evaluate", "track"}),
    "evaluate.robustness.shifts": ([1], {"evaluate", "track"}),
}


@pytest.fixture(scope="module")
def still(_reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A reproduced project of which these tests only ask the status."""
    return _reproduced.copy(tmp_path_factory.mktemp("still") / "digits")


@pytest.mark.parametrize(
    ("key", "value", "stages"), [(key, *rest) for key, rest in DEPENDS_ON.items()]
)
def test_a_param_is_a_dependency_of_exactly_these_stages(
    still: Project, key: str, value: object, stages: set[str]
) -> None:
    before = (still.path / "params.yaml").read_bytes()
    still.edit(**{key.replace(".", "__"): value})
    status = still.dvc("status").splitlines()
    (still.path / "params.yaml").write_bytes(before)
    current, changed = "", set()
    for line in status:
        current = line.rstrip(":") if not line.startswith("\t") else current
        if "params.yaml" in line:
            changed.add(current)
    assert changed == stages


@pytest.mark.parametrize(
    ("edit", "stages"),
    [
        ({"models__forest__n_estimators": 5}, []),
        ({"evaluate__confidence": 0.9}, ["evaluate", "track"]),
        ({"augment__shifts": [[2, 0]]}, ["augment", "train", "evaluate", "track"]),
        ({"target": 5}, ["split", "augment", "train", "evaluate", "track"]),
    ],
)
def test_an_edit_runs_what_depends_on_it_and_setting_it_back_restores_the_rest(
    project: Project, edit: dict[str, object], stages: list[str]
) -> None:
    params = (project.path / "params.yaml").read_bytes()
    project.edit(**edit)
    assert project.repro() == stages
    (project.path / "params.yaml").write_bytes(params)
    assert project.repro() == (["track"] if stages else [])
    assert project.git("status", "--porcelain") == ""
    if stages:
        was, now = project.runs()
        assert_complete(was, project)
        assert_complete(now, project)


def test_setting_a_param_back_takes_seconds(project: Project, tmp_path: Path) -> None:
    """Most of them would be for importing MLflow, and that is not done."""
    for k in (1, 4):
        project.edit(models__knn__n_neighbors=k)
        project.repro()
    project.edit(models__knn__n_neighbors=1)
    assert project.repro(**without(tmp_path / "without", "mlflow")) == ["track"]
    assert len(project.runs()) == 2


def test_metrics_and_params_differ_between_branches(project: Project) -> None:
    project.git("checkout", "-qb", "one-neighbour")
    project.edit(models__knn__n_neighbors=1)
    project.repro()
    project.commit()
    assert "models.knn.n_neighbors" in project.dvc("params", "diff", "main")
    was, now = project.git("show", "main:metrics/test.json"), project.json("metrics/test.json")
    diff = project.dvc("metrics", "diff", "main", "--md")
    assert f"| {now['accuracy']:.5f}"[:9] in diff
    assert '"accuracy"' in was
    assert "test_set" not in diff, "both were measured on the same images"
    project.git("checkout", "-q", "main")
    project.dvc("checkout")
    assert project.repro() == ["track"]
    assert len(project.runs()) == 2


def test_it_works_without_activating_the_environment(project: Project, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    project.run(sys.executable, "-m", "venv", "--without-pip", str(bare))
    path = f"{bare / 'bin'}:/usr/bin:/bin"
    output = project.dvc("repro", "-sf", "split", PATH=path, fails=True)
    assert "lacks this project's packages: run `make repro`" in output
    (project.path / ".venv").symlink_to(Path(sys.prefix))
    assert ran(project.dvc("repro", "-sf", "split", PATH=path)) == ["split"]
