"""Whether the files of the workspace are those of its dvc.lock."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc.stage import Stage

from digits.common import versions
from digits.common.errors import BadInput
from digits.experiments.git import list_experiments, read_file, try_git
from digits.experiments.lock import (
    LOCK,
    PARAMS,
    STAGES,
    Lock,
    NotOneResult,
    Part,
    differing_params,
    enumerate_names,
)
from digits.params.datasets import find_source

OWN = "data/own"  # of a person's own data, which DVC watches as a whole

log = logging.getLogger(__name__)


def check_workspace(repo: Repo, lock: Lock, part: Part) -> None:
    """Check that params, code and data are those that the workspace's dvc.lock names.

    What was deleted is no other result: the cache has it.

    Parameters
    ----------
    repo : Repo
        DVC's, of the workspace.
    lock : Lock
        The workspace's dvc.lock.
    part : {"test", "validation"}
        Only what this part depends on is looked at.

    Raises
    ------
    BadInput
        When params.yaml or dvc.yaml cannot be read.
    NotOneResult
        When they are not; it says which are whose, and what to do.
    """
    root = Path(repo.root_dir)
    differing = _differing(root, lock)  # before DVC reads dvc.yaml by the values of params.yaml
    try:
        stages = [repo.stage.load_one(str(root / "dvc.yaml"), name) for name in STAGES[part]]
        params = _edited_params(stages, differing)
        code = list(dict.fromkeys(_edited_inputs(root, stages, lock)))
        outs = [out for stage in stages for out in stage.outs if _is_another(out)]
        others = [_describe(root, out) for out in outs]
    except DvcException as error:
        raise BadInput(f"DVC cannot tell what the workspace is: {error}.") from error
    problems = [*params]
    if code:
        problems.append(f"{enumerate_names(code)} changed since these results were made")
    if params or code:
        problems[-1] += " (`dvc repro` runs it)"
    if others:
        # Git has what dvc.lock names as long as dvc.lock is git's, too.
        by_git = "`dvc repro`" if try_git(root, "diff", "HEAD", "--", LOCK) else "`git restore`"
        commands = {"`dvc checkout`" if out.use_cache else by_git for out in outs}
        how = " and ".join(sorted(commands))
        problems.append(f"{enumerate_names(others)} ({how} brings what {LOCK} names)")
    if problems:
        raise NotOneResult(f"the workspace is not one result: {'; '.join(problems)}.")
    _warn_of_versions(root)


def _warn_of_versions(root: Path) -> None:
    """Say that the model is not by the libraries that requirements.lock pins, if it is not."""
    made_by = versions.read_versions(root / "models" / "versions.json")
    pinned = versions.pinned_versions((root / versions.LOCK).read_text(encoding="utf-8"))
    if others := versions.other_versions(made_by, pinned, "pinned"):
        log.warning(
            "the model is by %s: `make repro` installs what %s pins, "
            "`dvc repro -f train` makes the model anew",
            ", ".join(others),
            versions.LOCK,
        )


def _differing(root: Path, lock: Lock) -> dict[str, str]:
    """What params.yaml says otherwise than the params that were used, by their names."""
    file = root / PARAMS
    if not file.is_file():
        raise BadInput(f"{PARAMS} is missing: `git checkout {PARAMS}` brings it back.")
    return differing_params(lock, file.read_bytes())


def _edited_params(stages: list[Stage], differing: dict[str, str]) -> list[str]:
    """Those of them that the stages depend on."""
    changed = {
        key
        for stage in stages
        for dep in stage.deps
        if isinstance(dep, ParamsDependency)
        for keys in dep.workspace_status().values()
        for key in (keys if isinstance(keys, dict) else dep.params)
    }
    if not changed:
        return []
    clauses = [
        clause
        for name, clause in differing.items()
        if any(name == key or name.startswith(f"{key}.") for key in changed)
    ]
    return [enumerate_names(clauses or [f"{PARAMS} changed since these results were made"])]


def _edited_inputs(root: Path, stages: list[Stage], lock: Lock) -> Iterator[str]:
    """The code and the data of one's own that changed since the stages ran."""
    fetched = [find_source(str(value)) for value in lock.params()["fetch"].values()]
    reads_own = any(source.takes_folder for source, _ in filter(None, fetched))
    made = {out.fs_path for stage in stages for out in stage.outs}
    for stage in stages:
        if stage.changed_stage():
            yield f"the command of {stage.name} in dvc.yaml"
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency) or dep.fs_path in made:
                continue
            path = _path(root, dep)
            if (reads_own or path != OWN) and dep.workspace_status():
                yield path


def _is_another(out: Output) -> bool:
    """Whether a file or folder is there, but not the one that dvc.lock names."""
    return out.exists and bool(out.workspace_status())


def _describe(root: Path, out: Output) -> str:
    """Whose an out of the workspace is."""
    path = _path(root, out)
    owner = _find_owner(root, path, str(out.get_hash().value))
    return f"{path} is that of {owner}" if owner else f"{path} was changed by hand"


def _find_owner(root: Path, path: str, md5: str) -> str:
    """A branch or an experiment whose result has an out with this hash; nothing if none has it."""
    branches = try_git(root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads").split()
    names = {f"refs/heads/{branch}": branch for branch in branches}
    if names:
        names |= {each.commit: each.name for each in list_experiments(root)}
        found = try_git(root, "grep", "-l", "-F", md5, *names, "--", LOCK).splitlines()
        for revision in (line.rpartition(":")[0] for line in found):
            with suppress(BadInput):
                lock = Lock.parse(read_file(root, revision, LOCK), names[revision])
                if lock.hashes().get(path) == md5:
                    return lock.owner
    return ""


def _path(root: Path, entry: Output) -> str:
    return Path(entry.fs_path).relative_to(root).as_posix()
