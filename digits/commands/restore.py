"""`python -m digits restore`: bring a run's code, params and results back into the workspace."""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from digits.commands.runs import mlflow_errors_as_bad_input, open_runs
from digits.common.errors import BadInput
from digits.experiments.git import ROOT, head_commit, run_git

if TYPE_CHECKING:
    from mlflow.entities import Run

    from digits.tracking.store import Store

HELP = "bring a run's code, params and results back into the workspace"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("run_name", metavar="RUN", help="a run's id or name in MLflow")


def run(arguments: argparse.Namespace) -> None:
    """Restore, and print what was done."""
    with mlflow_errors_as_bad_input():
        print(restore(ROOT, open_runs(), arguments.run_name))


def restore(root: Path, store: "Store", name: str) -> str:
    """Check out a run's commit, apply what was not committed, and have DVC check out the data.

    The branch stays as it is: HEAD is detached.

    Parameters
    ----------
    root : Path
        The repository.
    store : Store
        Where its runs are.
    name : str
        A run's id or name.

    Returns
    -------
    str
        A sentence on what was done.

    Raises
    ------
    BadInput
        When there are changes that are not committed, when there is no such run, or when git does
        not have its commit; then nothing has been changed.
    """
    from digits.experiments.provenance import EXPERIMENT_PATHS
    from digits.experiments.queue import run_dvc
    from digits.tracking.registry import find_run

    run = find_run(store, name)
    commit = run.data.tags.get("mlflow.source.git.commit", "")
    status = ["status", "--porcelain"]
    changed = run_git(root, *status, "--untracked-files=no")
    changed += run_git(root, *status, "--", *EXPERIMENT_PATHS)
    if first := changed.split("\n")[0].strip():
        raise BadInput(
            f"there are changes that are not committed ({first}, ...): "
            "commit or `git stash -u` them first."
        )
    with TemporaryDirectory() as temporary:
        artifacts = Path(store.client.download_artifacts(run.info.run_id, "", temporary))
        if not (artifacts / "project" / "dvc.lock").exists() or not commit:
            missing = "dvc.lock" if commit else "its commit"
            raise BadInput(f"the run {run.info.run_name} is not complete: it lacks {missing}.")
        if is_elsewhere := commit != head_commit(root):
            run_git(root, "switch", "--quiet", "--detach", commit)
        try:
            _restore_files(root, artifacts, _is_dirty(run))
        except BadInput:  # git did not take the patch, nor any part of it
            if is_elsewhere:
                run_git(root, "checkout", "--quiet", "-")
            raise
    run_dvc(root, "checkout", "--force", "--quiet")
    beyond = ", with what was not committed then" if _is_dirty(run) else ""
    return f"The workspace is that of the run {run.info.run_name}, commit {commit[:7]}{beyond}."


def _restore_files(root: Path, artifacts: Path, is_dirty: bool) -> None:
    """Apply what was not committed, and bring back the results that git keeps."""
    from digits.common.files import remove, replace

    # A patch in a run that is not dirty was logged before a kill, then committed.
    if is_dirty and (patch := artifacts / "project" / "uncommitted.diff").exists():
        run_git(root, "apply", "--whitespace=nowarn", str(patch))
    for source, target in _kept_by_git(artifacts):
        new = root / f"{target}.new"
        remove(new)
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(artifacts / source, new)
        replace(new, root / target)


def _kept_by_git(artifacts: Path) -> list[tuple[str, str]]:
    """Artifacts and their places in the workspace: params.yaml, dvc.lock, and what that names."""
    from digits.common.dvc_yaml import parse_yaml

    text = (artifacts / "project" / "dvc.lock").read_text(encoding="utf-8")
    stages = parse_yaml(text, "dvc.lock")["stages"].values()
    outs = [out["path"] for stage in stages for out in stage["outs"]]
    places = [("project/params.yaml", "params.yaml"), ("project/dvc.lock", "dvc.lock")]
    for path in outs:
        artifact = path.removeprefix("plots/") if path == "plots/pictures" else path
        if path.split("/")[0] in ("metrics", "plots") and (artifacts / artifact).exists():
            places.append((artifact, path))
    return places


def _is_dirty(run: "Run") -> bool:
    return run.data.tags.get("dirty") == "true"
