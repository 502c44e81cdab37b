"""The ladder's experiments: which ones are a rung's, and how missing ones are run by real DVC."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.code import code_dependencies
from digits.experiments.git import baseline_ref
from digits.experiments.ladder import Rung, dvc_overrides, read_ladder, rung_params
from digits.experiments.ladder_runs import find_experiments, run_rungs
from digits.params.nested import with_overrides
from digits.params.schema import parse_params
from tests.imports import ROOT
from tests.scratch import Project

LADDER = read_ladder(ROOT / "ladder.yaml")
KNN = {"n_neighbors": 4, "weights": "distance"}


def by_name(name: str) -> Rung:
    return next(rung for rung in LADDER.rungs if rung.name == name)


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
    git: Callable[..., str], name: str, other: dict[str, Any]
) -> None:
    Path("dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    values = with_overrides(LADDER.base, by_name(name).set)

    def find_with(settings: dict[str, Any]) -> tuple[dict[str, str], str]:
        """What is found when the only experiment has these settings, and that experiment."""
        commit = record_experiment(git, name, with_overrides(values, settings))
        return find_experiments(Path(), LADDER), commit

    experiments, commit = find_with({})
    assert experiments == {name: commit}
    assert find_with(other)[0] == {}
    experiments, commit = find_with({"models.knn.n_neighbors": 7})
    assert experiments == {name: commit}, "of another model"


def record_experiment(git: Callable[..., str], name: str, params: dict[str, Any]) -> str:
    """An experiment of HEAD with such params; its commit."""
    head = git("rev-parse", "HEAD")
    Path("params.yaml").write_text(dumps_yaml(params), encoding="utf-8")
    git("commit", "-q", "--allow-empty", "-am", "an experiment")
    commit = git("rev-parse", "HEAD")
    git("reset", "-q", "--hard", head)
    git("update-ref", f"{baseline_ref(head)}/{name}", commit)
    return commit


MODULES = (
    "digits/models/svm.py",
    "digits/metrics/classification.py",
    "digits/experiments/ranking.py",
    "digits/tracking/store.py",
    "digits/commands/predict.py",
    "tests/models/test_svm.py",
)


@pytest.fixture
def forest(git: Callable[..., str]) -> str:
    """The commit of the forest's experiment, in a repository with our dvc.yaml and some modules."""
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    for module in MODULES:
        Path(module).parent.mkdir(parents=True, exist_ok=True)
        Path(module).write_text("old = True\n", encoding="utf-8")
    git("add", "-A")
    git("commit", "-qm", "some modules")
    rung = by_name("forest")
    return record_experiment(git, rung.name, with_overrides(LADDER.base, rung.set))


@pytest.mark.parametrize(
    ("path", "is_outdated"),
    [
        ("digits/models/svm.py", True),
        ("digits/models/new.py", True),
        ("digits/metrics/classification.py", True),
        ("digits/experiments/ranking.py", False),
        ("digits/tracking/store.py", False),
        ("digits/commands/predict.py", False),
        ("tests/models/test_svm.py", False),
        ("digits/models/svm.py~", False),
        ("digits/models/.#svm.py", False),
        ("digits/models/README.md", False),
        ("params.yaml", False),
    ],
)
def test_an_edit_of_what_a_result_depends_on_makes_an_experiment_outdated(
    forest: str, path: str, is_outdated: bool
) -> None:
    file, old = Path(path), Path(path).read_bytes() if Path(path).exists() else None
    assert find_experiments(Path(), LADDER) == {"forest": forest}
    file.write_text("new = True\n", encoding="utf-8")
    assert find_experiments(Path(), LADDER) == ({} if is_outdated else {"forest": forest})
    file.write_bytes(old) if old is not None else file.unlink()
    assert find_experiments(Path(), LADDER) == {"forest": forest}, "as it was"


def test_a_deleted_module_makes_an_experiment_outdated(
    git: Callable[..., str], forest: str
) -> None:
    Path("digits/models/svm.py").unlink()
    assert find_experiments(Path(), LADDER) == {}
    git("commit", "-qam", "one module less")
    assert find_experiments(Path(), LADDER) == {}
    git("revert", "--no-edit", "HEAD")
    assert find_experiments(Path(), LADDER) == {"forest": forest}, "of an older commit"


@pytest.mark.usefixtures("forest")
def test_a_new_module_that_git_does_not_know_is_refused() -> None:
    Path("digits/models/new.py").write_text("new = True\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"^digits/models/new\.py would be missing in an experiment"):
        run_rungs(Path(), LADDER, [by_name("forest")], jobs=1)


def test_results_depend_on_the_models_and_not_on_what_observes_them() -> None:
    """By our dvc.yaml."""
    code = code_dependencies(ROOT)
    assert {"digits/models", "digits/features", "stages/train.py"} <= set(code)
    observers = ("digits/tracking", "digits/experiments", "digits/commands", "tests", "bench")
    assert not [path for path in code if path.startswith(observers)]


@pytest.mark.slow
def test_a_queued_rung_has_its_params_whatever_params_yaml_says(newcomer: Project) -> None:
    newcomer.edit(
        models__voting__members={"knn": KNN, "forest": LADDER.base["models"]["forest"]},
        split__seed=7,
    )
    newcomer.commit("other params")
    (newcomer.path / "digits" / "models" / "new.py").write_text("new = True\n", encoding="utf-8")
    newcomer.git("add", "digits/models/new.py")
    for name in ("voting", "vsv-poly", "committee"):
        settings = [
            part
            for override in dvc_overrides(LADDER, by_name(name))
            for part in ("--set-param", override)
        ]
        newcomer.dvc("exp", "run", "--queue", "--name", name, *settings)
        queued = parse_params(newcomer.git("show", "refs/exps/celery/stash:params.yaml"))
        assert queued.effective() == rung_params(LADDER, by_name(name)).effective()
    module = newcomer.git("show", "refs/exps/celery/stash:digits/models/new.py")
    assert module == "new = True\n", "what is added to git is part of the experiment"


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


@pytest.mark.slow
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
