"""What names the code and the params that a run came from."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.experiments.provenance import (
    current_experiment,
    describe_source,
    git_refusal,
    uncommitted_patch,
)
from digits.experiments.run_names import run_name


def exps(git: Callable[..., str]) -> str:
    """Where DVC keeps the experiments of HEAD."""
    head = git("rev-parse", "HEAD")
    return f"refs/exps/{head[:2]}/{head[2:]}"


class TestSource:
    def test_is_branch_and_commit(self, git: Callable[..., str]) -> None:
        assert run_name("") == f"trunk-{git('rev-parse', '--short', 'HEAD')}"
        assert describe_source("") == {
            "mlflow.source.git.commit": git("rev-parse", "HEAD"),
            "dirty": "false",
        }

    def test_is_the_experiments_name_when_dvc_gave_one(
        self, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DVC_EXP_NAME", "bluer-tit")
        assert run_name(current_experiment()) == "bluer-tit"
        assert describe_source(current_experiment())["dvc.experiment"] == "bluer-tit"
        monkeypatch.setenv("DVC_EXP_BASELINE_REV", git("rev-parse", "HEAD"))
        assert current_experiment() == "bluer-tit"
        # Of another repository, a stage of which called `dvc repro` here.
        monkeypatch.setenv("DVC_EXP_BASELINE_REV", "12ab" * 10)
        assert current_experiment() == ""

    def test_is_the_experiments_name_when_its_results_are_here(
        self, git: Callable[..., str], tmp_path: Path
    ) -> None:
        """As after `dvc exp apply`."""
        lock = (
            "stages:\n"
            "  train: {{outs: [{{path: models, md5: {}}}]}}\n"
            "  track: {{outs: [{{path: .mlflow/tracked, md5: {}}}]}}\n"
        )
        here = tmp_path / "dvc.lock"
        here.write_text(lock.format("a", "b"), encoding="utf-8")
        assert current_experiment() == ""
        self.made_an_experiment(git, "redder-kite")
        git("update-ref", f"{exps(git)}/has-no-lock", "HEAD")
        assert current_experiment() == "redder-kite"
        here.write_text(lock.format("a", "of another machine"), encoding="utf-8")
        assert current_experiment() == "redder-kite"
        here.write_text(lock.format("c", "b"), encoding="utf-8")
        assert current_experiment() == ""

    def test_is_no_experiments_when_the_results_are_the_commits_own(
        self, git: Callable[..., str], tmp_path: Path
    ) -> None:
        """As the ladder's champion, which is the default."""
        (tmp_path / "dvc.lock").write_text(
            "stages: {train: {outs: [{path: models, md5: a}]}}", encoding="utf-8"
        )
        git("add", "dvc.lock")
        git("commit", "-qm", "x")
        git("update-ref", f"{exps(git)}/champion", "HEAD")
        assert current_experiment() == ""

    def test_is_the_experiments_name_in_a_folder_of_a_larger_repository(
        self, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        project = tmp_path / "project"
        project.mkdir()
        monkeypatch.chdir(project)
        (project / "dvc.lock").write_text(
            "stages: {train: {outs: [{path: models, md5: a}]}}", encoding="utf-8"
        )
        self.made_an_experiment(git, "redder-kite")
        assert current_experiment() == "redder-kite"

    @staticmethod
    def made_an_experiment(git: Callable[..., str], name: str) -> None:
        """One of HEAD, with the dvc.lock that is here, as DVC keeps it."""
        git("add", "dvc.lock")
        git("commit", "-qm", "an experiment")
        experiment = git("rev-parse", "HEAD")
        git("reset", "-q", "HEAD~")
        git("update-ref", f"{exps(git)}/{name}", experiment)

    @pytest.mark.parametrize(
        ("file", "dirty"),
        [("params.yaml", "true"), ("digits/new.py", "true"), ("notes.txt", "false")],
    )
    @pytest.mark.usefixtures("git")
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
        self, git: Callable[..., str], tmp_path: Path, setting: str, value: str
    ) -> None:
        """However a person likes to see differences."""
        git("config", setting, value)
        (tmp_path / "params.yaml").write_text("target: 5\n", encoding="utf-8")
        patch = uncommitted_patch()
        git("checkout", "params.yaml")
        (tmp_path / "patch").write_text(patch, encoding="utf-8")
        git("apply", "patch")
        assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == "target: 5\n"

    @pytest.mark.parametrize("staged", [False, True])
    def test_what_was_not_committed_has_new_files_too(
        self, git: Callable[..., str], tmp_path: Path, staged: bool
    ) -> None:
        (tmp_path / "digits").mkdir()
        new = tmp_path / "digits" / "novel idea.py"
        new.write_text("new = True\n", encoding="utf-8")
        (tmp_path / "notes.txt").write_text("to self\n", encoding="utf-8")
        if staged:
            git("add", "digits")
        before = git("status", "--porcelain")
        patch = uncommitted_patch()
        assert git("status", "--porcelain") == before, "the index is the person's own"
        (tmp_path / "patch").write_text(patch, encoding="utf-8")
        git("rm", "-q", "--force", "--cached", str(new)) if staged else None
        new.unlink()
        assert "notes.txt" not in patch
        git("apply", "patch")
        assert new.read_text(encoding="utf-8") == "new = True\n"

    def test_may_have_no_git(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        monkeypatch.chdir(tmp_path)
        assert run_name("") == "no-commit"
        assert describe_source("") == {"mlflow.source.git.commit": "", "dirty": "unknown"}
        assert git_refusal() == ""

    def test_may_have_no_git_at_all(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """DVC works without git, and so does this."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert run_name("").startswith("no-commit-")
        assert "no git on the path" in git_refusal()
        assert describe_source("")["dirty"] == "unknown"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
    @pytest.mark.usefixtures("git")
    def test_of_somebody_elses_repository_is_not_known(self, tmp_path: Path) -> None:
        assert git_refusal() == "" and describe_source("")["dirty"] == "false"
        os.chown(tmp_path, 65534, 65534)
        assert "safe.directory" in git_refusal()
        source = describe_source("")
        assert source["dirty"] == "unknown" and source["mlflow.source.git.commit"] == ""
        assert len(source["params_sha256"]) == 64
