"""The result of a revision, an experiment or the workspace: what its dvc.lock names, nothing else.

Every command that shows a result asks here. Data comes out of DVC's cache or from its remote by the
hashes in dvc.lock, without checking anything out.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc_data.index import DataIndexDirError
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.experiments.lock import LOCK, PARAMS, Lock, Part, differing_params
from digits.experiments.names import WORKSPACE, describe_head, find_commit
from digits.experiments.repository import install_for_remote, open_repo
from digits.experiments.workspace import check_workspace
from digits.metrics.predictions import Predictions
from digits.metrics.tables import first_path, parse_table, table_path

log = logging.getLogger(__name__)

# Where the predictions on each part are.
PREDICTIONS = {"test": "data/predictions", "validation": "models/validation"}


class NotCached(BadInput):
    """The revision exists, but the files that it made are not on this machine."""

    exit_code = 3


@dataclass(frozen=True)
class Revision:
    """The results of one revision on the test images, or in its validation.

    Attributes
    ----------
    name : str
        As it was named by the user.
    params : mapping
        The params that were used, nested: of `models` only the chosen one.
    metrics : mapping of str to number
        Of one part.
    predictions : Predictions
        On the images of that part.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    predictions: Predictions

    @property
    def data_set(self) -> dict[str, Any]:
        """The params of `fetch`, but for the extra pictures: no image of them is ever scored."""
        return {name: value for name, value in self.params["fetch"].items() if name != "extra"}


class Result:
    """What one revision or the workspace made.

    Parameters
    ----------
    repo : Repo
        DVC's, of that revision.
    name : str
        As it was named by the user.
    lock : Lock
        Its dvc.lock.
    """

    def __init__(self, repo: Repo, name: str, lock: Lock) -> None:
        self.name = name
        self.lock = lock
        self._repo = repo

    @property
    def params(self) -> dict[str, Any]:
        """The params that were used, nested: of `models` the chosen one alone."""
        return self.lock.params()

    def check(self, part: Part) -> None:
        """Check that all that a part is made of belongs together.

        Raises
        ------
        BadInput
            When a stage has not run.
        NotOneResult
            When the stages ran on different things, or when the workspace has other files, params
            or code than its dvc.lock names.
        """
        self.lock.check(part)
        if self.name == WORKSPACE:
            check_workspace(self._repo, self.lock, part)
        else:
            _warn_of_edited_params(self._repo, self.lock)

    def read_metrics(self, part: Part) -> dict[str, Any]:
        """Read all metrics of one part. Raises BadInput without any."""
        path, table = first_path(part), table_path(part)
        content = self._read_kept_by_git(path)
        try:
            values: dict[str, Any] = json.loads(content)
        except ValueError as error:
            raise BadInput(f"{path} of {self.name} is not valid JSON: {error}.") from error
        if table in self.lock.hashes():  # older results have all in the one file
            text = self._read_kept_by_git(table).decode(errors="replace")
            values |= parse_table(text, f"{table} of {self.name}")
        return values

    def read(self, part: Part) -> Revision:
        """Read the results of one part, after `check`.

        Raises
        ------
        NotCached
            When its predictions are neither in DVC's cache nor on the remote.
        BadInput
            When it has no results, or in another form; when a library for the remote is missing.
        """
        metrics = self.read_metrics(part)
        if metrics.get("n") == 0:
            raise BadInput(f"{self.name} was not validated: its train.validate is none.")
        folder = PREDICTIONS[part]
        predictions = Predictions.load(lambda file: self._open(f"{folder}/{file}"))
        return Revision(self.name, self.params, metrics, predictions)

    def read_array(self, path: str) -> NDArray:
        """Read an .npy file that DVC tracks. Raises NotCached."""
        array: NDArray = np.lib.format.read_array(self._open(path), allow_pickle=False)
        return array

    def _open(self, path: str) -> BytesIO:
        """Open a file by the hash that dvc.lock has of it or of its folder."""
        try:
            md5 = self._repo.datafs.checksum(path)
            with self._repo.datafs.open(path, "rb") as file:
                content: bytes = file.read()
        except ImportError as error:  # DVC asks for the remote's library, whatever its cache has
            raise BadInput(
                f"DVC cannot open its remote ({error}): {install_for_remote(error)} brings what it "
                "needs."
            ) from error
        except (OSError, KeyError, DvcException, DataIndexDirError) as error:
            file_here = Path(self._repo.root_dir, path)
            if self.name == WORKSPACE and file_here.is_file():
                return BytesIO(file_here.read_bytes())  # `check` has found it to be dvc.lock's
            command = f"`dvc pull` in a checkout of {self.name}, or `dvc repro` there,"
            if self.name == WORKSPACE:
                command = "`dvc pull` or `dvc repro`"
            raise NotCached(
                f"{path} of {self.name} is not on this machine: {command} brings it."
            ) from error
        if _md5(content) != md5:
            raise BadInput(
                f"{path} of {self.name} is damaged in DVC's cache: its MD5 is not {md5}, which "
                f"its {LOCK} names; `dvc fetch`, or `dvc repro --force` there, makes it again."
            )
        return BytesIO(content)

    def _read_kept_by_git(self, path: str) -> bytes:
        """Read a file of metrics, which git keeps and DVC's run cache too."""
        md5 = self.lock.hash(path)
        location = self._repo.fs.join(self._repo.root_dir, *path.split("/"))
        cached = Path(self._repo.cache.local.oid_to_path(md5))
        candidates = []
        if self._repo.fs.exists(location):
            with self._repo.fs.open(location, "rb") as file:
                candidates.append(file.read())
        if cached.is_file():
            candidates.append(cached.read_bytes())
        for content in candidates:
            if md5 in (_md5(content), _md5(content.replace(b"\r\n", b"\n"))):
                return content
        problem = f"is not the one that its {LOCK} names" if candidates else "is not there"
        raise BadInput(f"{path} of {self.name} {problem}: `dvc repro` there makes it again.")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@contextmanager
def open_result(root: Path, name: str) -> Iterator[Result]:
    """Open what a revision or the workspace made.

    Parameters
    ----------
    root : Path
        The repository.
    name : str
        A branch, tag, commit, DVC experiment, or `workspace`.

    Raises
    ------
    NoSuchRevision
        When there is no such revision, or several.
    BadInput
        When it has no results.
    """
    commit = "" if name == WORKSPACE else find_commit(root, name)
    if name == WORKSPACE:
        describe_head(root)
    try:
        with open_repo(root, commit) as repo:
            yield Result(repo, name, _read_lock(repo, name))
    except NotDvcRepoError as error:
        raise BadInput(f"{name} has no DVC pipeline: {error}.") from error


def _read_lock(repo: Repo, name: str) -> Lock:
    try:
        with repo.fs.open(repo.fs.join(repo.root_dir, LOCK), "r", encoding="utf-8") as file:
            return Lock.parse(file.read(), name)
    except FileNotFoundError as error:
        raise BadInput(f"{name} has no {LOCK}: `dvc repro` makes it, and git keeps it.") from error


def _warn_of_edited_params(repo: Repo, lock: Lock) -> None:
    """Log a warning when params.yaml was committed with values that have not run."""
    try:
        with repo.fs.open(repo.fs.join(repo.root_dir, PARAMS), "rb") as file:
            differing = differing_params(lock, file.read())
    except (BadInput, FileNotFoundError):
        return  # what it says does not matter: dvc.lock has the params that were used
    if differing:
        log.warning("%s: %s.", lock.owner, "; ".join(differing.values()))


def read_revision(root: Path, name: str, part: Part = "test") -> Revision:
    """Read the results of a revision, after a look whether they belong together.

    Parameters and errors are those of `open_result`, `Result.check` and `Result.read`.
    """
    with open_result(root, name) as result:
        result.check(part)
        return result.read(part)


def read_metrics(root: Path, name: str, part: Part) -> dict[str, Any]:
    """Read the metrics of one part of a revision. Errors as `read_revision`."""
    with open_result(root, name) as result:
        result.check(part)
        return result.read_metrics(part)


def read_hash(root: Path, name: str, path: str) -> str:
    """Read DVC's hash of one of a revision's outs. Raises BadInput when its dvc.lock has none."""
    with open_result(root, name) as result:
        return result.lock.hash(path)
