"""The ladder's rung knn-shifts, from augment to evaluate, against the same result the notebook's way.

`python -m bench.against_notebook [ROUNDS]` runs both in turn on this machine (keep it quiet) and prints medians of the wall time
and of the peak memory, the resident memory of all processes together, DVC's own included.
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

from digits.experiments.ladder import choose_rungs, read_ladder
from digits.params.nested import with_overrides

ROOT = Path(__file__).resolve().parent.parent


def measured(command: list[str], cwd: Path) -> tuple[float, float]:
    """Run a command; its seconds, and the most GiB that it and its children held at a time."""
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    started, peak = time.monotonic(), 0
    process = psutil.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL)
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


def main(rounds: int = 3) -> None:
    """Print the table."""
    seconds: dict[str, list[float]] = {"notebook": [], "pipeline": []}
    gib: dict[str, list[float]] = {"notebook": [], "pipeline": []}
    with tempfile.TemporaryDirectory(dir=ROOT.parent) as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        params = clone / "params.yaml"
        ladder = read_ladder(ROOT / "ladder.yaml")
        values = with_overrides(ladder.base, choose_rungs(ladder, "knn-shifts")[0].set)
        params.write_text(dumps_yaml(values), encoding="utf-8")
        dvc = [sys.executable, "-m", "dvc", "repro", "--quiet"]
        measured([*dvc, "split"], clone)
        for number in range(rounds):
            for path in ("data/augmented", "models", "metrics"):
                shutil.rmtree(clone / path, ignore_errors=True)
            for way, command in {
                "notebook": [
                    sys.executable,
                    str(ROOT / "bench" / "notebook_way.py"),
                    str(clone / "data" / "raw"),
                ],
                "pipeline": [*dvc, "--force", "--single-item", "augment", "train", "evaluate"],
            }.items():
                took, held = measured(command, clone)
                seconds[way].append(took)
                gib[way].append(held)
                print(f"round {number + 1}: {way:8} {took:6.1f} s {held:6.2f} GiB", flush=True)
        accuracy = json.loads((clone / "metrics" / "test.json").read_text(encoding="utf-8"))[
            "accuracy"
        ]
    for way in seconds:
        print(
            f"median:  {way:8} {statistics.median(seconds[way]):6.1f} s {statistics.median(gib[way]):6.2f} GiB"
        )
    time_ratio = statistics.median(
        b / a for a, b in zip(seconds["notebook"], seconds["pipeline"], strict=True)
    )
    memory_ratio = statistics.median(
        b / a for a, b in zip(gib["notebook"], gib["pipeline"], strict=True)
    )
    print(
        f"pipeline / notebook: {time_ratio:.2f} of the time, {memory_ratio:.2f} of the memory; test accuracy {accuracy}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
