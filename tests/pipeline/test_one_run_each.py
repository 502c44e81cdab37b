"""However an experiment is run, it has one complete run: not lost, not twice, not left RUNNING."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scratch import Project, assert_complete

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

SEED = "train.seed=1"


def repro_set_back_and_forced(project: Project) -> Project:
    project.edit(train__seed=1)
    assert project.repro() == ["train", "evaluate", "track"]
    for seed in (42, 1):
        project.edit(train__seed=seed)
        assert project.repro() == ["track"]
        assert project.repro() == []
    assert project.repro("-f", "--downstream", "train") == ["train", "evaluate", "track"]
    return project


def experiments_here_and_aside(project: Project) -> Project:
    project.dvc("exp", "run", "-n", "one", "-S", SEED)
    project.dvc("exp", "run", "-n", "again", "-S", SEED, "--force")
    assert len(project.runs()) == 1
    project.dvc("exp", "run", "--temp", "-n", "aside", "-S", "train.seed=2")
    project.dvc("exp", "apply", "aside")
    assert project.repro() == ["track"], "what says that it is tracked was in the temporary copy"
    return project


def pushed_and_pulled(project: Project) -> Project:
    """The commit's results, and then those of an experiment."""
    around = project.path.parent
    project.dvc("push")
    project.dvc("exp", "run", "-n", "mine", "-S", SEED)
    bare, storage = around / "shared.git", str(around / "digits-storage")
    project.dvc("remote", "modify", "--local", "storage", "url", storage)  # see .dvc/config
    project.git("clone", "-q", "--bare", ".", str(bare))
    project.git("remote", "add", "shared", str(bare))
    project.dvc("exp", "push", "shared", "mine")

    project.git("clone", "-q", str(bare), str(around / "theirs"))
    theirs = Project(around / "theirs", project.home)
    theirs.dvc("pull")
    assert theirs.repro() == ["track"]
    assert theirs.repro() == []
    assert theirs.git("status", "--porcelain") == ""
    theirs.dvc("remote", "modify", "--local", "storage", "url", storage)
    theirs.dvc("exp", "pull", "origin", "mine")
    assert not Path("/digits-storage").exists()
    theirs.dvc("exp", "apply", "mine")
    theirs.dvc("pull")
    assert theirs.repro() == ["track"]
    newest, of_the_commit = theirs.runs()
    assert newest.info.run_name == "mine" and of_the_commit.info.run_name != "mine"
    return theirs


def worktree(project: Project) -> Project:
    place = project.path.parent / "worktree"
    project.git("worktree", "add", "-q", str(place))
    Project(place, project.home).repro()
    project.git("worktree", "remove", "--force", str(place))
    return project


def wiped_store_and_measured_otherwise(project: Project) -> Project:
    """The model is the same, but a run shows what the code of its commit makes of it."""
    for _ in range(2):
        shutil.rmtree(project.store)
        assert project.repro() == ["track"]
    assert project.repro() == []
    (run,) = project.runs()
    assert_complete(run, project)
    code = project.path / "digits" / "metrics" / "classification.py"
    before = code.read_text(encoding="utf-8")
    assert '{"n": n, "errors": errors}' in before
    code.write_text(
        before.replace('{"n": n, "errors": errors}', '{"n": n, "errors": errors, "halves": n / 2}'),
        encoding="utf-8",
    )
    project.repro()
    new, old = project.runs()
    assert new.data.metrics["test/halves"] == new.data.metrics["test/n"] / 2
    assert "test/halves" not in old.data.metrics
    code.write_text(before, encoding="utf-8")
    assert project.repro() == ["track"]
    return project


WAYS: dict[Callable[[Project], Project], int] = {
    repro_set_back_and_forced: 2,
    experiments_here_and_aside: 2,
    pushed_and_pulled: 2,
    worktree: 1,
    wiped_store_and_measured_otherwise: 2,
}


@pytest.mark.parametrize(("run", "n_runs"), WAYS.items(), ids=[way.__name__ for way in WAYS])
def test_is_run(by_epochs: Project, run: Callable[[Project], Project], n_runs: int) -> None:
    project = run(by_epochs)
    assert project.repro() == []
    runs = project.runs()
    assert len(runs) == n_runs
    for each in runs:
        assert_complete(each, project)


def test_four_queue_workers_on_a_store_that_does_not_exist_yet(by_epochs: Project) -> None:
    project = by_epochs
    names = [f"s{seed}" for seed in range(5)]
    for seed, name in enumerate(names):
        project.dvc("exp", "run", "--queue", "-n", name, "-S", f"train.seed={seed}")
    shutil.rmtree(project.store)
    project.dvc("queue", "start", "-j", "4", DIGITS_THREADS="1")
    deadline = time.monotonic() + 400
    while (status := project.dvc("queue", "status")).count("Success") < len(names):
        assert "Failed" not in status and time.monotonic() < deadline, status
        time.sleep(5)
    assert sorted(run.info.run_name for run in project.runs()) == names
    for run in project.runs():
        assert run.data.tags["dvc.experiment"] == run.info.run_name
        assert_complete(run, project)
