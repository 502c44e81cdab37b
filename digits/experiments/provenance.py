"""Where a result came from: the commit, the DVC experiment and the hashes of its data and models.

All of it is about the current directory, as DVC runs a stage in the repository that it is of.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.git import (
    GitError,
    head_commit,
    list_experiments,
    patch_from_head,
    read_file,
    run_git,
    try_git,
)

CODE_PATHS = ("dvc.yaml", "stages", "digits")

EXPERIMENT_PATHS = ("params.yaml", *CODE_PATHS)  # what an experiment changes

# The environment variables in which DVC says which of its experiments it runs, and on what commit.
_NAME, _COMMIT = "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"


def running_experiment() -> str:
    """The DVC experiment of this repository that runs; empty when none does.

    That of another repository, whose stage has called DVC here, is not ours.
    """
    commit = os.environ.get(_COMMIT)
    if commit and not try_git(Path(), "cat-file", "-t", commit):
        return ""
    return os.environ.get(_NAME, "")


def current_experiment() -> str:
    """The DVC experiment that runs or, as after `dvc exp apply`, whose results are here.

    Returns
    -------
    str
        Its name; nothing when no experiment of HEAD has these results, or HEAD has them itself.
    """
    if name := running_experiment():
        return name
    root, lock = Path(), Path("dvc.lock")
    head = head_commit(root)
    if not head or not lock.exists():
        return ""
    results = _results(lock.read_text(encoding="utf-8"))
    if results == _results_of(root, "HEAD"):
        return ""
    for experiment in sorted(list_experiments(root, head)):
        if results == _results_of(root, experiment.commit):
            return experiment.name
    return ""


def _results_of(root: Path, revision: str) -> Any:
    try:
        return _results(read_file(root, revision, "dvc.lock"))
    except GitError:  # it has no such file
        return None


def _results(lock: str) -> Any:
    """The stages of a dvc.lock but `track`, which tells of this machine; None of a broken one."""
    try:
        stages = parse_yaml(lock, "dvc.lock")["stages"]
        return {name: stage for name, stage in stages.items() if name != "track"}
    except (BadInput, KeyError, TypeError, AttributeError):
        return None


def describe_source(experiment: str) -> dict[str, str]:
    """Tags that name the code: HEAD, the DVC experiment, and whether code or params differ.

    Parameters
    ----------
    experiment : str
        The name of the DVC experiment; empty when it is none.

    Returns
    -------
    dict of str to str
        `dirty` is true when params or code are not HEAD's, as in DVC they often are not, and
        unknown when git cannot say. Then `params_sha256`, SHA-256 of params.yaml, tells such runs
        apart.
    """
    tags = {"mlflow.source.git.commit": head_commit(Path())}
    if experiment:
        tags["dvc.experiment"] = experiment
    try:
        changed = run_git(Path(), "status", "--porcelain", "--", *EXPERIMENT_PATHS)
        tags["dirty"] = "true" if changed else "false"
    except GitError:
        tags["dirty"] = "unknown"
    if tags["dirty"] != "false" and (params := Path("params.yaml")).exists():
        tags["params_sha256"] = hashlib.sha256(params.read_bytes()).hexdigest()
    return tags


def git_refusal() -> str:
    """Why git says nothing of the repository that is here, in git's words; else empty.

    Where there is no repository, that is no refusal: DVC works without one, too.
    """
    try:
        run_git(Path(), "rev-parse", "--git-dir")
    except GitError as error:
        here = Path().absolute()
        return str(error) if any((each / ".git").exists() for each in [here, *here.parents]) else ""
    return ""


def uncommitted_patch() -> str:
    """The patch that makes HEAD's params and code into the current ones, new files included.

    It is empty when they are HEAD's, and where there is no HEAD.
    """
    try:
        return patch_from_head(Path(), EXPERIMENT_PATHS)
    except GitError:
        return ""


def locked_hashes(lock: Path) -> dict[str, str]:
    """DVC's hash of each data folder and of the models, from a dvc.lock, as tags `dvc.<path>`.

    Parameters
    ----------
    lock : Path
        The dvc.lock; where there is no such file, there are no tags.

    Raises
    ------
    BadInput
        When the file is not as DVC writes it.
    """
    if not lock.exists():
        return {}
    return parse_locked_hashes(lock.read_text(encoding="utf-8"), str(lock))


def parse_locked_hashes(text: str, source: str) -> dict[str, str]:
    """The tags of a dvc.lock's text, as `locked_hashes`; `source` is its name in errors."""
    try:
        stages = parse_yaml(text, source)["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        return {
            f"dvc.{out['path']}": out["md5"]
            for out in outs
            if out["path"].split("/")[0] in ("data", "models")
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{source} is not as DVC writes it ({error!r} is missing or wrong): "
            "`dvc repro` makes it again."
        ) from error
