"""However an experiment is run, it has one complete run: not lost, not twice, not left RUNNING."""

import shutil
from pathlib import Path

import pytest

from tests.scratch import Project, assert_complete

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


def assert_has_complete_runs(project: Project, number: int) -> None:
    assert project.repro() == []
    runs = project.runs()
    assert len(runs) == number
    for each in runs:
        assert_complete(each, project)


def test_an_experiment_here_set_back_forced_pushed_and_aside(by_epochs: Project) -> None:
    project = by_epochs
    project.dvc("push")
    project.dvc("exp", "run", "-n", "one", "-S", "train.seed=1")
    project.dvc(
        "exp", "run", "-n", "again", "-S", "train.seed=1", "--force", "--downstream", "train"
    )
    assert len(project.runs()) == 1

    for seed in (42, 1):
        project.edit(train__seed=seed)
        assert project.repro() == ["track"]
        assert project.repro() == []
    assert project.repro("-f", "--downstream", "train") == ["train", "evaluate", "track"]
    assert_has_complete_runs(project, 2)

    theirs = push_and_pull(project, "one")
    assert_has_complete_runs(theirs, 2)

    project.dvc("exp", "run", "--temp", "-n", "aside", "-S", "train.seed=2")
    project.dvc("exp", "apply", "aside")
    assert project.repro() == ["track"], "what says that it is tracked was in the temporary copy"
    assert_has_complete_runs(project, 3)


def push_and_pull(project: Project, name: str) -> Project:
    """Have the commit's results, and then those of an experiment, in another clone."""
    around = project.path.parent
    bare, storage = around / "shared.git", str(around / "digits-storage")
    project.dvc("remote", "modify", "--local", "storage", "url", storage)  # see .dvc/config
    project.git("clone", "-q", "--bare", ".", str(bare))
    project.git("remote", "add", "shared", str(bare))
    project.dvc("exp", "push", "shared", name)

    project.git("clone", "-q", str(bare), str(around / "theirs"))
    theirs = Project(around / "theirs", project.home)
    theirs.dvc("pull")
    assert theirs.repro() == ["track"]
    assert theirs.repro() == []
    assert theirs.git("status", "--porcelain") == ""
    theirs.dvc("remote", "modify", "--local", "storage", "url", storage)
    theirs.dvc("exp", "pull", "origin", name)
    assert not Path("/digits-storage").exists()
    theirs.dvc("exp", "apply", name)
    theirs.dvc("pull")
    assert theirs.repro() == ["track"]
    newest, of_the_commit = theirs.runs()
    assert newest.info.run_name == name and of_the_commit.info.run_name != name
    return theirs


def test_a_worktree(by_epochs: Project) -> None:
    project = by_epochs
    place = project.path.parent / "worktree"
    project.git("worktree", "add", "-q", str(place))
    Project(place, project.home).repro()
    project.git("worktree", "remove", "--force", str(place))
    assert_has_complete_runs(project, 1)


def test_a_wiped_store_and_what_is_measured_otherwise(by_epochs: Project) -> None:
    """The model is the same, but a run shows what the code of its commit makes of it."""
    project = by_epochs
    shutil.rmtree(project.store)
    assert project.repro() == ["track"]
    assert_has_complete_runs(project, 1)
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
    assert_has_complete_runs(project, 2)
