"""The code that an experiment is run with: what it depends on, and whether it can run here."""

import re
from pathlib import Path

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.versions import LOCK
from digits.experiments.git import untracked_files

# Whatever stages may import, also what only observes them.
_CODE = ("stages", "digits")


def code_dependencies(root: Path) -> list[str]:
    """The files and folders that a result depends on, by dvc.yaml.

    Those of `track` are not among them, since it only reports. Data is, but holds no modules.
    """
    path = root / "dvc.yaml"
    stages = parse_yaml(path.read_text(encoding="utf-8"), path.name)["stages"]
    deps = (dep for name, stage in stages.items() if name != "track" for dep in stage["deps"])
    return list(dict.fromkeys(deps))


def select_code(paths: list[str]) -> list[str]:
    """Those of the files that DVC takes for code: *.py, but no hidden ones, and the libraries."""
    return [
        path
        for path in paths
        if path == LOCK.as_posix()
        or (path.endswith(".py") and not any(part.startswith(".") for part in path.split("/")))
    ]


def check_experiments_can_run(root: Path) -> None:
    """Check what DVC would find out late, or not say, when it runs experiments in copies.

    Raises
    ------
    BadInput
        When a module is not in git, so that an experiment lacks it; when the repository's path has
        what DVC 3.67 reads as something else in the paths of its experiments: then it fails, or
        says that an experiment ended well, and it is lost.
    """
    if odd := sorted(set(re.findall(r"[^\x20-\x7e]|#|%[0-9A-Fa-f]{2}", str(root.resolve())))):
        raise BadInput(
            f"{root.resolve()} has {' '.join(odd)} in its path, with which DVC cannot run "
            "experiments in copies (`--queue`, `--temp`): move the repository, or use "
            "`dvc exp run` without them."
        )
    if new := select_code(untracked_files(root, _CODE)):
        files = " ".join(new)
        raise BadInput(
            f"{', '.join(new)} would be missing in an experiment, as git does not know it: "
            f"`git add -N {files}`, and queue again what was queued without it."
        )
