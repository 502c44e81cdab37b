"""What must hold before queued experiments go to a Dask cluster."""

import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dvc.config_schema import RelPath
from dvc.exceptions import DvcException

from digits.common.cluster import check_versions
from digits.common.errors import BadInput
from digits.common.versions import LOCK
from digits.experiments.cluster_worker import missing_folders
from digits.experiments.git import GitError, run_git
from digits.experiments.repository import open_repo

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

# Beside what computes results: what runs the experiment and records it.
_ALSO_THE_SAME = ("dvc", "mlflow-skinny")


class Remotes(NamedTuple):
    """Git's remote and DVC's: their names, and where they are for a worker."""

    git: str
    git_url: str
    dvc: str
    dvc_url: str

    @property
    def folders(self) -> list[str]:
        """Those that are folders, which every worker must see."""
        return [url for url in (self.git_url, self.dvc_url) if Path(url).is_absolute()]


def check_remotes(root: Path) -> Remotes:
    """Check that both remotes are there and answer.

    Raises
    ------
    BadInput
        When there is none, when it does not answer, or is of a kind that does not do.
    """
    with open_repo(root) as repo:
        git_remote = str(repo.config["exp"].get("git_remote") or "origin")
        git_url = _check_git_remote(root, git_remote)
        try:
            remote = repo.cloud.get_remote()
            url = repo.config["remote"][remote.name]["url"]
            if isinstance(url, RelPath):
                # DVC 3.67 takes it from the root of the file system for experiments.
                raise BadInput(
                    f"DVC's remote {remote.name} is a path from .dvc/config, which the workers do "
                    "not have: say where it is for all of them by "
                    f"`dvc remote modify --local {remote.name} url /where/it/is`."
                )
            if Path(url).is_absolute():
                Path(url).mkdir(parents=True, exist_ok=True)
            else:
                with suppress(FileNotFoundError):  # nothing has been pushed yet
                    remote.fs.info(remote.path)
        except DvcException as error:
            raise BadInput(f"experiments on a cluster need DVC's remote: {error}") from error
        except BadInput:
            raise
        except Exception as error:  # of the library for this kind of remote
            reason = " ".join(str(error).split())
            raise BadInput(f"DVC's remote does not answer: {reason}") from error
    return Remotes(git_remote, git_url, remote.name, str(url))


def _check_git_remote(root: Path, name: str) -> str:
    """Where the git remote is. Raises BadInput."""
    try:
        url = run_git(root, "remote", "get-url", name).strip()
    except GitError as error:
        raise BadInput(
            f"git has no remote {name}, by which experiments travel: "
            f"`git remote add {name} URL` names one that you and the workers can push to."
        ) from error
    if not re.match(r"[\w+.-]+:", url):  # a path; git takes it from the top of the repository
        url = str(Path(run_git(root, "rev-parse", "--show-toplevel").strip(), url).resolve())
    try:
        run_git(root, "ls-remote", name, "HEAD", GIT_TERMINAL_PROMPT="0")
    except GitError as error:
        raise BadInput(f"git's remote {name} does not answer: {error}") from error
    return url


def check_workers(root: Path, client: "Client", remotes: Remotes) -> dict[str, str]:
    """Check that the workers have the sender's versions and see the remotes that are folders.

    Returns
    -------
    dict of str to str
        The sender's versions, by the packages' names.

    Raises
    ------
    BadInput
        When one has not; the sentence names it.
    """
    wanted = check_versions(client, [*_ALSO_THE_SAME, *_locked_names(root)])
    for address, missing in client.run(missing_folders, remotes.folders).items():
        if missing:
            raise BadInput(
                f"the worker {address} does not see {' and '.join(missing)}: a remote that is a "
                "folder must be at the same place on every machine, so share it or use another."
            )
    return wanted


def _locked_names(root: Path) -> list[str]:
    """The packages that requirements.lock pins: those that compute results."""
    return re.findall(r"^([a-z0-9-]+)==", (root / LOCK).read_text(encoding="utf-8"), re.MULTILINE)


def runs_server() -> dict[str, str]:
    """The MLflow server that the workers shall log to, as a variable; a file is none."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if "://" in uri and not uri.startswith(("sqlite:", "file:")):
        return {"MLFLOW_TRACKING_URI": uri}
    log.warning(
        "MLFLOW_TRACKING_URI names no server: the experiments come back without their runs "
        "(`dvc exp apply NAME`, then `dvc repro` makes the run of one)."
    )
    return {}
