"""Two clones that share nothing but git, a DVC remote on S3, and runs in PostgreSQL with S3."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import mlflow
import psutil
import pytest
from mlflow.entities import Run
from PIL import Image

from digits.tracking.database import EXPERIMENT
from tests.runs import free_port, python, wait_for_health
from tests.conftest import GIT_CONFIG
from tests.scratch import BY_EPOCHS, STAGES, Project, ran, wait_until
from tests.services import BUCKET, S3, SECRET, Postgres, services, what_is_missing
from tests.small import IMAGES, LABELS

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing()),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]


@dataclass
class Machine:
    """A clone with a home of its own, and all that was printed there."""

    project: Project
    env: dict[str, str]
    printed: list[str] = field(default_factory=list)

    def dvc(self, *arguments: str, fails: bool = False, **env: str) -> str:
        self.printed.append(self.project.dvc(*arguments, fails=fails, **self.env | env))
        return self.printed[-1]

    def digits(self, *arguments: str, fails: bool = False, **env: str) -> str:
        self.printed.append(self.project.digits(*arguments, fails=fails, **self.env | env))
        return self.printed[-1]

    def repro(self, **env: str) -> list[str]:
        return ran(self.dvc("repro", **env))

    def commit(self, branch: str) -> None:
        self.project.git("checkout", "-q", "-B", branch)
        self.project.commit(f"the results of {branch}")
        self.project.git("push", "-q", "origin", branch)
        self.dvc("push")


@dataclass
class Shared:
    """The services, and two machines that use them."""

    postgres: Postgres
    s3: S3
    first: Machine
    second: Machine

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.postgres.uri)

    def runs(self, where: str = "") -> list[Run]:
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        return (
            list(self.client.search_runs([experiment.experiment_id], where)) if experiment else []
        )


@pytest.fixture(scope="module")
def shared_stores(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Both machines have run the project; the first has promoted its model, and pushed all."""
    folder = tmp_path_factory.mktemp("shared")
    with services(folder) as (postgres, s3):
        env = {
            **s3.env,
            "MLFLOW_TRACKING_URI": postgres.uri,
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/mlflow",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3.env.items():
                patch.setenv(name, value)
            first = _first_machine(folder, Machine(fresh.copy(folder / "first"), env), s3)
            yield Shared(postgres, s3, first, _second_machine(folder, env))


def _first_machine(folder: Path, first: Machine, s3: S3) -> Machine:
    subprocess.run(["git", "init", "-q", "--bare", folder / "git"], check=True)
    first.project.git("remote", "add", "origin", str(folder / "git"))
    first.dvc("remote", "modify", "storage", "url", f"s3://{BUCKET}/dvc")
    first.dvc("remote", "modify", "storage", "endpointurl", s3.url)
    assert first.repro() == list(STAGES)
    first.commit("main")
    assert "is the champion, the first one" in first.digits("promote", "workspace")
    return first


def _second_machine(folder: Path, env: dict[str, str]) -> Machine:
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(GIT_CONFIG, encoding="utf-8")
    command = ["git", "clone", "-q", "--branch", "main", folder / "git", folder / "second"]
    subprocess.run(command, check=True)
    return Machine(Project(folder / "second", home), env)


def test_two_clones_see_the_same_data_runs_and_champion(
    shared_stores: Shared, tmp_path: Path
) -> None:
    first, second = shared_stores.first, shared_stores.second
    picture = tmp_path / "picture.png"
    Image.fromarray(IMAGES[0].reshape(8, 8)).resize((64, 64)).save(picture)
    # Nothing that computes runs again, and `track` finds the run.
    second.dvc("pull")
    assert second.repro() == ["track"] and second.repro() == []
    assert second.project.git("status", "--porcelain") == ""
    (run,) = shared_stores.runs()
    assert run.info.status == "FINISHED" and run.info.artifact_uri.startswith("s3://digits/mlflow/")
    # The champion, and the second's own experiment.
    answer = json.loads(second.digits("predict", str(picture), "--champion", "--json"))
    assert "is the champion already" in second.digits("promote", "main")
    second.project.edit(models__knn__n_neighbors=300)
    assert second.repro() == ["train", "evaluate", "track"]
    second.commit("weak")
    assert {run.data.params["models.knn.n_neighbors"] for run in shared_stores.runs()} == {
        "4",
        "300",
    }
    assert "it is not promoted" in second.digits("promote", "weak", fails=True)
    assert "main is better than weak" in second.digits("compare", "weak", "main")
    assert "weak" in second.digits("best", "main", "weak")
    # And back.
    second.digits("promote", "weak", "--force")
    assert first.digits("predict", str(picture), "--champion", "--json") != json.dumps(answer)
    first.project.git("fetch", "-q")
    assert "dvc fetch" in first.digits("compare", "main", "origin/weak", fails=True)
    first.dvc("fetch", "--all-branches", "--all-commits")
    first.digits("compare", "main", "origin/weak")
    (weak,) = shared_stores.runs("params.`models.knn.n_neighbors` = '300'")
    assert "The workspace is that of the run weak" in first.digits("restore", weak.info.run_id)
    assert first.repro() == ["track"]
    assert len(shared_stores.runs()) == 2


def test_a_damaged_object_is_refused_by_its_name(shared_stores: Shared) -> None:
    """By `dvc pull` and by `restore`, whether DVC's remote or MLflow's files have it."""
    machine, s3 = shared_stores.second, shared_stores.s3
    (run,) = shared_stores.runs("params.`models.knn.n_neighbors` = '4'")
    md5 = machine.project.locked("split")["data/split"]
    machine.project.git("checkout", "-q", "--detach", "main")
    shutil.rmtree(machine.project.path / ".dvc" / "cache")
    shutil.rmtree(machine.project.path / "data" / "split")
    shutil.rmtree(machine.project.path / "models")
    with s3.damaged(f"dvc/files/md5/{md5[:2]}/{md5[2:]}"):
        print(machine.dvc("pull", fails=True))
        print(machine.digits("restore", run.info.run_id, fails=True))
    machine.dvc("pull")
