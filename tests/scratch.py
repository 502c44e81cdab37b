"""A scratch copy of this project, in which the tests run real DVC, git and MLflow on scikit-learn's small digits."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import mlflow
import yaml
from mlflow.entities import Run

from digits.params import Model

STAGES = ("fetch", "split", "augment", "train", "evaluate", "track")


@dataclass
class Project:
    """One scratch repository."""

    path: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of a newcomer: no setting of whoever runs the tests reaches the scratch repository."""
        ours = ("DVC", "MLFLOW", "DIGITS", "GIT")
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return env | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
            "HOME": str(self.home),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc"),
            "DIGITS_MIRRORS": "npm",
        }

    def run(self, *command: str, fails: bool = False, **env: str) -> str:
        """Run a command and return all it printed; the test fails when it does not exit as expected."""
        run = subprocess.run(
            command, cwd=self.path, env=self.env | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert (run.returncode != 0) == fails, f"{' '.join(command)} exited with {run.returncode}:\n{run.stdout}"
        return run.stdout

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
        params = yaml.safe_load(file.read_text(encoding="utf-8"))
        for name, value in values.items():
            *parents, last = name.split("__")
            section = params
            for parent in parents:
                section = section[parent]
            section[last] = value
        file.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def json(self, path: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((self.path / path).read_text(encoding="utf-8"))
        return values

    @property
    def store(self) -> Path:
        return self.path / ".mlflow"

    def runs(self) -> list[Run]:
        """All runs in the embedded store but the deleted ones."""
        client = mlflow.MlflowClient(f"sqlite:///{self.store / 'mlflow.db'}")
        return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))

    def copy(self, path: Path) -> "Project":
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path, self.home)


def ran(output: str) -> list[str]:
    """The stages whose command DVC ran, in order."""
    return [line.split("stages.")[1] for line in output.splitlines() if line.startswith("> python -m stages.")]


def assert_complete(run: Run, project: Project) -> None:
    """A run has params, validation and test metrics, pictures and a model, and its files are in the main store."""
    assert run.info.status == "FINISHED"
    assert run.data.params["train.model"] in get_args(Model)
    assert {"validation/accuracy", "test/accuracy"} <= set(run.data.metrics)
    artifacts = project.store / "artifacts"
    assert (artifacts / run.info.run_id / "artifacts" / "pictures" / "errors.png").stat().st_size > 10_000
    models = [file for file in artifacts.glob("models/*/artifacts/MLmodel") if run.info.run_id in file.read_text(encoding="utf-8")]
    assert len(models) == 1
