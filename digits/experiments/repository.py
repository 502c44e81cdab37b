"""DVC's repository, in the workspace or as it is in a commit."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.config import ConfigError
from dvc.fs import GitFileSystem
from dvc.repo import Repo
from dvc.scm import SCM

from digits.common.errors import BadInput
from digits.common.extras import install_command


@contextmanager
def open_repo(root: Path, commit: str = "") -> Iterator[Repo]:
    """Open DVC's repository.

    Parameters
    ----------
    root : Path
        The project's folder.
    commit : str
        As the project is in it; by default in the workspace.

    Raises
    ------
    BadInput
        When DVC cannot read its settings: .dvc/config, .dvc/config.local or the user's own.
    """
    try:
        repo = _open(root, commit)
    except ConfigError as error:
        raise BadInput(f"DVC cannot read its settings: {error}") from error
    with repo:
        yield repo


def _open(root: Path, commit: str) -> Repo:
    if not commit:
        return Repo(str(root))
    # `Repo(rev=...)` would look for the project at the top of git's repository alone.
    scm = SCM(str(root))
    below = root.resolve().relative_to(Path(scm.root_dir).resolve()).as_posix()
    place = "/" if below == "." else f"/{below}"
    return Repo(place, fs=GitFileSystem(scm=scm, rev=commit), scm=scm)


def install_for_remote(error: Exception) -> str:
    """What installs the library that DVC needs for its remote; empty if it lacks none."""
    match = re.search(r"requires '([\w-]+)' to be installed", str(error))
    return install_command(match[1]) if match else ""
