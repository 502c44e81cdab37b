"""Where a result came from: by what a run, a commit and a DVC experiment name each other."""

import hashlib
import os
import subprocess
from pathlib import Path

from digits.errors import BadInput
from digits.yaml12 import parse_yaml

EXPERIMENTED_WITH = ("params.yaml", "dvc.yaml", "stages", "digits")


def run_name() -> str:
    """The DVC experiment's name, else branch and short commit."""
    if name := os.environ.get("DVC_EXP_NAME"):
        return name
    branch, commit = _git("rev-parse", "--abbrev-ref", "HEAD").strip(), _git("rev-parse", "--short", "HEAD").strip()
    return f"{branch}-{commit}" if commit else "no-commit"


def describe_source() -> dict[str, str]:
    """Tags that name the code: HEAD, the DVC experiment, and whether code or params differ from HEAD, as in DVC they often do.

    Where they do, `params_sha256` tells such runs apart: SHA-256 of params.yaml.
    """
    tags = {"mlflow.source.git.commit": _git("rev-parse", "HEAD").strip()}
    if name := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = name
    changed = _git("status", "--porcelain", "--", *EXPERIMENTED_WITH)
    tags["dirty"] = str(bool(changed)).lower()
    if changed and (params := Path("params.yaml")).exists():
        tags["params_sha256"] = hashlib.sha256(params.read_bytes()).hexdigest()
    return tags


def uncommitted() -> str:
    """What `git apply` makes of HEAD to get the params and the code that are here; nothing when they are HEAD's.

    New files that git does not know yet are not in it.
    """
    # Whatever a person's git is set to: `git apply` has to understand it.
    plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"]
    return _git("diff", "HEAD", "--binary", *plain, "--", *EXPERIMENTED_WITH)


def locked(lock: Path) -> dict[str, str]:
    """DVC's hash of each data folder and of the models, from a dvc.lock, as tags `dvc.<path>`; none where there is no such file."""
    if not lock.exists():
        return {}
    try:
        stages = parse_yaml(lock.read_text(encoding="utf-8"), str(lock))["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        return {f"dvc.{out['path']}": out["md5"] for out in outs if out["path"].split("/")[0] in ("data", "models")}
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{lock} is not as DVC writes it ({error!r} is missing or wrong); `dvc repro` makes it again.") from error


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, no commit yet
        return ""
    return done.stdout.decode(errors="surrogateescape")  # a patch has the bytes of its files
