"""One MLflow server, one set of experiments: for the tests of real DVC, git and MLflow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import mlflow
import pytest

from digits.tracking.database import EXPERIMENT
from digits.tracking.registry import MODEL
from tests.runs import MlflowServer, free_port, mlflow_server
from tests.scratch import BY_EPOCHS, Project, make_once

# Of which one is better for real than the first, and one is trained alone; the commit's own result
# hardly differs from the better one.
EXPERIMENTS = {
    "good": ("--temp", "-S", "augment.shifts=[[-1,0],[1,0],[0,-1]]"),
    "blind": ("-S", "train.validate=none", "train"),
    "weak": ("-S", "models.knn.n_neighbors=300"),
}


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("server"), free_port()) as server:
        yield server


@pytest.fixture
def server(_server: MlflowServer) -> Iterator[MlflowServer]:
    """An MLflow server that has no run of this project yet."""
    yield _server
    client = mlflow.MlflowClient(_server.uri)
    if experiment := client.get_experiment_by_name(EXPERIMENT):
        client.rename_experiment(experiment.experiment_id, f"{EXPERIMENT} {uuid4()}")
    for model in client.search_registered_models(f"name = '{MODEL}'"):
        client.delete_registered_model(model.name)


@pytest.fixture
def by_epochs(new_project: Callable[..., Project]) -> Project:
    """A scratch repository with a model that learns by epochs; no run is there yet."""
    return new_project(**BY_EPOCHS)


@pytest.fixture
def experiments(reproduced: Callable[..., Project], workshop: Path, tmp_path: Path) -> Project:
    """A reproduced scratch repository with EXPERIMENTS, by name, and their runs in the store.

    The commit's result has a tag, `alike`, and its run. What the making of an experiment printed is
    in .git/NAME.txt.
    """

    def make(path: Path) -> None:
        project = reproduced().copy(path)
        project.git("tag", "alike")
        for name, arguments in EXPERIMENTS.items():
            output = project.dvc("exp", "run", "-n", name, *arguments)
            (path / ".git" / f"{name}.txt").write_text(output, encoding="utf-8")
            project.git("checkout", "-q", "--", ".")

    path = make_once(workshop / "experiments", make)
    return Project(path, reproduced().home).copy(tmp_path / "digits")


@pytest.fixture
def uncommitted(reproduced: Callable[..., Project], workshop: Path, tmp_path: Path) -> Project:
    """A learning curve, by params and code that were edited and never committed; one run.

    What `dvc repro` printed is in .git/output.txt.
    """

    def make(path: Path) -> None:
        project = reproduced().copy(path)
        project.forget_runs()
        project.edit(train__train_sizes=[0.1, 0.5, 1.0])
        code = path / "digits" / "metrics" / "classification.py"
        with code.open("a", encoding="utf-8") as file:
            file.write("\n# edited\n")
        new = path / "digits" / "new.py"
        new.write_text("# which git does not know yet\n", encoding="utf-8")
        (path / ".git" / "output.txt").write_text(project.dvc("repro"), encoding="utf-8")

    path = make_once(workshop / "uncommitted", make)
    return Project(path, reproduced().home).copy(tmp_path / "digits")
