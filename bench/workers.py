"""Queued experiments: seconds of eight of them by DVC's queue, and by a Dask cluster.

`python -m bench.workers` clones the last commit, sets it to k-nearest neighbours on scikit-learn's
small digits, queues eight experiments, and has them run by 1, 2 and 4 workers of `make queue`, and
by 1 and 2 workers of a Dask cluster on 127.0.0.1. Beside them stands `dvc exp run --temp`, eight
times. It writes docs/benchmarks_workers.md. The machine should have nothing else to do.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.frontier import loop_seconds, processor
from bench.start_up import SETTINGS, Clone, run
from digits.common.resources import n_threads
from digits.experiments.git import ROOT, list_experiments

RUNS = 3
EXPERIMENTS = 8
SETTING = "models.knn.n_neighbors"
ALONE = "`dvc exp run --temp`, one after the other"
QUEUE = "`make queue`, {} at a time"
CLUSTER = "`make queue` on a Dask cluster, workers: {}"
WAYS = {
    ALONE: 0,
    **{QUEUE.format(n): n for n in (1, 2, 4)},
    **{CLUSTER.format(n): n for n in (1, 2)},
}


def make_clone(folder: Path) -> Path:
    """Return a clone that is reproduced, with a git remote and a DVC remote of its own."""
    clone = Clone(folder / "clone", "HEAD")
    clone.from_nothing()
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    run(["git", *identity, "commit", "--quiet", "--all", "--message", "Small"], clone.folder)
    run(["git", "init", "--quiet", "--bare", str(folder / "hub.git")], folder)
    run(["git", "remote", "set-url", "origin", str(folder / "hub.git")], clone.folder)
    storage = ["remote", "modify", "--local", "storage", "url", str(folder / "storage")]
    run([sys.executable, "-m", "dvc", *storage], clone.folder)
    return clone.folder


@contextmanager
def dask(folder: Path, n_workers: int) -> Iterator[str]:
    """A scheduler and workers, each a process of one thread; yields the scheduler's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    commands = [["scheduler", "--port", str(port), *here]]
    for number in range(n_workers):
        own = folder / f"worker-{number}"
        own.mkdir()
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(own)]
        commands.append(["worker", address, *options, *here])
    with ExitStack() as processes, (folder / "dask.log").open("w", encoding="utf-8") as log:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command], cwd=folder, stdout=log, stderr=log
            )
            processes.callback(process.wait)
            processes.callback(process.terminate)
        while (folder / "dask.log").read_text(encoding="utf-8").count("Registered to") < n_workers:
            time.sleep(0.1)
        yield address


def measure(way: str, n_workers: int) -> float:
    """Seconds from the command to the last experiment."""
    with TemporaryDirectory() as temporary, ExitStack() as cluster:
        clone = make_clone(Path(temporary))
        experiments = [
            ["dvc", "exp", "run", "-n", f"k-{k}", "-S", f"{SETTING}={k}"]
            for k in range(1, EXPERIMENTS + 1)
        ]
        variables: dict[str, str] = {}
        if way == ALONE:
            commands = [[*experiment, "--temp"] for experiment in experiments]
        else:
            for experiment in experiments:
                run([sys.executable, "-m", *experiment, "--queue"], clone)
            commands = [["digits", "queue", "--jobs", str(n_workers)]]
        if way == CLUSTER.format(n_workers):
            address = cluster.enter_context(dask(Path(temporary), n_workers))
            variables["DASK_SCHEDULER_ADDRESS"] = address
        started = time.perf_counter()
        for command in commands:
            run([sys.executable, "-m", *command], clone, **variables)
        seconds = time.perf_counter() - started
        if len(list_experiments(clone)) != EXPERIMENTS:
            sys.exit(f"{way}: {len(list_experiments(clone))} of {EXPERIMENTS} experiments came.")
        return seconds


def page(seconds: dict[str, list[float]], loops: list[float]) -> str:
    """Write the table."""
    alone = median(seconds[ALONE])
    settings = ", ".join(f"`{key}: {SETTINGS[key]}`" for key in ("fetch.dataset", "train.model"))
    lines = [
        "# Several experiments at a time",
        "",
        f"Written by `python -m bench.workers`. {EXPERIMENTS} experiments of {settings} with "
        f"`{SETTING}` of 1 to {EXPERIMENTS}, from the command to the last result. So small an "
        "experiment is nearly all start-up: six processes, DVC, git and MLflow. Medians of "
        f"{RUNS} runs on {n_threads()} cores of {processor()}, on which ten million additions in "
        f"a Python loop took {median(loops):.2f} s (median before each run; {min(loops):.2f} to "
        f"{max(loops):.2f}). The workers of the cluster share nothing with the sender but a git "
        "remote and a DVC remote: each makes a clone and a cache, and pushes what it made.",
        "",
        "| way | seconds | fastest to slowest | times as fast as one after the other |",
        "|---|---|---|---|",
    ]
    for way, values in seconds.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        ratio = alone / median(values)
        lines.append(f"| {way} | {median(values):.0f} | {spread} | {ratio:.2f} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure each way in turn, and write the page."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    loops = []
    for _ in range(RUNS):
        for way, n_workers in WAYS.items():
            loops.append(loop_seconds())
            seconds[way].append(measure(way, n_workers))
            print(f"{way}: {seconds[way][-1]:.1f} s", flush=True)
    file = ROOT / "docs" / "benchmarks_workers.md"
    file.write_text(page(seconds, loops), encoding="utf-8", newline="\n")
    print(f"{file} is written.")


if __name__ == "__main__":
    main()
