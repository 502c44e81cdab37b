"""Environment variables: what NumPy, OpenBLAS and MLflow read, and what DVC says."""

import gc
import getpass
import importlib.util
import os
import sys
from pathlib import Path

# Seconds without an answer of an MLflow server: MLflow's own limits would hang for minutes.
HTTP_TIMEOUT = "5"

# An environment variable that names those that `set_environment` set, also for processes that are
# started by this one: to them they look as if a person had set them.
DEFAULTS = "DIGITS_DEFAULTS"

MLFLOW = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": HTTP_TIMEOUT,
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

# What the project imports: an environment that lacks one is not this project's.
PACKAGES = (
    "dvc", "filelock", "joblib", "matplotlib", "mlflow", "numpy", "PIL", "platformdirs", "psutil",
    "pydantic", "ruamel.yaml", "scipy", "skops", "sklearn", "sqlalchemy", "threadpoolctl", "tqdm",
)  # fmt: skip

_CPU_INFO = Path("/proc/cpuinfo")


def set_environment() -> None:
    """Set what is not set yet. Call this before NumPy or MLflow is imported.

    Left alone, OpenBLAS and NumPy each take the routines of the newest processor that they find.
    Those round differently: the same commit would make another model on another machine, and
    another dvc.lock. The routines for AVX2 run on nearly every x86-64 processor since 2013. Only
    Linux tells without a library what its processor can do.
    """
    settings = MLFLOW | {"GIT_PYTHON_REFRESH": "quiet"}  # MLflow's GitPython, where there is no git
    if _CPU_INFO.exists() and " avx2 " in _CPU_INFO.read_text(encoding="utf-8"):
        settings["OPENBLAS_CORETYPE"] = "Haswell"
        if "NPY_DISABLE_CPU_FEATURES" not in os.environ:  # NumPy takes one or the other
            settings["NPY_ENABLE_CPU_FEATURES"] = "X86_V3"
    try:
        Path.home()
    except RuntimeError:  # a user that the machine does not know, as in a container: DVC would fail
        settings["HOME"] = "/"
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        settings["LOGNAME"] = "unknown"
    # Libraries make some 300,000 objects while they are imported. By default Python looks through
    # them 740 times for what can be freed, which is a tenth of the time that a command takes to
    # start.
    gc.set_threshold(10_000)
    defaults = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(defaults)
    os.environ[DEFAULTS] = " ".join([*os.environ.get(DEFAULTS, "").split(), *defaults])


def require_packages(root: Path) -> None:
    """Go on with the environment's own Python, if this one lacks any of the project's packages.

    With `.venv/bin/dvc repro`, without activating, the `python` that DVC calls is another one; so
    is that of another environment which is first on the path.

    Parameters
    ----------
    root : Path
        The project, or DVC's temporary copy of it.

    Raises
    ------
    SystemExit
        Where there is no `.venv`, or it lacks packages too; the sentence says which.
    """
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if not missing:
        return
    python = main_repository(root) / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606
    sys.exit(
        f"{sys.executable} lacks this project's packages ({', '.join(missing)}): run `make repro`, "
        "or activate the environment (`. .venv/bin/activate`, on Windows "
        "`.venv\\Scripts\\activate`) and try again; after a `dvc repro` that ended so, "
        "`dvc checkout` brings the former results back."
    )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def main_repository(root: Path) -> Path:
    """The project that a stage works for, which stands in a copy if DVC runs an experiment.

    Parameters
    ----------
    root : Path
        Where the stage is: the project, or DVC's temporary copy of it.
    """
    # Not by DVC_ROOT: DVC leaves it to what a stage starts, so it may be of a pipeline around this.
    here = root.resolve()
    for copies in here.parents:
        if copies.parts[-3:] == (".dvc", "tmp", "exps"):
            main, below = copies.parents[2], here.relative_to(copies).parts
            around = [main.joinpath(*below[first:]) for first in range(1, len(below))]
            return next((folder for folder in around if (folder / "stages").is_dir()), main)
    return root


def is_default(name: str) -> bool:
    """Whether `set_environment` chose the value of an environment variable, and not a person."""
    return name in os.environ.get(DEFAULTS, "").split()
