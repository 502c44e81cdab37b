"""Run one stage: `python -m stages STAGE`, as dvc.yaml calls it.

What must happen before a stage imports anything else stands here: see that the right Python runs,
set the environment, and read the code and the params as they are now.
"""

import importlib.util
import os
import sys
from importlib import import_module
from pathlib import Path

from digits.common.environment import main_repository, set_environment

ROOT = Path(__file__).resolve().parent.parent


def main(*arguments: str) -> None:
    """Run the stage that the only argument names, from its inputs to its outs."""
    stages = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
    if len(arguments) != 1 or arguments[0] not in stages:
        given = " ".join(arguments) or "nothing"
        sys.exit(f"stages: {given} was given, allowed is one of {', '.join(stages)}.")
    (name,) = arguments
    _require_packages()
    set_environment()
    from stages.runner.guard import Snapshot

    snapshot = Snapshot.take(ROOT)
    from stages.runner.run import run

    run(name, lambda: getattr(import_module(f"stages.{name}"), name), snapshot)


def _require_packages() -> None:
    """Go on with the environment's own Python, if this one lacks the project's packages.

    With `.venv/bin/dvc repro`, without activating, the `python` that DVC calls is another one.
    """
    if importlib.util.find_spec("pydantic") and importlib.util.find_spec("sklearn"):
        return
    python = main_repository(ROOT) / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606
    sys.exit(
        f"{sys.executable} lacks this project's packages: run `make repro`, or activate the "
        "environment (`. .venv/bin/activate`, on Windows `.venv\\Scripts\\activate`) and run "
        "`dvc repro` again."
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
