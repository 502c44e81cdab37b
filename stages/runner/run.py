"""Run a stage: validate params first, publish outs last, say in one sentence what is wrong."""

import gc
import logging
import os
import sys
from collections.abc import Callable

from digits.common.errors import BadInput
from digits.common.files import why_not_written
from digits.common.garbage import without_garbage
from digits.common.locks import hold
from digits.common.versions import LOCK, unpinned_versions
from digits.params.schema import Params, parse_params
from stages.runner.guard import PARAMS, Guard, Snapshot
from stages.runner.outs import restore_outs
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
    dvc = snapshot.root / ".dvc"
    if not dvc.is_dir():
        sys.exit(
            f"{name}: {dvc} is missing, as this project is a DVC repository of its own: "
            "`git checkout .dvc` brings it back, or `dvc init --subdir` makes it."
        )
    lock = dvc / "tmp" / f"{name}.lock"
    lock.parent.mkdir(exist_ok=True)
    try:
        with hold(lock):  # another run of this stage may be just ending, as its DVC was killed
            _run(name, load, snapshot)
    except BadInput as error:  # of the lock
        restore_outs(name)
        sys.exit(f"{name}: {error}")
    gc.freeze()  # else Python looks for garbage in all that it lets go at its exit


def _run(name: str, load: Callable[[], Work], snapshot: Snapshot) -> None:
    stage: Stage | None = None
    done = False
    try:
        if PARAMS not in snapshot.files:
            raise BadInput(f"{PARAMS} is missing: `git checkout {PARAMS}` brings it back.")
        params = parse_params(snapshot.files[PARAMS], PARAMS.name)
        stage = Stage(name, Guard(name, snapshot))
        _warn_of_versions(stage.guard)
        with without_garbage():
            work = load()
        work(params, stage)
        stage.guard.check()
        stage.publish()
        done = True
    except BadInput as error:
        sys.exit(f"{name}: {error}")
    except Exception as error:  # a full disk, a folder that is read-only
        if why := why_not_written(error):
            sys.exit(f"{name}: {why}, and run `dvc repro` again.")
        raise
    finally:
        if not done:
            if stage:
                stage.discard()
            restore_outs(name)


def _warn_of_versions(guard: Guard) -> None:
    """Say that this result is not by the libraries that requirements.lock pins, if it is not."""
    if guard.depends_on(LOCK) and (others := unpinned_versions(LOCK.read_text(encoding="utf-8"))):
        log.warning(
            "this result is computed by %s, not by what %s pins: `make repro` installs that",
            ", ".join(others),
            LOCK,
        )
