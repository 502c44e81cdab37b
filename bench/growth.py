"""Growth: time, memory and disk of each stage as the training images become more.

`python -m bench.growth` clones the last commit, takes half of MNIST's training images, gives them
1, 9 and 49 distorted copies each, and runs the stages `augment`, `train` (softmax regression on the
pixels, one epoch) and `evaluate` on them, each in a process of its own and without DVC. (With all
60,000 and no copies nothing would be distorted.) Each run is a line of bench/measured/growth.jsonl,
so that a bench that was stopped goes on where it was; one that was finished begins anew. In the end
it writes docs/benchmarks_growth.md and docs/growth.png. It takes 3 GB of disk; the machine should
have nothing else to do. With `--dataset digits_8x8` or other `--copies` it is a try, and writes to
.bench.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.frontier import loop_seconds, processor, read_lines
from bench.growth_page import growth, page
from digits.common.dvc_yaml import parse_yaml
from digits.common.resources import n_threads
from digits.experiments.git import ROOT
from digits.params.nested import with_overrides
from digits.plots.style import save_png

DATASET = "mnist_784"
COPIES = (1, 9, 49)
MEASURED = ROOT / "bench" / "measured" / "growth.jsonl"
RUNS = 3
STAGES = {"augment": "data/augmented", "train": "models", "evaluate": "data/predictions"}
SETTINGS: dict[str, Any] = {
    "target": "digit",
    "fetch.extra": None,
    "split.strategy": "canonical",
    "train.model": "softmax",
    "train.features": "pixels",
    "train.scale": "unit",
    "train.components": 0,
    "train.clusters": 0,
    "train.copies": "all",
    "train.validate": "holdout",
    "train.train_sizes": [],
    "models.softmax.solver": "sgd",
    "models.softmax.batch_size": 100,
    "models.softmax.epochs": 1,
    "augment.shifts": [],
    "augment.rotations": [],
    "augment.scales": [],
    "augment.shears": [],
}
# Run in the process of a stage. Its peak is that of all memory that counts as the process's, the
# pages of mapped files too, which the system could drop.
_RUN_STAGE = """
import json, sys, time
started = time.perf_counter()
from stages.__main__ import main
main(sys.argv[1])
from digits.common.resources import peak_memory
measured = {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time()}
print(json.dumps(measured | {"memory_mib": peak_memory()}))
"""


def run_stage(project: Path, stage: str, **environment: str) -> dict[str, float]:
    """Run a stage in a process of its own, without DVC, and measure it.

    Parameters
    ----------
    project : Path
        A copy of this project, in which the stages before it have run.
    stage : str
        Its name.
    **environment
        Variables for the process.

    Returns
    -------
    dict
        `seconds` from its first import to its end; `processor_seconds` of all its threads;
        `memory_mib`, the most that it held; `disk_mib` of the outs of a stage of STAGES.
    """
    variables = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN_STAGE, stage],
        cwd=project,
        env=variables | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{stage} ended with {done.returncode} in {project}: see above.")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if out := STAGES.get(stage):
        files = [file for file in (project / out).rglob("*") if file.is_file()]
        measured["disk_mib"] = sum(file.stat().st_size for file in files) / 2**20
    return measured


def write_params(project: Path, overrides: Mapping[str, Any]) -> None:
    """Set params of a copy of this project, by their dotted keys."""
    from dvc.utils.serialize import dumps_yaml

    file = project / "params.yaml"
    params = with_overrides(parse_yaml(file.read_bytes(), "params.yaml"), overrides)
    file.write_text(dumps_yaml(params), encoding="utf-8")


def halve_training_images(raw: Path) -> None:
    """Leave the first half of the training images, and all test images."""
    import numpy as np

    from digits.common.arrays import read_rows
    from digits.data.dataset import DataSet, open_raw, save_raw

    data = open_raw(raw)
    half = data.n_train // 2
    kept = np.r_[:half, data.n_train : len(data.labels)]
    save_raw(DataSet(read_rows(data.images, kept), data.labels[kept], half), raw)


def count_rows(project: Path) -> int:
    """How many training images there are, with their copies: each has a label of one byte."""
    import numpy as np

    return len(np.load(project / "data" / "augmented" / "labels.npy", mmap_mode="r"))


def measure_copies(project: Path, copies: int) -> list[dict[str, Any]]:
    """Run the stages with so many copies of each image; a line for each stage."""
    write_params(project, {"augment.elastic.copies": copies})
    lines = []
    for stage in STAGES:
        print(f"{copies} copies: {stage}", flush=True)
        lines.append({"stage": stage, "copies": copies, **run_stage(project, stage)})
    rows = count_rows(project)
    return [line | {"rows": rows} for line in lines]


def missing_runs(lines: Sequence[Mapping[str, Any]], copies: Sequence[int], runs: int) -> list[int]:
    """The numbers of copies that are still to be measured, one for each run."""
    done = [line["copies"] for line in lines if line["stage"] == list(STAGES)[-1]]
    return [number for run in range(runs) for number in copies if done.count(number) <= run]


def measure_all(dataset: str, copies: Sequence[int], runs: int, file: Path) -> None:
    """Measure what is not measured yet, and add lines to the file after each run."""
    if not missing_runs(read_lines(file), copies, runs):
        file.unlink(missing_ok=True)  # finished: begin anew
    machine = {"cores": n_threads(), "processor": processor(), "dataset": dataset}
    file.parent.mkdir(exist_ok=True)
    # Not in the memory that some systems have at /tmp.
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        project = Path(folder) / "digits"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        write_params(project, SETTINGS | {"fetch.dataset": dataset})
        run_stage(project, "fetch")
        halve_training_images(project / "data" / "raw")
        run_stage(project, "split")
        for number in missing_runs(read_lines(file), copies, runs):
            loop = loop_seconds()
            lines = [
                line | {"loop_seconds": loop, **machine} for line in measure_copies(project, number)
            ]
            with file.open("a", encoding="utf-8") as text:
                text.write("\n" + "\n".join(map(json.dumps, lines)))
            for line in lines:
                print(
                    f"{line['rows']:,} images, {line['stage']}: {line['seconds']:.1f} s, "
                    f"{line['memory_mib']:,.0f} MiB, {line['disk_mib']:,.1f} MiB of disk",
                    flush=True,
                )


def main() -> None:
    """Measure, and write the page and the picture."""
    parser = argparse.ArgumentParser("python -m bench.growth", description=__doc__)
    parser.add_argument("--dataset", default=DATASET, help="mnist_784, or digits_8x8 for a try")
    parser.add_argument("--copies", type=int, nargs="+", default=list(COPIES), metavar="N")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each number of copies")
    parser.add_argument("--out", type=Path, help="where the page and the picture go: docs")
    parser.add_argument("--draw", action="store_true", help="only write them, from the last lines")
    arguments = parser.parse_args()
    is_whole = arguments.dataset == DATASET and tuple(arguments.copies) == COPIES
    copies = "-".join(map(str, arguments.copies))
    file = MEASURED if is_whole else ROOT / ".bench" / f"growth-{arguments.dataset}-{copies}.jsonl"
    if not arguments.draw:
        measure_all(arguments.dataset, arguments.copies, arguments.runs, file)
    lines = read_lines(file)
    if not lines:
        sys.exit(f"{file} holds no measurements: run `python -m bench.growth`.")
    out = arguments.out or (ROOT / "docs" if is_whole else file.parent)
    (out / "benchmarks_growth.md").write_text(page(lines), encoding="utf-8", newline="\n")
    save_png(growth(lines), out / "growth.png")
    print(f"{out / 'benchmarks_growth.md'} and {out / 'growth.png'} are written.")


if __name__ == "__main__":
    main()
