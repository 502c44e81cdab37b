"""Validation errors against seconds of training: this pipeline, and what else one might take.

`python -m bench.frontier` measures each way of bench/ways.py in a process of its own, on folds 0 to
4 of MNIST's training images, and scores fold 5; the test images are not read. Ways that take less
than a minute are run three times. Each run is a line of bench/measured/frontier.jsonl, so that a
bench that was stopped goes on where it was; one that was finished begins anew. In the end it writes
docs/benchmarks.md and docs/frontier.png. The machine should have nothing else to do. With other
`--images` it is a try, and writes to .bench.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.frontier_page import frontier, page, rows_of
from bench.ways import HELD_OUT, NETWORK, OURS, WAYS
from digits.common.environment import set_environment
from digits.common.resources import n_threads
from digits.data.dataset import open_raw
from digits.data.folds import TEST, assign_folds
from digits.experiments.git import ROOT
from digits.plots.style import save_png

IMAGES = 50_000  # of folds 0 to 4
RUNS = 3
QUICK = 60  # seconds: what takes less is run RUNS times
MEASURED = ROOT / "bench" / "measured" / "frontier.jsonl"
ENVIRONMENT = ROOT / ".venv-bench"
REQUIREMENTS = ROOT / "bench" / "requirements.txt"


def write_fold(raw: Path, images: int, folder: Path) -> None:
    """Write images, labels and folds: the first of folds 0 to 4, and a fifth as many of fold 5."""
    data = open_raw(raw)
    if data.images.shape != (70_000, 28, 28):
        sys.exit(f"{raw} does not hold MNIST: `dvc repro fetch` with fetch.dataset mnist_784.")
    fold = assign_folds(data.labels, data.n_train, "canonical", HELD_OUT + 1, "digit", 42)
    learn = np.flatnonzero((fold != TEST) & (fold != HELD_OUT))[:images]
    held_out = np.flatnonzero(fold == HELD_OUT)[: images // HELD_OUT]
    rows = np.sort(np.concatenate([learn, held_out]))
    for name, array in (("images", data.images), ("labels", data.labels), ("fold", fold)):
        np.save(folder / f"{name}.npy", array[rows])


def python_of_network() -> Path | None:
    """The Python that has Keras; made if it is not there, None where that is not possible."""
    folder = "Scripts" if os.name == "nt" else "bin"
    python = ENVIRONMENT / folder / "python"
    ready, wanted = ENVIRONMENT / "ready", REQUIREMENTS.read_text(encoding="utf-8")
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return python
    print(f"Making {ENVIRONMENT.name}, with Keras and TensorFlow: 1.6 GB.", flush=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run(install, check=True)
        subprocess.run([python, "-c", "import keras"], check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"The networks are left out: Keras could not be installed ({error}).", flush=True)
        return None
    ready.write_text(wanted, encoding="utf-8")
    return python


def loop_seconds() -> float:
    """How long ten million additions in a loop take: whether the machine is slow or busy."""
    started, total = time.perf_counter(), 0
    for number in range(10_000_000):
        total += number
    return time.perf_counter() - started


def processor() -> str:
    """The processor's name, where the system tells it."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        if found := re.search(r"^model name\s*: (.*)$", text, re.MULTILINE):
            return found[1].strip()
    return platform.processor() or platform.machine()


def measure(name: str, folder: Path, network: Path | None, given: Mapping[str, str]) -> Any:
    """Run a way in a process of its own; what it printed as JSON, None if it failed.

    Parameters
    ----------
    name : str
        A key of WAYS.
    folder : Path
        As `write_fold` writes it.
    network : Path or None
        The Python that has Keras.
    given : mapping
        The environment variables that this process was started with. Only ways of this pipeline
        get those that make its results the same on every processor.
    """
    way = WAYS[name]
    if way.group == NETWORK:
        augment = ["augment"] if way.augment else []
        script = str(ROOT / "bench" / "network.py")
        command = [str(network), script, str(folder), str(way.epochs), *augment]
    else:
        command = [sys.executable, "-m", "bench.ways", name, str(folder)]
    variables = os.environ if way.group == OURS else given
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{done.stderr}{name} ended with {done.returncode} and is left out.", flush=True)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def read_lines(file: Path) -> list[dict[str, Any]]:
    """What was measured so far; a line that was not finished is left out."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def is_measured(lines: list[dict[str, Any]], name: str, wanted: int = RUNS) -> bool:
    """Whether a way has all its runs."""
    runs = [line for line in lines if line["way"] == name]
    return bool(runs) and (len(runs) >= wanted or _total(runs[0]) >= QUICK)


def forget(file: Path, ways: list[str]) -> None:
    """Drop the lines of some ways."""
    kept = [json.dumps(line) for line in read_lines(file) if line["way"] not in ways]
    if file.exists():
        file.write_text("\n".join(kept), encoding="utf-8")


def _total(line: Mapping[str, Any]) -> float:
    return line["seconds"] + line["scoring_seconds"]


def measure_all(ways: list[str], arguments: argparse.Namespace, file: Path) -> None:
    """Measure what is not measured yet, and add a line to the file after each run."""
    given = dict(os.environ)
    set_environment()  # of the processes of this pipeline
    network = None
    if any(WAYS[name].group == NETWORK for name in ways):
        network = python_of_network()
    if network is None:
        ways = [name for name in ways if WAYS[name].group != NETWORK]
    runs = arguments.runs
    if all(is_measured(read_lines(file), name, runs) for name in ways):
        forget(file, ways)  # finished: begin anew
    machine = {"cores": n_threads(), "processor": processor(), "images": arguments.images}
    file.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_fold(arguments.raw, arguments.images, Path(folder))
        for name in ways:
            while not is_measured(read_lines(file), name, runs):
                loop = loop_seconds()
                line = {"way": name, "loop_seconds": loop, **machine}
                measured = measure(name, Path(folder), network, given)
                if measured is None:
                    break
                line |= measured
                with file.open("a", encoding="utf-8") as lines:
                    lines.write("\n" + json.dumps(line))  # a line of its own after half a one too
                print(f"{name}: {line['seconds']:.2f} s, {line['errors']} errors", flush=True)


def main() -> None:
    """Measure, and write the page and the picture."""
    parser = argparse.ArgumentParser("python -m bench.frontier", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES, help="to learn from: fewer is a try")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--runs", type=int, default=RUNS, help="of what takes under a minute")
    parser.add_argument("--raw", type=Path, default=ROOT / "data" / "raw", help="data/raw")
    parser.add_argument("--out", type=Path, help="where the page and the picture go: docs")
    parser.add_argument("--draw", action="store_true", help="only write them, from the last lines")
    arguments = parser.parse_args()
    is_whole = arguments.images == IMAGES
    file = MEASURED if is_whole else ROOT / ".bench" / f"frontier-{arguments.images}.jsonl"
    if not arguments.draw:
        measure_all(arguments.ways, arguments, file)
    out = arguments.out or (ROOT / "docs" if is_whole else file.parent)
    rows = rows_of(read_lines(file))
    if not rows:
        sys.exit(f"{file} holds no measurements: run `make bench`.")
    (out / "benchmarks.md").write_text(page(rows), encoding="utf-8", newline="\n")
    save_png(frontier(rows), out / "frontier.png")
    print(f"{out / 'benchmarks.md'} and {out / 'frontier.png'} are written.")


if __name__ == "__main__":
    main()
