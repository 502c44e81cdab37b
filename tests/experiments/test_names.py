"""Names of revisions in a real repository: what means several commits is refused."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.experiments import names
from digits.experiments.git import baseline_ref
from digits.experiments.names import NoSuchRevision, describe_head, find_commit, list_revisions

Git = Callable[..., str]


@pytest.fixture
def commits(git: Git) -> tuple[str, str]:
    """Two commits of the branch `trunk`, the newer one last."""
    first = git("rev-parse", "HEAD")
    git("commit", "-q", "--allow-empty", "-m", "y")
    return first, git("rev-parse", "HEAD")


def experiment(git: Git, name: str, baseline: str, commit: str) -> None:
    git("update-ref", f"{baseline_ref(baseline)}/{name}", commit)


def test_what_git_or_dvc_knows_is_found(git: Git, commits: tuple[str, str]) -> None:
    first, last = commits
    git("tag", "-a", "tagged", "-m", "x", first)
    git("branch", "feature/x", first)
    experiment(git, "tried", last, first)
    for name, commit in {
        "trunk": last,
        "HEAD": last,
        "@": last,
        "HEAD~1": first,
        "tagged": first,
        "feature/x": first,
        "tried": first,
        first: first,
        first[:8]: first,
        "refs/heads/feature/x": first,
    }.items():
        assert find_commit(Path(), name) == commit
    for name in ("nothing", "", "-h", "--all", "trunk:params.yaml", "a b", "trunk..tagged", "a\nb"):
        with pytest.raises(NoSuchRevision, match="is no revision here"):
            find_commit(Path(), name)


def test_a_name_of_several_commits_is_refused_with_names_that_mean_one(
    git: Git, commits: tuple[str, str]
) -> None:
    first, last = commits
    git("branch", "both", first)
    experiment(git, "both", last, last)
    git("branch", "twice", first)
    git("tag", "twice", last)
    git("branch", last[:7], first)
    experiment(git, first[:9], last, last)
    experiment(git, "HEAD", last, first)
    for name, allowed in {
        "HEAD": (last[:12], first[:12]),
        "both": ("refs/heads/both", last[:12]),
        "twice": ("refs/heads/twice", "refs/tags/twice"),
        last[:7]: (f"refs/heads/{last[:7]}", last[:12]),
        first[:9]: (first[:12], last[:12]),
    }.items():
        with pytest.raises(NoSuchRevision, match=f"^{name} means several revisions: ") as refused:
            find_commit(Path(), name)
        for other in allowed:
            assert other in str(refused.value)
            assert find_commit(Path(), other) in commits


def test_of_experiments_of_one_name_the_one_that_begins_at_head_is_meant(
    git: Git, commits: tuple[str, str]
) -> None:
    first, last = commits
    experiment(git, "twice", first, first)
    experiment(git, "twice", last, last)
    assert find_commit(Path(), "twice") == last
    git("commit", "-q", "--allow-empty", "-m", "z")
    with pytest.raises(NoSuchRevision, match=r"^twice means several revisions: "):
        find_commit(Path(), "twice")


def test_names_of_one_commit_are_no_matter(git: Git, commits: tuple[str, str]) -> None:
    first, last = commits
    git("branch", "both", first)
    git("tag", "both", first)
    experiment(git, "both", last, first)
    assert find_commit(Path(), "both") == first


def test_experiments_are_listed_by_names_that_mean_them_alone(
    git: Git, commits: tuple[str, str]
) -> None:
    first, last = commits
    git("branch", "taken", first)
    for name in ("free", "taken", "workspace", first[:9], "HEAD", "ORIG_HEAD"):
        experiment(git, name, last, last)
    experiment(git, "twice", first, first)
    experiment(git, "twice", last, last)
    listed = list_revisions(Path())
    assert listed.pop("free") == last
    assert listed == {first[:7]: first, last[:7]: last}
    for name, commit in listed.items():
        assert find_commit(Path(), name) == commit


def test_a_detached_head_and_an_interrupted_experiment_are_said(
    git: Git, commits: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    names._warn.cache_clear()
    with caplog.at_level(logging.WARNING):
        describe_head(Path())
        assert caplog.text == ""
        git("switch", "-q", "--detach")
        assert find_commit(Path(), "HEAD~1") == commits[0]
        assert f"HEAD is detached at {commits[1][:7]}: it is on no branch" in caplog.text
        git("update-ref", "refs/exps/exec/EXEC_BASELINE", "HEAD")
        describe_head(Path())
        describe_head(Path())
        assert caplog.text.count("or was interrupted; `git switch -` brings back") == 1
