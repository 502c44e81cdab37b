"""A repository of git alone, and projects with several results."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scratch import Project, make_once


@pytest.fixture
def git(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """git in a repository with a params.yaml: `tmp_path`, which is the current directory."""
    config = tmp_path_factory.mktemp("home") / "gitconfig"
    config.write_text("[user]\nname = t\nemail = t@example.org\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    run("init", "-q", "-b", "trunk")
    Path("params.yaml").write_text("target: digit\n", encoding="utf-8")
    run("add", "params.yaml")
    run("commit", "-qm", "x")
    return run


@pytest.fixture(scope="session")
def branches(reproduced: Callable[..., Project], workshop: Path) -> Project:
    """The branches `main`, with 4 neighbours, and `b`, with 300; b's files are in the workspace.

    It is made once for all tests, which copy it.
    """

    def make(path: Path) -> None:
        project = reproduced().copy(path)
        project.git("switch", "-qc", "b")
        project.edit(models__knn__n_neighbors=300)
        assert project.repro("evaluate") == ["train", "evaluate"]
        project.commit("300 neighbours")

    return Project(make_once(workshop / "branches", make), reproduced().home)


# Of other test images than main's, and validated on other folds.
SHUFFLED = ("split.strategy=shuffled", "split.seed=7", "split.folds=4", "models.knn.n_neighbors=40")


@pytest.fixture
def with_experiments(branches: Project, workshop: Path, tmp_path: Path) -> Project:
    """`main` with the experiments `unvalidated` and `shuffled`, whose files are in the workspace.

    The first was only trained, the second also evaluated.
    """

    def make(path: Path) -> None:
        project = branches.copy(path)
        switch_to_main(project)
        project.dvc("exp", "run", "-n", "unvalidated", "-S", "train.validate=none", "train")
        project.git("checkout", "-q", "--", ".")
        settings = [part for setting in SHUFFLED for part in ("-S", setting)]
        project.dvc("exp", "run", "-n", "shuffled", *settings, "evaluate")

    path = make_once(workshop / "with-experiments", make)
    return Project(path, branches.home).copy(tmp_path / "digits")


def switch_to_main(project: Project) -> None:
    project.git("switch", "-qf", "main")
    project.dvc("checkout", "--force", "-q")
