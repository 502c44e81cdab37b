"""The commits that names of revisions stand for: branches, tags, commits and DVC experiments."""

import logging
import re
from collections import Counter
from functools import cache
from pathlib import Path

from digits.common.errors import BadInput
from digits.experiments.git import (
    Experiment,
    branch_name,
    check_repository,
    head_commit,
    list_experiments,
    run_git,
    try_git,
)

log = logging.getLogger(__name__)

WORKSPACE = "workspace"

# DVC keeps it while an experiment changes the workspace, and after that one was killed.
_RUNNING_EXPERIMENT = "refs/exps/exec/EXEC_BASELINE"


class NoSuchRevision(BadInput):
    """Neither git nor DVC knows the name, or it means several things."""


def find_commit(root: Path, name: str) -> str:
    """Find the commit that a name stands for.

    Parameters
    ----------
    root : Path
        The repository.
    name : str
        Of a branch, tag or DVC experiment, or what git takes for a commit, such as `HEAD~1`.

    Returns
    -------
    str
        Its full hash.

    Raises
    ------
    NoSuchRevision
        When there is no such commit, or when the name means several.
    """
    check_repository(root)
    meanings = _of_git(root, name)
    named = [each for each in list_experiments(root) if each.name == name]
    if len(named) > 1:  # DVC too takes the one that begins at HEAD
        of_head = list_experiments(root, head_commit(root))
        named = [each for each in of_head if each.name == name] or named
    for experiment in named:
        meanings[f"{experiment.commit[:12]} (an experiment)"] = experiment.commit
    if not meanings:
        raise NoSuchRevision(
            f"{name} is no revision here: allowed are {WORKSPACE}, branches, tags, commits "
            "and DVC experiments (`dvc exp show`)."
        )
    if len(set(meanings.values())) > 1:
        raise NoSuchRevision(
            f"{name} means several revisions: {', '.join(meanings)}; "
            "allowed is one of these names or commits."
        )
    if re.match("(HEAD|@)([~^@]|$)", name):
        describe_head(root)
    return next(iter(meanings.values()))


def _of_git(root: Path, name: str) -> dict[str, str]:
    """The commits that git may take a name for, by a name that means each alone."""
    refs = (f"refs/heads/{name}", f"refs/tags/{name}")
    meanings = {ref: commit for ref in refs if (commit := _commit(root, ref))}
    meanings |= {commit[:12]: commit for commit in _commits_that_begin(root, name)}
    if not meanings and (commit := _commit(root, name)):
        meanings[commit[:12]] = commit
    return meanings


def _commit(root: Path, name: str) -> str:
    """The commit of a name by git; nothing when git knows none."""
    return try_git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    ).strip()


def _commits_that_begin(root: Path, name: str) -> list[str]:
    """The full hashes that a name abbreviates, if it is made of hexadecimal digits."""
    if not re.fullmatch("[0-9a-f]{4,40}", name):
        return []
    found = try_git(root, "rev-parse", f"--disambiguate={name}").split()
    return [each for each in found if _commit(root, each) == each]


def list_revisions(root: Path) -> dict[str, str]:
    """The repository's DVC experiments, the newest first.

    Returns
    -------
    dict of str to str
        Their full hashes by their names; those that share a name, or have one of git's too, are
        named by their short commits instead.
    """
    check_repository(root)
    experiments = list_experiments(root)
    times_used = Counter(experiment.name for experiment in experiments)
    refs = run_git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/tags")
    other_names = {WORKSPACE, *refs.split()}

    def label(experiment: Experiment) -> str:
        name = experiment.name
        is_taken = (
            name in other_names
            or name.endswith("HEAD")  # HEAD, ORIG_HEAD, FETCH_HEAD and so on are git's
            or bool(_commits_that_begin(root, name))
        )
        return experiment.short_commit if is_taken or times_used[name] > 1 else name

    return {label(experiment): experiment.commit for experiment in experiments}


def describe_head(root: Path) -> None:
    """Log a warning when HEAD is on no branch, as after an experiment that was killed."""
    commit = _commit(root, "HEAD")
    if commit and not branch_name(root):
        _warn(commit, is_experiment=bool(_commit(root, _RUNNING_EXPERIMENT)))


@cache  # once in a process
def _warn(commit: str, is_experiment: bool) -> None:
    if is_experiment:
        log.warning(
            "HEAD is detached at %s: `dvc exp run` is at work here or was interrupted; "
            "`git switch -` brings back the branch.",
            commit[:7],
        )
    else:
        log.warning("HEAD is detached at %s: it is on no branch.", commit[:7])
