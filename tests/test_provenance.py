"""What names the code and the params that a run came from."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.provenance import describe_source, run_name, uncommitted


class TestSource:
    @pytest.fixture
    def repository(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
        """A repository of git, in which a test now is."""
        (tmp_path / "gitconfig").write_text("[user]\nname = t\nemail = t@example.org\n", encoding="utf-8")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        monkeypatch.chdir(tmp_path)

        def git(*arguments: str) -> str:
            return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

        git("init", "-q", "-b", "trunk")
        (tmp_path / "params.yaml").write_text("target: digit\n", encoding="utf-8")
        git("add", "params.yaml")
        git("commit", "-qm", "x")
        return git

    def test_is_branch_and_commit(self, repository: Callable[..., str]) -> None:
        assert run_name() == f"trunk-{repository('rev-parse', '--short', 'HEAD')}"
        assert describe_source() == {"mlflow.source.git.commit": repository("rev-parse", "HEAD"), "dirty": "false"}

    def test_is_the_experiments_name_when_dvc_gave_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DVC_EXP_NAME", "bluer-tit")
        assert run_name() == "bluer-tit"

    @pytest.mark.parametrize(("file", "dirty"), [("params.yaml", "true"), ("digits/new.py", "true"), ("notes.txt", "false")])
    @pytest.mark.usefixtures("repository")
    def test_is_dirty_when_code_or_params_are_not_committed(self, tmp_path: Path, file: str, dirty: str) -> None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("target: 5\n", encoding="utf-8")
        assert describe_source()["dirty"] == dirty

    @pytest.mark.parametrize(
        ("setting", "value"),
        [("color.diff", "always"), ("diff.noprefix", "true"), ("diff.external", "true"), ("diff.mnemonicPrefix", "true")],
    )
    def test_what_was_not_committed_can_be_applied(
        self, repository: Callable[..., str], tmp_path: Path, setting: str, value: str
    ) -> None:
        """However a person likes to see differences."""
        repository("config", setting, value)
        (tmp_path / "params.yaml").write_text("target: 5\n", encoding="utf-8")
        patch = uncommitted()
        repository("checkout", "params.yaml")
        (tmp_path / "patch").write_text(patch, encoding="utf-8")
        repository("apply", "patch")
        assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == "target: 5\n"

    def test_may_have_no_git(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        assert run_name() == "no-commit"
        assert describe_source() == {"mlflow.source.git.commit": "", "dirty": "false"}

    def test_may_have_no_git_at_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """DVC works without git, and so does this."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert run_name() == "no-commit"
