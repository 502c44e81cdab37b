"""Run one stage: `python -m stages STAGE`, as dvc.yaml calls it.

What must happen before a stage imports anything else stands here: see that the right Python runs,
set the environment, and read the code and the params as they are now.
"""

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(*arguments: str) -> None:
    """Run the stage that the only argument names, from its inputs to its outs."""
    stages = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
    if len(arguments) != 1 or arguments[0] not in stages:
        given = " ".join(arguments) or "nothing"
        sys.exit(f"stages: {given} was given, allowed is one of {', '.join(stages)}.")
    (name,) = arguments
    try:
        from digits.common.environment import require_packages, set_environment

        require_packages(ROOT)
        set_environment()
        from stages.runner.guard import Snapshot

        snapshot = Snapshot.take(ROOT)
        from stages.runner.run import run
    except BaseException:  # as a mistake in the code; DVC has deleted the outs already
        from stages.runner.outs import restore_outs

        with suppress(ImportError):  # of DVC itself
            restore_outs(name)
        raise
    run(name, lambda: getattr(import_module(f"stages.{name}"), name), snapshot)


if __name__ == "__main__":
    main(*sys.argv[1:])
