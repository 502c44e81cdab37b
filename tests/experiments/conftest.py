"""A repository of git, without DVC and without a pipeline that has run."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


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
