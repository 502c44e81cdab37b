"""Run a stage: validate params first, publish outs last, say in one sentence what is wrong."""

import gc
import logging
import os
import sys
from collections.abc import Callable

from filelock import FileLock

from digits.common.errors import BadInput
from digits.common.garbage import without_garbage
from digits.params.schema import Params, parse_params
from stages.runner.guard import PARAMS, Guard, Snapshot
from stages.runner.process import exit_on_signals
from stages.runner.stage import Stage

log = logging.getLogger(__name__)
Work = Callable[[Params, Stage], None]


def run(name: str, load: Callable[[], Work], snapshot: Snapshot) -> None:
    """Run a stage; on bad input print the sentence and exit with 1, the former outs back in place.

    Parameters
    ----------
    name : str
        The stage's name in dvc.yaml.
    load : callable
        Imports the stage and returns its function; called when the params are valid.
    snapshot : Snapshot
        Taken before the stage imported anything.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    exit_on_signals()
    os.chdir(snapshot.root)
    lock = snapshot.root / ".dvc" / "tmp" / f"{name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # another run of this stage may be just ending, as its DVC was killed
        _run(name, load, snapshot)
    gc.freeze()  # else Python looks for garbage in all that it lets go at its exit


def _run(name: str, load: Callable[[], Work], snapshot: Snapshot) -> None:
    stage: Stage | None = None
    done = False
    try:
        if PARAMS not in snapshot.files:
            raise BadInput(f"{PARAMS} is missing: `git checkout {PARAMS}` brings it back.")
        params = parse_params(snapshot.files[PARAMS], PARAMS.name)
        stage = Stage(name, Guard(name, snapshot))
        with without_garbage():
            work = load()
        work(params, stage)
        stage.guard.check()
        stage.publish()
        done = True
    except BadInput as error:
        sys.exit(f"{name}: {error}")
    finally:
        if not done:
            if stage:
                stage.discard()
            _restore_outs(name)


def _restore_outs(name: str) -> None:
    """Bring back from DVC's cache the outs that DVC deleted before it started this stage."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            for out in repo.stage.load_one("dvc.yaml", name).outs:
                out.use_cache = True  # metrics and plots are in the cache too, for the run cache
                if out.hash_info and not out.exists and not out.changed_cache():
                    out.checkout(force=True, allow_missing=True)
    except (DvcException, OSError) as error:
        # OSError: dvc.lock names a file that this machine never had, as in a clone.
        message = "the former outs of %s are not back (%s): `dvc checkout` brings them"
        log.warning(message, name, error)
