"""One script a stage, in the order the data flows: fetch, split, augment, train, evaluate, track.

This file runs before any stage's own imports: the place to see that the right Python runs, and to read the code first.
"""

import importlib.util
import os
import sys
from pathlib import Path

import digits  # noqa: F401  # whose settings NumPy reads when a stage imports it

ROOT = Path(__file__).resolve().parent.parent

if importlib.util.find_spec("pydantic") is None or importlib.util.find_spec("sklearn") is None:
    # `.venv/bin/dvc repro` without activating: the stages' `python` is another one. Go on with the environment's own.
    _python = Path(os.environ.get("DVC_ROOT") or ROOT, ".venv", "bin", "python")
    if _python.exists() and Path(sys.prefix) != _python.parent.parent:
        os.execv(_python, [str(_python), *sys.orig_argv[1:]])  # noqa: S606
    sys.exit(
        f"{sys.executable} lacks this project's packages: run `make repro`, or activate the environment "
        "(`. .venv/bin/activate`, on Windows `.venv\\Scripts\\activate`) and run `dvc repro` again."
    )

# What the guard compares with when the stage is done (harness.py): DVC hashes dependencies only then.
_FILES = [*ROOT.glob("stages/*.py"), *ROOT.glob("digits/*.py"), ROOT / "params.yaml"]
AT_START = {path.relative_to(ROOT): path.read_bytes() for path in _FILES}
