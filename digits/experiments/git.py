"""What this project asks of git.

All functions take the folder in which git is asked, and raise GitError with git's own words when it
cannot do what it was asked, unless their docstring says otherwise.
"""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from digits.common.errors import BadInput

# Of the repository: its params.yaml, dvc.yaml and dvc.lock are here.
ROOT = Path(__file__).resolve().parents[2]


class GitError(BadInput):
    """There is no git, or it could not do what it was asked."""


class Experiment(NamedTuple):
    """A DVC experiment: a commit that git does not show among the branches."""

    name: str
    commit: str
    short_commit: str


def check_repository(root: Path) -> None:
    """Check that git answers here, whose revisions and experiments a command is about.

    The project may be a subfolder of a larger repository.

    Raises
    ------
    BadInput
        When the project is in no git repository, but a copy of its files; with git's own words
        when it refuses, as that of another user; when there is no git.
    """
    try:
        run_git(root, "rev-parse", "--show-toplevel", LC_ALL="C")
    except GitError as error:
        if "not a git repository" in str(error):
            raise BadInput(
                f"{root} is in no git repository, in which revisions and experiments are: "
                "`git clone` the project."
            ) from error
        raise


def run_git(root: Path, *arguments: str, **environment: str) -> str:
    """What a git command prints, byte for byte (bytes that are not UTF-8 as surrogates)."""
    command = f"`git {' '.join(arguments)}`"
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=os.environ | environment,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError(f"{command} failed: there is no git on the path, so install it.") from error
    except OSError as error:
        raise GitError(f"{command} failed: {error}") from error
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split()) or "no reason given"
        raise GitError(f"{command} failed: {reason}")
    return done.stdout.decode(errors="surrogateescape")


def try_git(root: Path, *arguments: str) -> str:
    """What a git command prints; nothing without git, without a repository or without a commit."""
    try:
        return run_git(root, *arguments)
    except GitError:
        return ""


def head_commit(root: Path) -> str:
    """The commit of HEAD; nothing where there is none."""
    return try_git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip()


def short_head_commit(root: Path) -> str:
    """The commit of HEAD, abbreviated; nothing where there is none."""
    return try_git(root, "rev-parse", "--verify", "--quiet", "--short", "HEAD").strip()


def branch_name(root: Path) -> str:
    """The branch that is checked out; nothing where there is none or HEAD is detached."""
    return try_git(root, "branch", "--show-current").strip()


def list_experiments(root: Path, baseline: str = "") -> list[Experiment]:
    """All DVC experiments, the newest first, or those of one commit.

    Parameters
    ----------
    root : Path
        A folder in the repository.
    baseline : str, default=""
        The full hash of the commit that the experiments began with; all of them if empty.
    """
    pattern = baseline_ref(baseline) if baseline else "refs/exps/[0-9a-f][0-9a-f]/*/*"
    form = "--format=%(refname:lstrip=4) %(objectname) %(objectname:short)"
    refs = run_git(root, "for-each-ref", "--sort=-committerdate", form, pattern)
    return [Experiment(*line.split()) for line in refs.splitlines()]


def baseline_ref(commit: str) -> str:
    """Where DVC keeps the experiments that began with a commit, each as a ref of its name."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}"


def read_file(root: Path, revision: str, path: str) -> str:
    """A text file as it is in a revision; its path begins at `root`."""
    return run_git(root, "show", f"{revision}:./{path}")


def changed_files(root: Path, revision: str, paths: Iterable[str]) -> list[str]:
    """The files in which the working tree differs from a revision, new ones included.

    Parameters
    ----------
    root : Path
        A folder in the repository, at which the paths begin.
    revision : str
        A commit, or what git takes for one.
    paths : iterable of str
        Files and folders to look at; it does not matter whether they exist.

    Returns
    -------
    list of str
        Their paths. What .gitignore names is not among them.
    """
    paths = [*paths]
    changed = run_git(
        root, "diff", "--name-only", "--no-renames", "--relative", "-z", revision, "--", *paths
    )
    return [*changed.split("\0")[:-1], *untracked_files(root, paths)]


def untracked_files(root: Path, paths: Iterable[str], **environment: str) -> list[str]:
    """Files at or below these paths that git does not track, and .gitignore does not name."""
    command = ["ls-files", "--others", "--exclude-standard", "-z", "--", *paths]
    return run_git(root, *command, **environment).split("\0")[:-1]


def patch_from_head(root: Path, paths: Iterable[str]) -> str:
    """The patch that `git apply` needs to make the working tree's files of HEAD's, new ones too."""
    paths = [*paths]
    # Whatever a person's git is set to: `git apply` has to understand it.
    plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"]
    with TemporaryDirectory() as temporary:
        # `git diff` shows a new file once it is in the index: in one of our own, since the person's
        # is theirs.
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        run_git(root, "read-tree", "HEAD", **index)
        if new := untracked_files(root, paths, **index):
            run_git(root, "add", "--intent-to-add", "--", *new, **index)
        return run_git(root, "diff", "HEAD", "--binary", *plain, "--", *paths, **index)
