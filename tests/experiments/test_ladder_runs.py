"""The ladder's experiments: which ones are a rung's, and how missing ones are run by real DVC."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.code import code_dependencies
from digits.experiments.git import baseline_ref, list_experiments
from digits.experiments.ladder import Rung, dvc_overrides, read_ladder, rung_params
from digits.experiments.ladder_runs import find_experiments, run_rungs
from digits.experiments.queue import queue_experiment, read_queue
from digits.experiments.repository import open_repo
from digits.params.nested import with_overrides
from digits.params.schema import parse_params
from tests.imports import ROOT
from tests.scratch import Project, edited

LADDER = read_ladder(ROOT / "ladder.yaml")
KNN = {"n_neighbors": 4, "weights": "distance"}


def by_name(name: str) -> Rung:
    return next(rung for rung in LADDER.rungs if rung.name == name)


OTHERS: list[tuple[str, dict[str, Any]]] = [
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
]


def test_an_experiment_with_other_params_is_not_the_rung(git: Callable[..., str]) -> None:
    Path("dvc.yaml").write_text("stages: {}\n", encoding="utf-8")
    values = {name: with_overrides(LADDER.base, by_name(name).set) for name, _ in OTHERS}
    for settings in ({}, {"models.knn.n_neighbors": 7}):  # of another model
        experiments = {
            name: record_experiment(git, name, with_overrides(params, settings))
            for name, params in values.items()
        }
        assert find_experiments(Path(), LADDER) == experiments
    for name in values:
        git("update-ref", "-d", f"{baseline_ref(git('rev-parse', 'HEAD'))}/{name}")
    others = {}
    for name, settings in OTHERS:  # each is an experiment of another commit
        git("commit", "-q", "--allow-empty", "-m", "later")
        commit = record_experiment(git, name, with_overrides(values[name], settings))
        others[commit] = settings
    assert len(others) == len(list_experiments(Path())) == len(OTHERS)
    found = find_experiments(Path(), LADDER)
    assert not [others[commit] for commit in found.values()]


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


def test_an_edit_of_what_a_result_depends_on_makes_an_experiment_outdated(forest: str) -> None:
    assert find_experiments(Path(), LADDER) == {"forest": forest}
    for path in (
        "digits/models/svm.py",
        "digits/models/new.py",
        "digits/metrics/classification.py",
    ):
        with edited(Path(path)):
            assert find_experiments(Path(), LADDER) == {}, path
        assert find_experiments(Path(), LADDER) == {"forest": forest}, "as it was"
    with ExitStack() as all_at_once:
        for path in (
            "digits/experiments/ranking.py",
            "digits/tracking/store.py",
            "digits/commands/predict.py",
            "tests/models/test_svm.py",
            "digits/models/svm.py~",
            "digits/models/.#svm.py",
            "digits/models/README.md",
            "params.yaml",
        ):
            all_at_once.enter_context(edited(Path(path)))
        assert find_experiments(Path(), LADDER) == {"forest": forest}
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
    names = ("voting", "vsv-poly", "committee")
    overrides = {name: dvc_overrides(LADDER, by_name(name)) for name in names}
    newcomer.run(sys.executable, "-c", QUEUE, json.dumps(overrides))  # by who commits there
    with (
        open_repo(newcomer.path) as repo,
        pytest.raises(BadInput, match=r"^no\.\.name cannot be queued: Invalid exp name"),
    ):
        queue_experiment(repo, "no..name", ["train.seed=1"])
    commits = newcomer.git("log", "-g", "--format=%H", "refs/exps/celery/stash").split()
    for name, commit in zip(reversed(names), commits, strict=True):
        queued = parse_params(newcomer.git("show", f"{commit}:params.yaml"))
        assert queued.effective() == rung_params(LADDER, by_name(name)).effective()
        module = newcomer.git("show", f"{commit}:digits/models/new.py")
        assert module == "new = True\n", "what is added to git is part of the experiment"


QUEUE = """
import json, sys
from pathlib import Path
from digits.experiments.queue import queue_experiment
from digits.experiments.repository import open_repo
with open_repo(Path()) as repo:
    for name, overrides in json.loads(sys.argv[1]).items():
        queue_experiment(repo, name, overrides)
"""


SMALL: list[dict[str, Any]] = [
    {
        "name": "one",
        "what": "What is committed already.",
        "source": "x",
        "set": {"models.knn.n_neighbors": 4},
        "quick": True,
    },
    {
        "name": "trees",
        "what": "Trees.",
        "source": "y",
        "set": {"train.model": "forest", "models.forest.n_estimators": 10},
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
    base = parse_yaml((project.path / "params.yaml").read_bytes(), "params.yaml")
    (project.path / "ladder.yaml").write_text(
        dumps_yaml({"base": base, "rungs": SMALL}), encoding="utf-8"
    )
    project.commit("a small ladder")
    yield project
    if read_queue(project.path).left:
        project.dvc("queue", "stop", "--kill")


@pytest.mark.slow
def test_make_ladder_runs_what_is_missing_and_writes_the_table(
    with_a_ladder: Project, digits: Callable[..., tuple[int, str, str]]
) -> None:
    project = with_a_ladder
    before = an_experiment_of_before(project, "one")
    head = project.git("rev-parse", "HEAD").strip()
    project.git(
        "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/one", before
    )  # as it is when ladder.yaml or code was edited since
    written = project.path / "docs" / "ladder.md"
    code, printed, said = digits(project, "ladder", "quick")
    assert code == 0
    assert printed.startswith("Running one.\nrung") and "trees" not in printed
    undo = f"git update-ref refs/exps/{head[:2]}/{head[2:]}/one {before}"
    assert (
        f"the experiment one is of other params or code and makes room: `{undo}` brings it back"
        in said
    )
    assert project.git("rev-parse", f"refs/exps/{before[:2]}/{before[2:]}/one").strip() == before, (
        "another commit's stays"
    )
    assert written.read_text(encoding="utf-8").count("not run yet") == 2
    one = revision(project, "one")
    code, _, said = digits(project, "ladder", "all", "--jobs", "2")
    assert code == 1 and "digits: bad did not finish" in said
    assert revision(project, "one") == one, "it has run already"
    text = written.read_text(encoding="utf-8")
    assert text.count("not run yet") == 1
    row = next(line for line in text.splitlines() if line.startswith("| [trees]"))
    trees = json.loads(project.git("show", f"{revision(project, 'trees')}:metrics/test.json"))
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[3:5] == ["accuracy 0.1", f"{trees['accuracy']:.1f}"] and cells[5] == "better"
    assert cells[7] == str(trees["errors"])
    assert int(cells[8]) >= 0 and int(cells[9]) > 50
    compared = json.loads(digits(project, "compare", "one", "trees", "--json")[1])
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
