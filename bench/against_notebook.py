"""The ladder's rung knn-shifts, from augment to evaluate, against the same by a notebook's code.

`python -m bench.against_notebook [ROUNDS]` runs both in turn and prints medians of the wall time
and of the peak memory: the resident memory of all processes together, DVC's own included. The
machine should have nothing else to do.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from dvc.utils.serialize import dumps_yaml

from digits.experiments.git import ROOT
from digits.experiments.ladder import choose_rungs, read_ladder
from digits.params.nested import with_overrides

DVC_REPRO = [sys.executable, "-m", "dvc", "repro", "--quiet"]


def measure(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; its seconds, and the most GiB that it and its children held at a time."""
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    started, peak = time.monotonic(), 0
    process = psutil.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        held = 0
        for each in [process, *process.children(recursive=True)]:
            try:
                held += each.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, held)
        time.sleep(0.02)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return time.monotonic() - started, peak / 2**30


def clone_with_rung(folder: Path) -> None:
    """Clone this repository, set its params to the rung's, and run the stages that both need.

    A notebook scores the test images as they are: the pipeline does not move and turn them here.
    """
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    ladder = read_ladder(ROOT / "ladder.yaml")
    rung = choose_rungs(ladder, "knn-shifts")[0].set | {"evaluate.robustness.images": 0}
    values = with_overrides(ladder.base, rung)
    (folder / "params.yaml").write_text(dumps_yaml(values), encoding="utf-8")
    measure([*DVC_REPRO, "split"], folder)


def main(rounds: int = 3) -> None:
    """Print the table."""
    seconds: dict[str, list[float]] = {"notebook": [], "pipeline": []}
    gib: dict[str, list[float]] = {"notebook": [], "pipeline": []}
    with tempfile.TemporaryDirectory(dir=ROOT.parent) as temporary:
        clone = Path(temporary, "clone")
        clone_with_rung(clone)
        notebook = [str(ROOT / "bench" / "notebook_way.py"), str(clone / "data" / "raw")]
        commands = {
            "notebook": [sys.executable, *notebook],
            "pipeline": [*DVC_REPRO, "--force", "--single-item", "augment", "train", "evaluate"],
        }
        for number in range(rounds):
            for path in ("data/augmented", "models", "metrics"):
                shutil.rmtree(clone / path, ignore_errors=True)
            for name, command in commands.items():
                took, held = measure(command, clone)
                seconds[name].append(took)
                gib[name].append(held)
                print(f"round {number + 1}: {name:8} {took:6.1f} s {held:6.2f} GiB", flush=True)
        metrics = json.loads((clone / "metrics" / "test.json").read_text(encoding="utf-8"))
    for name in commands:
        time_median, memory_median = map(statistics.median, (seconds[name], gib[name]))
        print(f"median:  {name:8} {time_median:6.1f} s {memory_median:6.2f} GiB")
    print(
        f"pipeline / notebook: {median_ratio(seconds):.2f} of the time, "
        f"{median_ratio(gib):.2f} of the memory; test accuracy {metrics['accuracy']}"
    )


def median_ratio(measured: dict[str, list[float]]) -> float:
    """The median over the rounds of pipeline / notebook."""
    pairs = zip(measured["notebook"], measured["pipeline"], strict=True)
    return statistics.median(pipeline / notebook for notebook, pipeline in pairs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
