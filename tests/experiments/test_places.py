"""Where the project may stand: below a larger repository, in another user's, in none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.common.environment import main_repository
from digits.common.errors import BadInput
from digits.experiments.git import GitError, check_repository, run_git
from tests.experiments.conftest import switch_to_main
from tests.scratch import Project


@pytest.fixture
def subfolder(branches: Project, tmp_path: Path) -> Project:
    """A reproduced project in a folder of a larger repository, whose results are committed."""
    project = branches.copy(tmp_path / "digits")
    switch_to_main(project)
    around = Project(tmp_path / "around", project.home)
    around.path.mkdir()
    around.git("init", "-q")
    shutil.rmtree(project.path / ".git")
    below = Project(project.path.rename(around.path / "a project"), project.home)
    below.commit("all of it")
    return below


@pytest.mark.slow
def test_in_a_subfolder_revisions_are_read_and_experiments_found(
    subfolder: Project, digits: Callable[..., tuple[int, str, str]]
) -> None:
    def says(*arguments: str) -> str:
        code, out, err = digits(subfolder, *arguments)
        assert code == 0, err
        return out + err

    check_repository(subfolder.path)
    # Trained and evaluated before, as `b`, so of its stages only the last one runs.
    subfolder.dvc("exp", "run", "--temp", "-n", "worse", "-S", "models.knn.n_neighbors=300")
    assert "worse against main: worse than main." in says("compare", "main", "worse")
    assert "the same, prediction by prediction" in says("compare", "main", "workspace")
    ranks = says("best")
    assert "workspace" in ranks and "worse" in ranks
    assert "worse" in {run.data.tags["mlflow.runName"] for run in subfolder.runs()}
    assert says("queue").startswith("Nothing is queued: ")


def test_what_git_refuses_is_said_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another user's repository it wants to be told that it is safe."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # of git itself
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "theirs").mkdir()
    run_git(tmp_path, "init", "-q", "theirs")
    with pytest.raises(GitError, match=r"dubious ownership .* --add safe\.directory"):
        check_repository(tmp_path / "theirs")


def test_without_git_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=f"^{tmp_path} is in no git repository"):
        check_repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="there is no git on the path, so install it"):
        check_repository(tmp_path)


def test_the_main_repository_is_the_one_whose_experiment_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever DVC_ROOT is: a pipeline around this one leaves its own there."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    project = tmp_path / "project"
    assert main_repository(project) == project
    for copy in ("tmp123", "standalone/tmp123"):
        assert main_repository(project / ".dvc" / "tmp" / "exps" / copy) == project
    # The pipeline around is itself in a copy.
    (project / "below" / "stages").mkdir(parents=True)
    below = project / ".dvc" / "tmp" / "exps" / "tmp123" / "below"
    assert main_repository(below) == project / "below"
