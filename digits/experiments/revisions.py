"""What a revision of this repository came to: its params, its metrics and what it said of each image, read by git and DVC."""

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
from digits.experiments.git import list_experiments
from digits.metrics.predictions import Predictions, load

WORKSPACE = "workspace"


class NotCached(BadInput):
    """The revision exists, but the files that it made are not on this machine."""

    exit_code = 3


class NoSuchRevision(BadInput):
    """Neither git nor DVC knows the name."""


FOLDERS = {"test": "data/predictions", "validation": "models/validation"}


@dataclass(frozen=True)
class Revision:
    """One revision: as it was named, the params that mattered (nested), the metrics of one part, and its predictions there."""

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    predictions: Predictions


def read_revision(root: Path, name: str, part: Literal["test", "validation"] = "test") -> Revision:
    """Read a branch, tag, commit, DVC experiment, or `workspace`, without checking it out.

    Raises NoSuchRevision; BadInput when it has no results, or in another form; NotCached when its predictions are neither in DVC's
    cache nor on the remote.
    """
    with _opened(root, name) as repo:
        metrics = _metrics(repo, name, part)
        if metrics.get("n") == 0:
            raise BadInput(f"{name} was not validated: its train.validate is none.")
        return Revision(
            name,
            _params(repo, name),
            metrics,
            load(lambda file: _open(repo, f"{FOLDERS[part]}/{file}", name)),
        )


def read_array(root: Path, name: str, path: str) -> NDArray:
    """An .npy file that DVC tracks, as it was in a revision. Raises as `read_revision`."""
    with _opened(root, name) as repo, _open(repo, path, name) as file:
        array: NDArray = np.lib.format.read_array(file, allow_pickle=False)
        return array


def read_metrics(root: Path, name: str, part: Literal["test", "validation"]) -> dict[str, Any]:
    """The metrics of one part of a revision, which git has. Raises BadInput when there are none."""
    with _opened(root, name) as repo:
        return _metrics(repo, name, part)


def read_hash(root: Path, name: str, path: str) -> str:
    """DVC's hash of one of a revision's outs. Raises BadInput when its dvc.lock has none."""
    with _opened(root, name) as repo:
        lock = parse_yaml(_text(repo, "dvc.lock", name), f"{name}:dvc.lock")
    outs = [
        out
        for stage in lock.get("stages", {}).values()
        for out in stage.get("outs", [])
        if out["path"] == path
    ]
    if not outs:
        raise BadInput(f"{name}:dvc.lock knows nothing of {path}: `dvc repro` there makes it.")
    return str(outs[0]["md5"])


def experiment_names(root: Path) -> list[str]:
    """This repository's DVC experiments, the newest first; of equal names, the short commits."""
    check_repository(root)
    experiments = list_experiments(root)
    times_used = Counter(experiment.name for experiment in experiments)
    return [
        experiment.name if times_used[experiment.name] == 1 else experiment.short_commit
        for experiment in experiments
    ]


def check_repository(root: Path) -> None:
    """Raises BadInput when the project is no git repository, as after a download of its files alone."""
    if not (root / ".git").exists():
        raise BadInput(
            f"{root} is no git repository, in which revisions and experiments are: `git clone` it."
        )


@contextmanager
def _opened(root: Path, name: str) -> Iterator[Repo]:
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
            f"{name} is no revision here: allowed are {WORKSPACE}, branches, tags, commits and DVC experiments (`dvc exp show`)."
        ) from error
    except NotDvcRepoError as error:
        raise BadInput(f"{name} has no DVC pipeline: {error}.") from error


def _metrics(repo: Repo, name: str, part: str) -> dict[str, Any]:
    path = f"metrics/{part}.json"
    try:
        values: dict[str, Any] = json.loads(_text(repo, path, name))
    except ValueError as error:
        raise BadInput(f"{path} of {name} is not valid JSON: {error}.") from error
    return values


def _params(repo: Repo, name: str) -> dict[str, Any]:
    """The params that mattered: of `models`, the chosen one. Not validated, since the schema of an older revision was another."""
    values: dict[str, Any] = parse_yaml(_text(repo, "params.yaml", name), f"{name}:params.yaml")
    try:
        model = values["train"]["model"]
        return values | {"models": {model: values["models"][model]}}
    except (KeyError, TypeError) as error:
        raise BadInput(
            f"{name}:params.yaml has no train.model with a section of its own under models."
        ) from error


def _text(repo: Repo, path: str, name: str) -> str:
    try:
        with repo.fs.open(
            repo.fs.join(repo.root_dir, *path.split("/")), "r", encoding="utf-8"
        ) as file:
            text: str = file.read()
    except FileNotFoundError as error:
        raise BadInput(f"{name} has no {path}: `dvc repro` makes it, and git keeps it.") from error
    return text


def _open(repo: Repo, path: str, name: str) -> IO[bytes]:
    get_it = (
        "`dvc repro`"
        if name == WORKSPACE
        else f"`dvc pull` in a checkout of {name}, or `dvc repro` there,"
    )
    try:
        file: IO[bytes] = repo.dvcfs.open(path, "rb")
    except (OSError, DvcException, DataIndexDirError) as error:
        raise NotCached(f"{path} of {name} is not on this machine: {get_it} brings it.") from error
    return file
