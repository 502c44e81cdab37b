"""A scratch copy of this project, in which the tests run real DVC, git and MLflow on scikit-learn's small digits."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import mlflow
from dvc.utils.serialize import dumps_yaml
from mlflow.entities import Run

from digits.common.dvc_yaml import parse_yaml
from digits.params.models import MODELS

SETTINGS = (
    "DVC",
    "MLFLOW",
    "DIGITS",
    "GIT",
)  # so begin the environment variables that change what is tested
STAGES = ("fetch", "split", "augment", "train", "evaluate", "track")


@dataclass
class Project:
    """One scratch repository."""

    path: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of a newcomer: no setting of whoever runs the tests reaches the scratch repository."""
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
        """Run a command and return all it printed; the test fails when it does not exit as expected."""
        with TemporaryFile(
            "w+", encoding="utf-8"
        ) as output:  # not a pipe: DVC's workers would keep it open
            code = subprocess.run(
                command,
                cwd=self.path,
                env=self.env | env,
                stdout=output,
                stderr=output,
                check=False,
            ).returncode
            output.seek(0)
            said = output.read()
        assert (code != 0) == fails, f"{' '.join(command)} exited with {code}:\n{said}"
        return said

    def dvc(self, *arguments: str, fails: bool = False, **env: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments, fails=fails, **env)

    def git(self, *arguments: str, fails: bool = False) -> str:
        return self.run("git", *arguments, fails=fails)

    def repro(self, *arguments: str, **env: str) -> list[str]:
        """`dvc repro`; the stages whose command ran."""
        return ran(self.dvc("repro", *arguments, fails=False, **env))

    def commit(self, message: str = "x") -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

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
            [sys.executable, "-m", "dvc", *arguments], cwd=self.path, env=self.env | env, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def copy(self, path: Path) -> "Project":
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path, self.home)


def ran(output: str) -> list[str]:
    """The stages whose command DVC ran, in order."""
    return re.findall(r"^> python -m stages (\w+)$", output, re.MULTILINE)


def without(folder: Path, *modules: str) -> dict[str, str]:
    """An environment in which these modules cannot be imported; what says so is written to a new folder."""
    folder.mkdir()
    for module in modules:
        (folder / f"{module}.py").write_text(
            f"raise ImportError('nobody should need {module} here')\n", encoding="utf-8"
        )
    return {"PYTHONPATH": str(folder)}


def assert_complete(run: Run, project: Project, uri: str = "") -> None:
    """A run has all that a person would look for, and its files are where the store says."""
    client = project.client(uri)
    assert run.info.status == "FINISHED"
    model = run.data.params["train.model"]
    assert model in MODELS
    assert {name.split(".")[1] for name in run.data.params if name.startswith("models.")} == {model}
    metrics = set(run.data.metrics)
    assert {
        "validation/accuracy",
        "validation/accuracy_low",
        "test/accuracy",
        "test/errors",
    } <= metrics
    if model == "softmax":
        curve = client.get_metric_history(run.info.run_id, "history/training_loss")
        assert [point.step for point in curve] == list(
            range(1, int(run.data.params["models.softmax.epochs"]) + 1)
        )
    files = {
        folder: [file.path for file in client.list_artifacts(run.info.run_id, folder)]
        for folder in ("pictures", "project")
    }
    assert "pictures/errors.png" in files["pictures"]
    assert {"project/params.yaml", "project/dvc.lock"} <= set(files["project"])
    models = client.search_logged_models([run.info.experiment_id])
    (logged,) = (each for each in models if each.source_run_id == run.info.run_id)
    for location in (run.info.artifact_uri, logged.artifact_location):
        assert location.startswith("mlflow-artifacts:" if uri else project.store.as_uri())
    assert run.inputs and [data.dataset.name for data in run.inputs.dataset_inputs] == [
        run.data.params["fetch.dataset"]
    ]
    assert {"mlflow.source.git.commit", "dirty", "result_key", "dvc.data/raw", "dvc.models"} <= set(
        run.data.tags
    )
    assert f"digits restore {run.info.run_id}" in run.data.tags["mlflow.note.content"]
