"""The DVC experiments of the ladder's rungs: finding them, queueing what is missing, their results.

An experiment is a commit. It is a rung's when it has the rung's name and params, and when its code
is the code of the working tree, as far as the result depends on it.
"""

import logging
from pathlib import Path
from typing import Any

from digits.common.errors import BadInput
from digits.experiments.cluster import run_queued
from digits.experiments.code import check_experiments_can_run, code_dependencies, select_code
from digits.experiments.git import (
    baseline_ref,
    changed_files,
    head_commit,
    list_experiments,
    read_file,
    run_git,
)
from digits.experiments.ladder import Ladder, Rung, dvc_overrides, rung_params
from digits.experiments.lock import Part
from digits.experiments.queue import queue_experiment, read_queue
from digits.experiments.repository import open_repo
from digits.experiments.revisions import open_result
from digits.params.nested import flatten
from digits.params.schema import parse_params

log = logging.getLogger(__name__)

PARTS: tuple[Part, ...] = ("validation", "test")


def find_experiments(root: Path, ladder: Ladder) -> dict[str, str]:
    """The commits of the rungs' experiments, by the rung's name.

    Of several experiments the newest one with the rung's params and today's code. A rung without
    such an experiment is left out.
    """
    params = {rung.name: rung_params(ladder, rung).effective() for rung in ladder.rungs}
    code = code_dependencies(root)
    commits: dict[str, str] = {}
    for experiment in list_experiments(root):
        name, commit = experiment.name, experiment.commit
        if (
            name in params
            and name not in commits
            and _read_params(root, commit) == params[name]
            and not select_code(changed_files(root, commit, code))
        ):
            commits[name] = commit
    return commits


def _read_params(root: Path, commit: str) -> dict[str, Any] | None:
    """The params that mattered; None of an experiment from before there were such params."""
    try:
        return parse_params(read_file(root, commit, "params.yaml")).effective()
    except BadInput:
        return None


def run_rungs(root: Path, ladder: Ladder, rungs: list[Rung], jobs: int) -> None:
    """Queue rungs that have no experiment yet, and run the queue.

    Parameters
    ----------
    root : Path
        The repository.
    ladder : Ladder
        All rungs.
    rungs : list of Rung
        Those to run. An experiment of one that is outdated and begins at HEAD is removed, and how
        to bring it back is logged: DVC has one of a name for each commit, and its `--force` would
        run all stages.
    jobs : int
        How many experiments run at a time.

    Raises
    ------
    BadInput
        As `check_experiments_can_run` and `run_queued`.
    """
    check_experiments_can_run(root)
    queued = read_queue(root).left.values()
    with open_repo(root) as repo:
        for rung in rungs:
            if rung.name not in queued:
                _remove_experiment(root, rung.name)
                queue_experiment(repo, rung.name, dvc_overrides(ladder, rung))
    run_queued(root, jobs)


def _remove_experiment(root: Path, name: str) -> None:
    """Remove the experiment of this name that begins at HEAD, if there is one."""
    head = head_commit(root)
    commits = [each.commit for each in list_experiments(root, head) if each.name == name]
    if commits:
        ref = f"{baseline_ref(head)}/{name}"
        run_git(root, "update-ref", "-d", ref)  # `dvc exp remove` might take another commit's
        log.warning(
            "the experiment %s is of other params or code and makes room: "
            "`git update-ref %s %s` brings it back",
            name,
            ref,
            commits[0],
        )


def read_results(root: Path, commit: str) -> dict[str, Any]:
    """The metrics of an experiment by name, such as `test.accuracy`. Raises BadInput."""
    with open_result(root, commit) as result:
        result.check("test")
        return flatten({part: result.read_metrics(part) for part in PARTS})
