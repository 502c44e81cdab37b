"""The results of a revision of this repository, read by git and DVC without checking it out."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.scm import RevError, SCMError, resolve_rev
from dvc_data.index import DataIndexDirError
from numpy.typing import NDArray

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.git import check_repository, list_experiments
from digits.metrics.predictions import Predictions

WORKSPACE = "workspace"

Part = Literal["test", "validation"]

# Where the predictions on each part are.
PREDICTIONS = {"test": "data/predictions", "validation": "models/validation"}


class NotCached(BadInput):
    """The revision exists, but the files that it made are not on this machine."""

    exit_code = 3


class NoSuchRevision(BadInput):
    """Neither git nor DVC knows the name."""


@dataclass(frozen=True)
class Revision:
    """The results of one revision on the test images, or in its validation.

    Attributes
    ----------
    name : str
        As it was named by the user.
    params : mapping
        The params that mattered, nested: of `models` only the chosen one.
    metrics : mapping of str to number
        Of one part.
    predictions : Predictions
        On the images of that part.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    predictions: Predictions


def read_revision(root: Path, name: str, part: Part = "test") -> Revision:
    """Read the results of a revision.

    Parameters
    ----------
    root : Path
        The repository.
    name : str
        A branch, tag, commit, DVC experiment, or `workspace`.
    part : {"test", "validation"}, default="test"
        Which results.

    Raises
    ------
    NoSuchRevision
        When there is no such revision.
    NotCached
        When its predictions are neither in DVC's cache nor on the remote.
    BadInput
        When it has no results, or in another form.
    """
    with _open_revision(root, name) as repo:
        metrics = _read_metrics(repo, name, part)
        if metrics.get("n") == 0:
            raise BadInput(f"{name} was not validated: its train.validate is none.")
        params = _read_params(repo, name)
        folder = PREDICTIONS[part]
        predictions = Predictions.load(lambda file: _open_out(repo, f"{folder}/{file}", name))
    return Revision(name, params, metrics, predictions)


def read_array(root: Path, name: str, path: str) -> NDArray:
    """Read an .npy file that DVC tracks, as it is in a revision. Raises as `read_revision`."""
    with _open_revision(root, name) as repo, _open_out(repo, path, name) as file:
        array: NDArray = np.lib.format.read_array(file, allow_pickle=False)
        return array


def read_metrics(root: Path, name: str, part: Part) -> dict[str, Any]:
    """Read the metrics of one part of a revision, which git has. Raises BadInput without any."""
    with _open_revision(root, name) as repo:
        return _read_metrics(repo, name, part)


def read_hash(root: Path, name: str, path: str) -> str:
    """Read DVC's hash of one of a revision's outs. Raises BadInput when its dvc.lock has none."""
    with _open_revision(root, name) as repo:
        lock = parse_yaml(_read_text(repo, "dvc.lock", name), f"{name}:dvc.lock")
    outs = [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]
    hashes = [str(out["md5"]) for out in outs if out["path"] == path]
    if not hashes:
        raise BadInput(f"{name}:dvc.lock knows nothing of {path}: `dvc repro` there makes it.")
    return hashes[0]


def experiment_names(root: Path) -> list[str]:
    """The names of the repository's DVC experiments, the newest first.

    Those that share a name are named by their short commits instead.
    """
    check_repository(root)
    experiments = list_experiments(root)
    times_used = Counter(experiment.name for experiment in experiments)
    return [
        experiment.name if times_used[experiment.name] == 1 else experiment.short_commit
        for experiment in experiments
    ]


@contextmanager
def _open_revision(root: Path, name: str) -> Iterator[Repo]:
    check_repository(root)
    try:
        with Repo(str(root)) as repo:
            if name == WORKSPACE:
                yield repo
                return
            commit = resolve_rev(repo.scm, name)
        with Repo(str(root), rev=commit) as repo:
            yield repo
    except (RevError, SCMError) as error:
        namesakes = [each.short_commit for each in list_experiments(root) if each.name == name]
        if len(namesakes) > 1:
            raise NoSuchRevision(
                f"{len(namesakes)} experiments are called {name}: "
                f"allowed is the commit of one ({', '.join(namesakes)})."
            ) from error
        raise NoSuchRevision(
            f"{name} is no revision here: allowed are {WORKSPACE}, branches, tags, commits "
            "and DVC experiments (`dvc exp show`)."
        ) from error
    except NotDvcRepoError as error:
        raise BadInput(f"{name} has no DVC pipeline: {error}.") from error


def _read_metrics(repo: Repo, name: str, part: Part) -> dict[str, Any]:
    path = f"metrics/{part}.json"
    try:
        values: dict[str, Any] = json.loads(_read_text(repo, path, name))
    except ValueError as error:
        raise BadInput(f"{path} of {name} is not valid JSON: {error}.") from error
    return values


def _read_params(repo: Repo, name: str) -> dict[str, Any]:
    """The params that mattered. An older revision had another schema, so they are not checked."""
    source = f"{name}:params.yaml"
    values: dict[str, Any] = parse_yaml(_read_text(repo, "params.yaml", name), source)
    try:
        model = values["train"]["model"]
        return values | {"models": {model: values["models"][model]}}
    except (KeyError, TypeError) as error:
        raise BadInput(
            f"{source} has no train.model with a section of its own under models."
        ) from error


def _read_text(repo: Repo, path: str, name: str) -> str:
    location = repo.fs.join(repo.root_dir, *path.split("/"))
    try:
        with repo.fs.open(location, "r", encoding="utf-8") as file:
            text: str = file.read()
    except FileNotFoundError as error:
        raise BadInput(f"{name} has no {path}: `dvc repro` makes it, and git keeps it.") from error
    return text


def _open_out(repo: Repo, path: str, name: str) -> IO[bytes]:
    try:
        file: IO[bytes] = repo.dvcfs.open(path, "rb")
    except (OSError, DvcException, DataIndexDirError) as error:
        command = f"`dvc pull` in a checkout of {name}, or `dvc repro` there,"
        if name == WORKSPACE:
            command = "`dvc repro`"
        raise NotCached(f"{path} of {name} is not on this machine: {command} brings it.") from error
    return file
