"""`python -m digits restore`: bring a run's code, params and results back into the workspace."""

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from digits.commands.runs import mlflow_errors_as_bad_input, open_runs
from digits.common.errors import BadInput
from digits.experiments.git import ROOT, GitError, head_commit, run_git

if TYPE_CHECKING:
    from mlflow.entities import Run

    from digits.tracking.store import Store

HELP = "bring a run's code, params and results back into the workspace"
_WITH_PATCH = " with project/uncommitted.diff of the run (`git apply`)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("run_name", metavar="RUN", help="a run's id or name in MLflow")


def run(arguments: argparse.Namespace) -> None:
    """Restore, and print what was done."""
    with mlflow_errors_as_bad_input():
        print(restore(ROOT, open_runs(), arguments.run_name))


def restore(root: Path, store: "Store", name: str) -> str:
    """Check out a run's commit, apply what was not committed, and have DVC check out the data.

    The branch stays as it is: HEAD is detached, unless that commit is HEAD already.

    Parameters
    ----------
    root : Path
        The repository.
    store : Store
        Where its runs are looked for first.
    name : str
        A run's id or name.

    Returns
    -------
    str
        A sentence on what was done.

    Raises
    ------
    BadInput
        When there are changes that are not committed, when there is no such run, when git does not
        have its commit, or when DVC cannot check out its data; then nothing has been changed.
    """
    from digits.experiments.checkout import check_checkout
    from digits.experiments.lock import LOCK, Lock
    from digits.experiments.queue import run_dvc
    from digits.tracking.hashes import HASHES, check_hashes
    from digits.tracking.registry import download_files, find_run

    store, run = find_run(store, name)
    run_name, commit = run.info.run_name, run.data.tags.get("mlflow.source.git.commit", "")
    _check_nothing_is_edited(root)
    with TemporaryDirectory() as temporary:
        artifacts = download_files(store, run, Path(temporary))
        paths = [path for path in artifacts.rglob("*") if path.is_file()]
        files_of_run = {path.relative_to(artifacts).as_posix(): path for path in paths}
        check_hashes(run_name, artifacts / HASHES, files_of_run)
        lock_file = artifacts / "project" / LOCK
        if not lock_file.exists() or not commit:
            missing = LOCK if commit else "its commit"
            raise BadInput(f"the run {run_name} is not complete: it lacks {missing}.")
        hashes = Lock.parse(lock_file.read_text(encoding="utf-8"), run_name).hashes()
        patch = _find_patch(artifacts, run)
        files = _kept_by_git(artifacts, hashes)
        _check_patch(root, run_name, commit, patch)
        targets = {target for _, target in files}
        cached = {
            path: md5
            for path, md5 in hashes.items()
            if path not in targets and path.split("/")[0] in ("data", "models")
        }
        check_checkout(root, run_name, cached, _WITH_PATCH if patch else "")
        # From here on the workspace changes.
        if is_elsewhere := commit != head_commit(root):
            run_git(root, "switch", "--quiet", "--detach", commit)
        try:
            _restore_files(root, files, patch)
        except BadInput:  # git did not take the patch, nor any part of it
            if is_elsewhere:
                run_git(root, "checkout", "--quiet", "-")
            raise
    run_dvc(root, "checkout", "--force")
    beyond = ", with what was not committed then" if _is_dirty(run) else ""
    return f"The workspace is that of the run {run_name}, commit {commit[:7]}{beyond}."


def _check_nothing_is_edited(root: Path) -> None:
    from digits.experiments.provenance import EXPERIMENT_PATHS

    status = ["status", "--porcelain"]
    changed = run_git(root, *status, "--untracked-files=no")
    changed += run_git(root, *status, "--", *EXPERIMENT_PATHS)
    if first := changed.split("\n")[0].strip():
        raise BadInput(
            f"there are changes that are not committed ({first}, ...): "
            "commit or `git stash -u` them first."
        )


def _find_patch(artifacts: Path, run: "Run") -> Path | None:
    # A patch in a run that is not dirty was logged before a kill, then committed.
    patch = artifacts / "project" / "uncommitted.diff"
    return patch if _is_dirty(run) and patch.exists() else None


def _check_patch(root: Path, run_name: str, commit: str, patch: Path | None) -> None:
    """Check that git has the commit, and can apply to it what was not committed."""
    with TemporaryDirectory() as temporary:
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}  # the person's own stays
        try:
            run_git(root, "read-tree", commit, **index)
        except GitError as error:
            raise BadInput(
                f"git does not have {commit}, the commit of the run {run_name}: "
                f"`git fetch` from where it was made brings it ({error})."
            ) from error
        if patch:
            run_git(root, "apply", "--cached", "--whitespace=nowarn", str(patch), **index)


def _restore_files(root: Path, files: list[tuple[Path, str]], patch: Path | None) -> None:
    """Apply what was not committed, and bring back the results that git keeps."""
    from digits.common.files import remove, replace

    if patch:
        run_git(root, "apply", "--whitespace=nowarn", str(patch))
    for source, target in files:
        new = root / f"{target}.new"
        remove(new)
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, new)
        replace(new, root / target)


def _kept_by_git(artifacts: Path, outs: Iterable[str]) -> list[tuple[Path, str]]:
    """Artifacts and their places in the workspace: params.yaml, dvc.lock, and what that names."""
    places = [(artifacts / "project" / name, name) for name in ("params.yaml", "dvc.lock")]
    for path in outs:
        artifact = path.removeprefix("plots/") if path == "plots/pictures" else path
        if path.split("/")[0] in ("metrics", "plots") and (artifacts / artifact).exists():
            places.append((artifacts / artifact, path))
    return places


def _is_dirty(run: "Run") -> bool:
    return run.data.tags.get("dirty") == "true"
