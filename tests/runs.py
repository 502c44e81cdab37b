"""Runs in a real MLflow store, for the tests that make and look at them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import mlflow
import psutil
from mlflow.entities import Run, ViewType

from digits.tracking.completion import Result, complete_run
from digits.tracking.database import EXPERIMENT, empty_database
from digits.tracking.live import LiveRun
from digits.tracking.lookup import KEY, result_key
from tests.imports import ROOT

PARAMS: dict[str, Any] = {
    "target": "digit",
    "split": {"folds": 6},
    "augment": {"shifts": [[-1, 0]], "elastic": {"copies": 0}},
}
METRICS: dict[str, dict[str, Any]] = {
    "validation": {"n": 300, "errors": 30, "accuracy": 0.9, "accuracy_low": 0.861}
    | {"accuracy_high": 0.929, "fold_5": 0.9},
    "test": {"n": 200, "errors": 25, "accuracy": 0.875, "accuracy_low": 0.822}
    | {"accuracy_high": 0.914, "test_set": "0123abcd"},
}
EVALUATION = "4567"
CURVE = [{"epoch": 1.0, "training_loss": 0.5}, {"epoch": 2.0, "training_loss": 0.25}]


def key_of(name: str, params: dict[str, Any] = PARAMS) -> str:
    """The key of the result that `end_training` of this name makes."""
    return result_key(params, sha256(name.encode()).hexdigest())


def end_training(run: LiveRun, name: str, **cost: float) -> None:
    """Finish a live run with a model of its own."""
    with TemporaryDirectory() as folder:
        model = Path(folder, "model.skops")
        model.write_bytes(name.encode())
        run.finish(model, cost)


def result(key: str, made: Path, model: str = "model.skops", target: int | str = "digit") -> Result:
    """A small experiment's result."""
    return Result(
        key=key,
        evaluation=EVALUATION,
        params=PARAMS | {"target": target},
        metrics=METRICS,
        curves={"history": CURVE},
        files={"plots": sorted((made / "plots").iterdir()), "project": [ROOT / "params.yaml"]},
        texts={"project/uncommitted.diff": "a patch"},
        dataset=("digits_8x8", "0123" * 16, "https://digits.invalid"),
        tags={"dvc.models": "89ab.dir"},
        model=made / model,
        code=ROOT / "digits",
    )


def complete(folder: Path, key: str, made: Path, model: str = "model.skops") -> bool:
    return complete_run(folder, result(key, made, model))


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def runs(folder: Path, where: str = "", view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    """The runs in a store, as MLflow itself finds them."""
    client = mlflow.MlflowClient(uri_of(folder))
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments, where, run_view_type=view))


def with_key(folder: Path, key: str) -> list[Run]:
    return runs(folder, f"tags.{KEY} = '{key}'")


def models_of(run: Run, uri: str) -> list[Any]:
    client = mlflow.MlflowClient(uri)
    return [
        model
        for model in client.search_logged_models([run.info.experiment_id])
        if model.source_run_id == run.info.run_id
    ]


def files_of(run: Run, uri: str, target: Path) -> dict[str, bytes]:
    """All artifacts of a run, as MLflow hands them out."""
    target.mkdir()
    found = Path(mlflow.MlflowClient(uri).download_artifacts(run.info.run_id, "", str(target)))
    return {
        file.relative_to(found).as_posix(): file.read_bytes()
        for file in found.rglob("*")
        if file.is_file()
    }


def listening(process: subprocess.Popen) -> set[tuple[str, int]]:
    """Addresses and ports on which a process and its children listen."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    connections = [c for member in family for c in member.net_connections("inet")]
    return {(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN}


@contextmanager
def python(
    *arguments: Any, cwd: Path | None = None, log: Path | None = None, **env: str
) -> Iterator[subprocess.Popen]:
    """A Python process with our library; it and what it started are gone at the end.

    What it prints is the test's to read, or goes to `log`: a server that nobody reads would stop
    when the pipe is full.
    """
    with ExitStack() as files:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=files.enter_context(log.open("w")) if log else subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                children = psutil.Process(process.pid).children(recursive=True)
                for child in children:
                    child.terminate()
                process.terminate()
                psutil.wait_procs(children, timeout=10)
                process.wait(timeout=10)
            for pipe in filter(None, (process.stdin, process.stdout)):
                pipe.close()


def says(process: subprocess.Popen, word: str) -> str:
    """Wait for a line of just this word, and return what came before it."""
    seen = ""
    while (line := process.stdout.readline() if process.stdout else "") != f"{word}\n":
        seen += line
        assert line, f"ended with {process.wait()}:\n{seen}"
    return seen


def finish(process: subprocess.Popen, last_words: str = "") -> str:
    out, _ = process.communicate(last_words, timeout=60)
    assert process.returncode == 0, out
    return str(out)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for_health(process: subprocess.Popen, port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                assert answer.read() == b"OK"
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("no server")


@dataclass
class MlflowServer:
    """A running server: its address, and the folder with its artifacts."""

    uri: str
    folder: Path

    def runs(self) -> list[Run]:
        """The runs of this project."""
        client = mlflow.MlflowClient(self.uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return list(client.search_runs([experiment.experiment_id])) if experiment else []


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[MlflowServer]:
    """MLflow's own server, over a new database."""
    database = folder / "runs.db"
    database.write_bytes(empty_database())
    arguments = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    arguments += ["--backend-store-uri", f"sqlite:///{database}"]
    arguments += ["--artifacts-destination", folder / "artifacts"]
    no_jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with python(*arguments, cwd=folder, log=folder / "server.log", **no_jobs) as process:
        wait_for_health(process, port)
        yield MlflowServer(f"http://127.0.0.1:{port}", folder)
