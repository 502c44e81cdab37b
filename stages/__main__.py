"""Run one stage: `python -m stages STAGE`, as dvc.yaml calls it.

What must happen before a stage imports anything else stands here: see that the right Python runs,
set the environment, and read the code and the params as they are now.
"""

import importlib.util
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What stages import: an environment that lacks one is not this project's.
PACKAGES = (
    "dvc", "filelock", "joblib", "matplotlib", "mlflow", "numpy", "PIL", "platformdirs", "psutil",
    "pydantic", "ruamel", "scipy", "skops", "sklearn", "sqlalchemy", "threadpoolctl", "tqdm",
)  # fmt: skip


def main(*arguments: str) -> None:
    """Run the stage that the only argument names, from its inputs to its outs."""
    stages = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
    if len(arguments) != 1 or arguments[0] not in stages:
        given = " ".join(arguments) or "nothing"
        sys.exit(f"stages: {given} was given, allowed is one of {', '.join(stages)}.")
    (name,) = arguments
    try:
        from digits.common.environment import main_repository, set_environment

        _require_packages(main_repository(ROOT))
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


def _require_packages(repository: Path) -> None:
    """Go on with the environment's own Python, if this one lacks any of the project's packages.

    With `.venv/bin/dvc repro`, without activating, the `python` that DVC calls is another one.
    """
    missing = [name for name in PACKAGES if not importlib.util.find_spec(name)]
    if not missing:
        return
    python = repository / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606
    sys.exit(
        f"{sys.executable} lacks this project's packages ({', '.join(missing)}): run `make repro`, "
        "or activate the environment (`. .venv/bin/activate`, on Windows "
        "`.venv\\Scripts\\activate`) and run `dvc repro` again; `dvc checkout` brings the former "
        "results back."
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
