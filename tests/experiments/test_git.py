"""What this project asks of git, in a real repository."""

from collections.abc import Callable
from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.experiments.git import (
    GitError,
    branch_name,
    changed_files,
    head_commit,
    list_experiments,
    read_file,
    run_git,
    short_head_commit,
    try_git,
)

Git = Callable[..., str]


def test_what_git_cannot_do_is_a_sentence_in_its_own_words(git: Git) -> None:
    assert git("status", "--porcelain") == ""
    with pytest.raises(BadInput, match=r"^`git switch nowhere` failed: .*nowhere"):
        run_git(Path(), "switch", "nowhere")
    assert try_git(Path(), "switch", "nowhere") == ""


def test_head(git: Git) -> None:
    commit = git("rev-parse", "HEAD")
    assert (head_commit(Path()), branch_name(Path())) == (commit, "trunk")
    assert commit.startswith(short_head_commit(Path())) and short_head_commit(Path())
    git("switch", "-q", "--detach")
    assert (head_commit(Path()), branch_name(Path())) == (commit, "")


def test_before_the_first_commit_there_is_no_head(
    monkeypatch: pytest.MonkeyPatch, git: Git, tmp_path: Path
) -> None:
    git("init", "-q", "-b", "new", str(tmp_path / "new"))
    monkeypatch.chdir(tmp_path / "new")
    assert (head_commit(Path()), short_head_commit(Path()), branch_name(Path())) == ("", "", "new")
    assert list_experiments(Path()) == []


def test_without_git_there_is_no_head(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (head_commit(tmp_path), branch_name(tmp_path)) == ("", "")
    with pytest.raises(GitError, match=r"^`git status` failed: "):
        run_git(tmp_path, "status")


def test_experiments_are_those_of_dvc_and_of_one_commit(git: Git) -> None:
    head = git("rev-parse", "HEAD")
    git("commit", "-q", "--allow-empty", "-m", "an experiment", "--date", "2001-01-01")
    experiment = git("rev-parse", "HEAD")
    git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/tit", experiment)
    git("update-ref", f"refs/exps/{experiment[:2]}/{experiment[2:]}/tit", experiment)
    git("update-ref", "refs/exps/celery/stash", head)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", head)
    short = git("rev-parse", "--short", "HEAD")
    assert list_experiments(Path(), head) == [("tit", experiment, short)]
    assert list_experiments(Path()) == [("tit", experiment, short)] * 2
    assert list_experiments(Path(), "0" * 40) == []


def test_a_file_of_a_revision_is_named_from_the_folder(git: Git) -> None:
    Path("folder").mkdir()
    Path("folder", "naïve.txt").write_text("a\r\nb", encoding="utf-8", newline="")
    git("add", "folder")
    git("commit", "-qm", "x")
    assert read_file(Path("folder"), "HEAD", "naïve.txt") == "a\r\nb"
    with pytest.raises(GitError, match=r"nothing\.txt"):
        read_file(Path("folder"), "HEAD", "nothing.txt")


def test_changed_files_are_edited_new_moved_and_deleted_ones(git: Git) -> None:
    for name in ("same", "edited", "moved", "deleted", "elsewhere"):
        Path(name).write_text(f"{name}\n" * 9, encoding="utf-8")
    Path(".gitignore").write_text("ignored\n", encoding="utf-8")
    git("add", "-A")
    git("commit", "-qm", "x")
    before = git("rev-parse", "HEAD")
    Path("edited").write_text("another\n", encoding="utf-8")
    git("mv", "moved", "to")
    Path("deleted").unlink()
    git("commit", "-qam", "y")
    for name in ("new naïve", "ignored", "elsewhere"):
        Path(name).write_text("new\n", encoding="utf-8")
    Path("same").touch()
    paths = ["same", "edited", "moved", "to", "deleted", "new naïve", "ignored", "nothing"]
    changed = ["deleted", "edited", "moved", "new naïve", "to"]
    assert sorted(changed_files(Path(), before, paths)) == changed
    assert changed_files(Path(), before, ["same"]) == []
    Path("folder").mkdir()
    git("mv", "to", "folder")
    assert changed_files(Path("folder"), "HEAD", ["to"]) == ["to"], "from the folder"
