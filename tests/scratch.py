"""A scratch copy of this project, where tests run real DVC, git and MLflow on small digits."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import mlflow
import pytest
from dvc.utils.serialize import dumps_yaml
from filelock import FileLock
from mlflow.entities import LoggedModelStatus, Run

from digits.__main__ import COMMANDS
from digits.common.dvc_yaml import parse_yaml
from digits.experiments import names
from digits.params.models import MODELS
from digits.tracking.database import empty_database, update_locations
from tests.forked import can_fork, run_dvc

# So begin the environment variables that change what is tested, or how fast: without compiled
# modules, as PYTHONDONTWRITEBYTECODE leaves them, each process would compile them anew.
SETTINGS = ("DASK", "DVC", "MLFLOW", "DIGITS", "GIT", "PYTHON")
STAGES = ("fetch", "split", "augment", "train", "evaluate", "track")

# Params of a model that learns by epochs.
BY_EPOCHS = {"train__model": "softmax", "train__scale": "unit", "models__softmax__epochs": 3}
# The same model, measured otherwise.
ANEW = {"evaluate__confidence": 0.9}
# Params of a model that says whether it is a 5, evaluated with settings that are nobody's defaults.
FIVE: dict[str, Any] = {
    "target": 5,
    "evaluate": {
        "precision_target": 0.9,
        "confidence": 0.8,
        "robustness": {"images": 100, "shifts": [1, 3], "rotations": [10, 30]},
    },
}


@dataclass
class Project:
    """One scratch repository, and the home of who works in it."""

    path: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of a newcomer, without any setting of whoever runs the tests."""
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith((*SETTINGS, "XDG_"))
        }
        return env | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc"),
            "DIGITS_MIRRORS": "npm",
        }

    def run(self, *command: str, fails: bool = False, **env: str) -> str:
        """Return all that a command prints; the test fails when it does not exit as expected."""

        def start(file: IO[str]) -> int:
            return subprocess.run(
                command,
                cwd=self.path,
                env=self.env | env,
                stdout=file,
                stderr=file,
                check=False,
            ).returncode

        return _printed(start, command, fails)

    def dvc(self, *arguments: str, fails: bool = False, **env: str) -> str:
        """Like `run`, a command of DVC's."""
        if not can_fork():
            return self.run(sys.executable, "-m", "dvc", *arguments, fails=fails, **env)
        return _printed(
            lambda file: run_dvc(arguments, self.path, self.env | env, file.name),
            ("dvc", *arguments),
            fails,
        )

    def digits(self, *arguments: str, fails: bool = False, **env: str) -> str:
        return self.run(sys.executable, "-m", "digits", *arguments, fails=fails, **env)

    def git(self, *arguments: str, fails: bool = False) -> str:
        return self.run("git", *arguments, fails=fails)

    def repro(self, *arguments: str, **env: str) -> list[str]:
        """Return the stages whose command ran in a `dvc repro`."""
        return ran(self.dvc("repro", *arguments, fails=False, **env))

    def commit(self, message: str = "x") -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def clone(self, path: Path) -> "Project":
        """Clone the repository by git, without its cache, as somebody else would."""
        self.git("clone", "-q", ".", str(path))
        return Project(path, self.home)

    def edit(self, **values: Any) -> None:
        """Set params; `train__seed=1` is train.seed."""
        file = self.path / "params.yaml"
        params = parse_yaml(file.read_bytes(), "params.yaml")
        for name, value in values.items():
            *parents, last = name.split("__")
            section = params
            for parent in parents:
                section = section[parent]
            section[last] = value
        file.write_text(dumps_yaml(params), encoding="utf-8")

    def json(self, path: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.path / path).read_text(encoding="utf-8"))
        return values

    def locked(self, stage: str) -> dict[str, str]:
        """Return the MD5 of each out of a stage, as dvc.lock has it."""
        lock = parse_yaml((self.path / "dvc.lock").read_bytes(), "dvc.lock")
        return {out["path"]: out["md5"] for out in lock["stages"][stage]["outs"]}

    @property
    def store(self) -> Path:
        return self.path / ".mlflow"

    def client(self, uri: str = "") -> mlflow.MlflowClient:
        """MLflow's client of a server, by default of the embedded store."""
        return mlflow.MlflowClient(uri or f"sqlite:///{self.store / 'mlflow.db'}")

    def runs(self, uri: str = "") -> list[Run]:
        """All runs in a store but the deleted ones, by default in the embedded one."""
        client = self.client(uri)
        return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))

    def background(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """DVC in the background, in a session of its own as in a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.path,
            env=self.env | env,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def copy(self, path: Path) -> "Project":
        """Copy everything, also what git ignores: the outs, DVC's cache and the store."""
        shutil.copytree(self.path, path, symlinks=True)
        if (path / ".mlflow" / "mlflow.db").exists():
            update_locations(path / ".mlflow" / "mlflow.db")
        return Project(path, self.home)

    def forget_runs(self) -> None:
        """Empty the store; what says that there is nothing to track stays."""
        shutil.rmtree(self.store / "artifacts")
        (self.store / "mlflow.db").write_bytes(empty_database())


def _printed(start: Callable[[IO[str]], int], command: tuple[str, ...], fails: bool) -> str:
    # Not a pipe: DVC's workers would keep it open.
    with NamedTemporaryFile("w+", encoding="utf-8") as file:
        code = start(file)
        file.seek(0)
        output = file.read()
    assert (code != 0) == fails, f"{' '.join(command)} exited with {code}:\n{output}"
    return output


def enter(project: Project, patch: pytest.MonkeyPatch, **env: str) -> None:
    """Let commands that run in this process work in a project."""
    for name, value in (project.env | env).items():
        patch.setenv(name, value)
    for name in (*COMMANDS, "readers", "runs"):
        module = import_module(f"digits.commands.{name}")
        patch.setattr(module, "ROOT", project.path, raising=False)
    patch.chdir(project.path)
    names._warn.cache_clear()


def ran(output: str) -> list[str]:
    """The stages whose command DVC ran, in order."""
    return re.findall(r"^> python -m stages (\w+)$", output, re.MULTILINE)


def replace_once(file: Path, before: str, after: str) -> None:
    """Edit a file that has `before` exactly once."""
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), encoding="utf-8")


@contextmanager
def edited(file: Path) -> Iterator[None]:
    """A file with one more line, or a new one; afterwards it is as before."""
    before = file.read_bytes() if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes((before or b"") + b"# edited\n")
    yield
    if before is None:
        file.unlink()
    else:
        file.write_bytes(before)


def without(folder: Path, *modules: str) -> dict[str, str]:
    """An environment in which these modules cannot be imported, by means of a new folder."""
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(
            f"raise ImportError('nobody should need {module} here')\n", encoding="utf-8"
        )
    return {"PYTHONPATH": str(folder)}


def wait_until(
    condition: Callable[[], Any], process: subprocess.Popen[str] | None = None, seconds: int = 60
) -> None:
    """Wait for a condition; the test fails when time is up, or when a process ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process:
            assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make a folder, unless another worker of this session has made it."""
    done = Path(f"{folder}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def assert_complete(
    run: Run, project: Project, uri: str = "", *, after_a_kill: bool = False
) -> None:
    """A run has all that a person would look for, and its files are where the store says."""
    client = project.client(uri)
    assert run.info.status == "FINISHED"
    model = run.data.params["train.model"]
    assert model in MODELS
    assert {name.split(".")[1] for name in run.data.params if name.startswith("models.")} == {model}
    assert {
        "validation/accuracy",
        "validation/accuracy_low",
        "test/accuracy",
        "test/errors",
    } <= set(run.data.metrics)
    if model == "softmax":
        curve = client.get_metric_history(run.info.run_id, "history/training_loss")
        epochs = int(run.data.params["models.softmax.epochs"])
        assert [point.step for point in curve] == list(range(1, epochs + 1))
    files = {
        folder: [file.path for file in client.list_artifacts(run.info.run_id, folder)]
        for folder in ("pictures", "project")
    }
    assert "pictures/errors.png" in files["pictures"]
    assert {"project/params.yaml", "project/dvc.lock"} <= set(files["project"])
    models = client.search_logged_models([run.info.experiment_id])
    of_run = [model for model in models if model.source_run_id == run.info.run_id]
    if after_a_kill:  # what was being logged then is not READY, and nobody takes it
        of_run = [model for model in of_run if model.status == LoggedModelStatus.READY]
    (logged,) = of_run
    for location in (run.info.artifact_uri, logged.artifact_location):
        assert location.startswith("mlflow-artifacts:" if uri else project.store.as_uri())
    datasets = [data.dataset.name for data in run.inputs.dataset_inputs] if run.inputs else []
    assert datasets == [run.data.params["fetch.dataset"]]
    tags = {"mlflow.source.git.commit", "dirty", "result_key", "dvc.data/raw", "dvc.models"}
    assert tags <= set(run.data.tags)
    assert f"digits restore {run.info.run_id}" in run.data.tags["mlflow.note.content"]
