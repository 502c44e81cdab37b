"""Where a result came from: by what a run, a commit and a DVC experiment name each other."""

import hashlib
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput

EXPERIMENT_PATHS = ("params.yaml", "dvc.yaml", "stages", "digits")

EXPERIMENT_NAME = (
    "DVC_EXP_NAME"  # the environment variable in which DVC says which of its experiments it runs
)


def experiment_here() -> str:
    """The DVC experiment that runs, or else the one of HEAD whose results are here, as after `dvc exp apply`; else nothing."""
    if name := os.environ.get(EXPERIMENT_NAME):
        return name
    head, lock = _git("rev-parse", "HEAD").strip(), Path("dvc.lock")
    if not head or not lock.exists():
        return ""
    here = _results(lock.read_text(encoding="utf-8"))
    names = _git("for-each-ref", "--format=%(refname)", f"refs/exps/{head[:2]}/{head[2:]}").split()
    for revision in ["HEAD", *names]:
        if _results(_git("show", f"{revision}:./dvc.lock")) == here:
            return "" if revision == "HEAD" else revision.rpartition("/")[2]
    return ""


def _results(lock: str) -> Any:
    """What a dvc.lock says but of `track`, which tells of this machine alone; of a broken one, nothing."""
    try:
        return {
            name: stage
            for name, stage in parse_yaml(lock, "dvc.lock")["stages"].items()
            if name != "track"
        }
    except (BadInput, KeyError, TypeError, AttributeError):
        return None


def run_name(experiment: str) -> str:
    """The DVC experiment's name, else branch and short commit."""
    if experiment:
        return experiment
    branch, commit = (
        _git("rev-parse", "--abbrev-ref", "HEAD").strip(),
        _git("rev-parse", "--short", "HEAD").strip(),
    )
    return f"{branch}-{commit}" if commit else "no-commit"


def describe_source(experiment: str) -> dict[str, str]:
    """Tags that name the code: HEAD, the DVC experiment, and whether code or params differ from HEAD, as in DVC they often do.

    Where they do, `params_sha256` tells such runs apart: SHA-256 of params.yaml.
    """
    tags = {"mlflow.source.git.commit": _git("rev-parse", "HEAD").strip()}
    if experiment:
        tags["dvc.experiment"] = experiment
    changed = _git("status", "--porcelain", "--", *EXPERIMENT_PATHS)
    tags["dirty"] = str(bool(changed)).lower()
    if changed and (params := Path("params.yaml")).exists():
        tags["params_sha256"] = hashlib.sha256(params.read_bytes()).hexdigest()
    return tags


def uncommitted() -> str:
    """What `git apply` makes of HEAD to get the params and the code that are here, new files too; nothing when they are HEAD's."""
    # Whatever a person's git is set to: `git apply` has to understand it.
    plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"]
    with TemporaryDirectory() as temporary:
        # `git diff` shows a new file once it is in the index: in one of our own, since the person's is theirs.
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        _git("read-tree", "HEAD", **index)
        if new := _git(
            "ls-files", "--others", "--exclude-standard", "-z", "--", *EXPERIMENT_PATHS, **index
        ).split("\0")[:-1]:
            _git("add", "--intent-to-add", "--", *new, **index)
        return _git("diff", "HEAD", "--binary", *plain, "--", *EXPERIMENT_PATHS, **index)


def locked(lock: Path) -> dict[str, str]:
    """DVC's hash of each data folder and of the models, from a dvc.lock, as tags `dvc.<path>`; none where there is no such file."""
    if not lock.exists():
        return {}
    try:
        stages = parse_yaml(lock.read_text(encoding="utf-8"), str(lock))["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        return {
            f"dvc.{out['path']}": out["md5"]
            for out in outs
            if out["path"].split("/")[0] in ("data", "models")
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{lock} is not as DVC writes it ({error!r} is missing or wrong); `dvc repro` makes it again."
        ) from error


def _git(*arguments: str, **env: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            env=os.environ | env,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, no commit yet
        return ""
    return done.stdout.decode(errors="surrogateescape")  # a patch has the bytes of its files
