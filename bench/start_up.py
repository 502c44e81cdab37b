"""What the pipeline costs beside its work: seconds of `dvc repro` on scikit-learn's small digits.

`python -m bench.start_up [COMMIT]` measures the last commit and, side by side, another one. Each
is cloned, set to k-nearest neighbours on digits_8x8, and run five times: from nothing; with nothing
to do; and when a param is set back, so that the results come out of the run cache. Beside them
stands DVC alone, with six stages of one dependency and one out each and nothing to do.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from digits.common.dvc_yaml import parse_yaml
from digits.experiments.git import ROOT
from digits.params.nested import with_overrides

RUNS = 5
SETTINGS = {
    "fetch.dataset": "digits_8x8",
    "augment.shifts": [[-1, 0], [1, 0], [0, -1], [0, 1]],
    "augment.elastic.copies": 0,
    "train.model": "knn",
    "train.features": "pixels",
    "train.scale": "none",
    "train.components": 0,
    "train.copies": "all",
}


class Clone:
    """A commit of this project in a folder of its own, set to a small experiment."""

    def __init__(self, folder: Path, commit: str) -> None:
        self.folder = folder
        run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(folder)], folder.parent)
        run(["git", "checkout", "--quiet", commit], folder)
        self._write_params({})

    def from_nothing(self) -> float:
        """Seconds of all six stages: no cache, no results, no MLflow store."""
        for name in (".dvc/cache", ".dvc/tmp", ".mlflow", "data/raw", "data/split", "models"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / "dvc.lock").unlink(missing_ok=True)
        return self._repro()

    def nothing_to_do(self) -> float:
        """Seconds when all is up to date."""
        return self._repro()

    def set_back(self) -> float:
        """Seconds to restore all results of params that were run before."""
        self._write_params({"train.seed": 1})
        self._repro()
        self._write_params({})
        return self._repro()

    def _write_params(self, overrides: dict[str, int]) -> None:
        from dvc.utils.serialize import dumps_yaml

        text = run(["git", "show", "HEAD:params.yaml"], self.folder)
        params = with_overrides(parse_yaml(text, "params.yaml"), SETTINGS | overrides)
        (self.folder / "params.yaml").write_text(dumps_yaml(params), encoding="utf-8")

    def _repro(self) -> float:
        return timed(self.folder)


class SixStages:
    """DVC alone: six stages of one dependency and one out each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        run(["git", "init", "--quiet"], folder)
        run([sys.executable, "-m", "dvc", "init", "--quiet"], folder)
        (folder / "file0").write_bytes(b"")
        stages = [
            f"  stage{n}:\n    cmd: touch file{n + 1}\n    deps: [file{n}]\n    outs: [file{n + 1}]"
            for n in range(6)
        ]
        (folder / "dvc.yaml").write_text("\n".join(["stages:", *stages, ""]), encoding="utf-8")
        timed(folder)

    def nothing_to_do(self) -> float:
        """Seconds when all is up to date."""
        return timed(self.folder)


def timed(folder: Path) -> float:
    """Seconds that `dvc repro` takes in a folder."""
    started = time.perf_counter()
    run([sys.executable, "-m", "dvc", "repro"], folder)
    return time.perf_counter() - started


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command in a folder, and return what it prints."""
    python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": python, "DVC_NO_ANALYTICS": "1"} | variables
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed in {folder}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(commit: str = "") -> None:
    """Measure, and print the medians."""
    with TemporaryDirectory() as temporary:
        clones = {"HEAD": Clone(Path(temporary) / "head", "HEAD")}
        if commit:
            clones[commit] = Clone(Path(temporary) / "other", commit)
        six = SixStages(Path(temporary) / "six")
        works: dict[tuple[str, str], Callable[[], float]] = {}
        for name, clone in clones.items():
            works["from nothing", name] = clone.from_nothing
        for name, clone in clones.items():
            works["nothing to do", name] = clone.nothing_to_do
        works["nothing to do", "six empty stages"] = six.nothing_to_do
        for name, clone in clones.items():
            works["a param set back", name] = clone.set_back
        seconds: dict[tuple[str, str], list[float]] = {work: [] for work in works}
        for _ in range(RUNS):
            for work, measure in works.items():
                seconds[work].append(measure())
    for (what, name), values in seconds.items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{what:18} {name:18} {median(values):6.2f} s  ({spread})")


if __name__ == "__main__":
    main(*sys.argv[1:])
