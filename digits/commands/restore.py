"""`python -m digits restore RUN`: bring the code, params and results of a run in MLflow back into the workspace."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Run

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.files import remove, replace
from digits.experiments.git import head_commit, run_git
from digits.experiments.provenance import EXPERIMENT_PATHS
from digits.experiments.queue import run_dvc
from digits.tracking.registry import find_run
from digits.tracking.store import Store


def restore(root: Path, store: Store, name: str) -> str:
    """Check out the run's commit, apply what was not committed, and let DVC bring the data and the model; a sentence on it.

    The branch stays as it is: HEAD is detached. Raises BadInput, having changed nothing, when there are changes that are not
    committed, when there is no such run, or when git does not have its commit.
    """
    run = find_run(store, name)
    commit = run.data.tags.get("mlflow.source.git.commit", "")
    status = ["status", "--porcelain"]
    changed = run_git(root, *status, "--untracked-files=no") + run_git(
        root, *status, "--", *EXPERIMENT_PATHS
    )
    if first := changed.split("\n")[0].strip():
        raise BadInput(
            f"there are changes that are not committed ({first}, ...): commit or `git stash -u` them first."
        )
    with TemporaryDirectory() as temporary:
        files = Path(store.client.download_artifacts(run.info.run_id, "", temporary))
        if not (files / "project" / "dvc.lock").exists() or not commit:
            raise BadInput(
                f"the run {run.info.run_name} is not complete: it lacks {'dvc.lock' if commit else 'its commit'}."
            )
        if is_elsewhere := commit != head_commit(root):
            run_git(root, "switch", "--quiet", "--detach", commit)
        try:
            _bring(root, files, _is_dirty(run))
        except BadInput:  # git did not take the patch, nor any part of it
            if is_elsewhere:
                run_git(root, "checkout", "--quiet", "-")
            raise
    run_dvc(root, "checkout", "--force", "--quiet")
    return (
        f"The workspace is that of the run {run.info.run_name}, commit {commit[:7]}{_beyond(run)}."
    )


def _bring(root: Path, files: Path, is_dirty: bool) -> None:
    """What was not committed, and what git keeps of the results."""
    # A patch in a run that is not dirty was logged before a kill, then committed.
    if is_dirty and (patch := files / "project" / "uncommitted.diff").exists():
        run_git(root, "apply", "--whitespace=nowarn", str(patch))
    for source, target in _kept_by_git(files):
        new = root / f"{target}.new"
        remove(new)
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(files / source, new)
        replace(new, root / target)


def _kept_by_git(files: Path) -> list[tuple[str, str]]:
    """Artifacts and their places in the workspace: those that dvc.lock names, and itself."""
    stages = parse_yaml((files / "project" / "dvc.lock").read_text(encoding="utf-8"), "dvc.lock")[
        "stages"
    ].values()
    paths = [
        out["path"]
        for stage in stages
        for out in stage["outs"]
        if out["path"].split("/")[0] in ("metrics", "plots")
    ]
    kept = [
        (path.removeprefix("plots/") if path == "plots/pictures" else path, path) for path in paths
    ]
    there = [(artifact, path) for artifact, path in kept if (files / artifact).exists()]
    return [("project/params.yaml", "params.yaml"), ("project/dvc.lock", "dvc.lock"), *there]


def _beyond(run: Run) -> str:
    return ", with what was not committed then" if _is_dirty(run) else ""


def _is_dirty(run: Run) -> bool:
    return run.data.tags.get("dirty") == "true"
