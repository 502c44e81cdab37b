"""What names the code and the params that a run came from."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.experiments.provenance import current_experiment, describe_source, run_name, uncommitted


def exps(repository: Callable[..., str]) -> str:
    """Where DVC keeps the experiments of HEAD."""
    head = repository("rev-parse", "HEAD")
    return f"refs/exps/{head[:2]}/{head[2:]}"


class TestSource:
    @pytest.fixture
    def repository(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
        """A repository of git, in which a test now is."""
        (tmp_path / "gitconfig").write_text(
            "[user]\nname = t\nemail = t@example.org\n", encoding="utf-8"
        )
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        monkeypatch.chdir(tmp_path)

        def git(*arguments: str) -> str:
            return subprocess.run(
                ["git", *arguments], capture_output=True, text=True, check=True
            ).stdout.strip()

        git("init", "-q", "-b", "trunk")
        (tmp_path / "params.yaml").write_text("target: digit\n", encoding="utf-8")
        git("add", "params.yaml")
        git("commit", "-qm", "x")
        return git

    def test_is_branch_and_commit(self, repository: Callable[..., str]) -> None:
        assert run_name("") == f"trunk-{repository('rev-parse', '--short', 'HEAD')}"
        assert describe_source("") == {
            "mlflow.source.git.commit": repository("rev-parse", "HEAD"),
            "dirty": "false",
        }

    def test_is_the_experiments_name_when_dvc_gave_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DVC_EXP_NAME", "bluer-tit")
        assert run_name(current_experiment()) == "bluer-tit"
        assert describe_source(current_experiment())["dvc.experiment"] == "bluer-tit"

    def test_is_the_experiments_name_when_its_results_are_here(
        self, repository: Callable[..., str], tmp_path: Path
    ) -> None:
        """As after `dvc exp apply`."""
        lock = "stages:\n  train: {{outs: [{{path: models, md5: {}}}]}}\n  track: {{outs: [{{path: .mlflow/tracked, md5: {}}}]}}\n"
        here = tmp_path / "dvc.lock"
        here.write_text(lock.format("a", "b"), encoding="utf-8")
        assert current_experiment() == ""
        self.made_an_experiment(repository, "redder-kite")
        repository("update-ref", f"{exps(repository)}/has-no-lock", "HEAD")
        assert current_experiment() == "redder-kite"
        here.write_text(lock.format("a", "of another machine"), encoding="utf-8")
        assert current_experiment() == "redder-kite"
        here.write_text(lock.format("c", "b"), encoding="utf-8")
        assert current_experiment() == ""

    def test_is_no_experiments_when_the_results_are_the_commits_own(
        self, repository: Callable[..., str], tmp_path: Path
    ) -> None:
        """As the ladder's champion, which is the default."""
        (tmp_path / "dvc.lock").write_text(
            "stages: {train: {outs: [{path: models, md5: a}]}}", encoding="utf-8"
        )
        repository("add", "dvc.lock")
        repository("commit", "-qm", "x")
        repository("update-ref", f"{exps(repository)}/champion", "HEAD")
        assert current_experiment() == ""

    def test_is_the_experiments_name_in_a_folder_of_a_larger_repository(
        self, repository: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        project = tmp_path / "project"
        project.mkdir()
        monkeypatch.chdir(project)
        (project / "dvc.lock").write_text(
            "stages: {train: {outs: [{path: models, md5: a}]}}", encoding="utf-8"
        )
        self.made_an_experiment(repository, "redder-kite")
        assert current_experiment() == "redder-kite"

    @staticmethod
    def made_an_experiment(repository: Callable[..., str], name: str) -> None:
        """One of HEAD, with the dvc.lock that is here, as DVC keeps it."""
        repository("add", "dvc.lock")
        repository("commit", "-qm", "an experiment")
        experiment = repository("rev-parse", "HEAD")
        repository("reset", "-q", "HEAD~")
        repository("update-ref", f"{exps(repository)}/{name}", experiment)

    @pytest.mark.parametrize(
        ("file", "dirty"),
        [("params.yaml", "true"), ("digits/new.py", "true"), ("notes.txt", "false")],
    )
    @pytest.mark.usefixtures("repository")
    def test_is_dirty_when_code_or_params_are_not_committed(
        self, tmp_path: Path, file: str, dirty: str
    ) -> None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("target: 5\n", encoding="utf-8")
        assert describe_source("")["dirty"] == dirty

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("color.diff", "always"),
            ("diff.noprefix", "true"),
            ("diff.external", "true"),
            ("diff.mnemonicPrefix", "true"),
        ],
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

    @pytest.mark.parametrize("staged", [False, True])
    def test_what_was_not_committed_has_new_files_too(
        self, repository: Callable[..., str], tmp_path: Path, staged: bool
    ) -> None:
        (tmp_path / "digits").mkdir()
        new = tmp_path / "digits" / "novel idea.py"
        new.write_text("new = True\n", encoding="utf-8")
        (tmp_path / "notes.txt").write_text("to self\n", encoding="utf-8")
        if staged:
            repository("add", "digits")
        before = repository("status", "--porcelain")
        patch = uncommitted()
        assert repository("status", "--porcelain") == before, "the index is the person's own"
        (tmp_path / "patch").write_text(patch, encoding="utf-8")
        repository("rm", "-q", "--force", "--cached", str(new)) if staged else None
        new.unlink()
        assert "notes.txt" not in patch
        repository("apply", "patch")
        assert new.read_text(encoding="utf-8") == "new = True\n"

    def test_may_have_no_git(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        assert run_name("") == "no-commit"
        assert describe_source("") == {"mlflow.source.git.commit": "", "dirty": "false"}

    def test_may_have_no_git_at_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """DVC works without git, and so does this."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert run_name("") == "no-commit"
