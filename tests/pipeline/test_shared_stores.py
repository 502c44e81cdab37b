"""Two clones that share nothing but git, a DVC remote on S3, and runs in PostgreSQL with S3."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import mlflow
import psutil
import pytest
from mlflow.entities import Run
from PIL import Image

from digits.tracking.database import EXPERIMENT
from digits.tracking.lookup import COMPLETE
from tests.conftest import GIT_CONFIG
from tests.runs import free_port, python, wait_for_health
from tests.scratch import BY_EPOCHS, STAGES, Project, ran, wait_until, without
from tests.services import BUCKET, S3, SECRET, Postgres, services, what_is_missing
from tests.small import IMAGES

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

    def dvc(self, *arguments: str, fails: bool = False) -> str:
        self.printed.append(self.project.dvc(*arguments, fails=fails, **self.env))
        return self.printed[-1]

    def digits(self, *arguments: str, fails: bool = False, **env: str) -> str:
        self.printed.append(self.project.digits(*arguments, fails=fails, **self.env | env))
        return self.printed[-1]

    def repro(self) -> list[str]:
        return ran(self.dvc("repro"))

    def share(self, branch: str) -> None:
        """Commit all as a branch, and push it with its data."""
        self.project.git("checkout", "-q", "-B", branch)
        self.project.commit(f"the results of {branch}")
        self.project.git("push", "-q", "origin", branch)
        self.dvc("push")

    def champions_answer(self, picture: Path, **env: str) -> tuple[int, float]:
        asked = ("predict", str(picture), "--champion", "--json")
        line = json.loads(self.digits(*asked, fails=False, **env))
        return line["digit"], line["probability"]


@dataclass
class Shared:
    """The services, and two machines that use them."""

    postgres: Postgres
    s3: S3
    first: Machine
    second: Machine
    picture: Path

    def runs(self, where: str = "") -> list[Run]:
        client = mlflow.MlflowClient(self.postgres.uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        return list(client.search_runs([experiment.experiment_id], where)) if experiment else []


@pytest.fixture(scope="module")
def shared(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The first machine has reproduced, pushed and promoted; the second has cloned."""
    folder = tmp_path_factory.mktemp("shared")
    with services(folder) as (postgres, s3), pytest.MonkeyPatch.context() as patch:
        for name, value in s3.env.items():
            patch.setenv(name, value)
        env = {
            "MLFLOW_TRACKING_URI": postgres.uri,
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/mlflow",
            "MLFLOW_S3_ENDPOINT_URL": s3.url,
        }
        first = Machine(fresh.copy(folder / "first"), env)
        _use_remote(first.project, s3)
        subprocess.run(["git", "init", "-q", "--bare", folder / "git"], check=True)
        first.project.git("remote", "add", "origin", str(folder / "git"))
        assert first.repro() == list(STAGES)
        first.share("main")
        assert "is the champion, the first one" in first.digits("promote", "main")

        home = folder / "home"
        home.mkdir()
        (home / ".gitconfig").write_text(GIT_CONFIG, encoding="utf-8")
        clone = ["git", "clone", "-q", "--branch", "main", str(folder / "git"), "second"]
        subprocess.run(clone, cwd=folder, check=True)
        picture = folder / "picture.png"
        Image.fromarray(IMAGES[0].reshape(8, 8)).resize((64, 64)).save(picture)
        yield Shared(postgres, s3, first, Machine(Project(folder / "second", home), env), picture)


def _use_remote(project: Project, s3: S3) -> None:
    config = project.path / ".dvc" / "config"
    before = config.read_text(encoding="utf-8")
    url = "url = ../../digits-storage"
    assert url in before and "verify = true" in before
    after = before.replace(url, f"url = s3://{BUCKET}/dvc\n    endpointurl = {s3.url}")
    config.write_text(after, encoding="utf-8")


def test_two_clones_see_the_same_data_runs_and_champion(shared: Shared) -> None:
    first, second = shared.first, shared.second
    second.dvc("pull")
    assert second.repro() == ["track"], "nothing that computes, and that looks the run up"
    assert second.project.git("status", "--porcelain") == ""
    (run,) = shared.runs()
    assert run.info.status == "FINISHED" and COMPLETE in run.data.tags
    assert run.info.artifact_uri.startswith(f"s3://{BUCKET}/mlflow/digits/")
    answer = second.champions_answer(shared.picture)

    # The second's own experiment, beside the first's.
    second.project.edit(models__knn__n_neighbors=300)
    assert second.repro() == ["train", "evaluate", "track"]
    second.share("weak")
    neighbors = [run.data.params["models.knn.n_neighbors"] for run in shared.runs()]
    assert neighbors == ["300", "4"]
    assert "main against weak: better" in second.digits("compare", "weak", "main")
    assert second.digits("best", "main", "weak").splitlines()[1].split()[:2] == ["1", "main"]
    assert "it is not promoted" in second.digits("promote", "weak", fails=True)
    assert "weak is the champion" in second.digits("promote", "weak", "--force")

    # And back: what the first lacks comes from git and from both buckets.
    assert first.champions_answer(shared.picture) != answer
    first.project.git("fetch", "-q")
    weak = shared.runs()[0].info.run_id
    assert "The workspace is that of the run" in first.digits("restore", weak)
    assert first.project.json("metrics/test.json") == second.project.json("metrics/test.json")
    assert first.repro() == ["track"] and len(shared.runs()) == 2


def test_a_damaged_object_is_refused_by_its_name(shared: Shared, tmp_path: Path) -> None:
    """Whether DVC's remote has it or the place of MLflow's files."""
    machine, s3 = shared.second, shared.s3
    run = shared.runs()[-1]
    machine.project.git("checkout", "-q", "--detach", "main")
    fold = (machine.project.path / "data" / "split" / "fold.npy").read_bytes()
    file = hashlib.md5(fold).hexdigest()
    listing = machine.project.locked("split")["data/split"]
    shutil.rmtree(machine.project.path / ".dvc" / "cache")
    for folder in ("data/raw", "data/split", "data/augmented", "data/predictions", "models"):
        shutil.rmtree(machine.project.path / folder)
    no_dvc_s3 = without(tmp_path / "without", "dvc_s3")
    said = machine.digits("restore", run.info.run_id, fails=True, **no_dvc_s3)
    assert "`pip install '.[s3]'`" in said and "Traceback" not in said
    for md5 in (listing, file):
        with s3.damaged(f"dvc/files/md5/{md5[:2]}/{md5[2:]}"):
            said = machine.digits("restore", run.info.run_id, fails=True)
            assert f"data/split of {run.info.run_name}" in said
            assert "Nothing has been changed" in said
            if md5 == file:
                assert "data/split" in machine.dvc("pull", fails=True)
    machine.dvc("fetch")
    with s3.damaged(f"mlflow/digits/{run.info.run_id}/artifacts/metrics/test.json"):
        said = machine.digits("restore", run.info.run_id, fails=True)
        assert f"metrics/test.json of the run {run.info.run_name} is not what was logged" in said
    (model,) = (name for name in s3.names("mlflow") if _is_champions(shared, name))
    with s3.damaged(model):
        said = machine.digits("predict", str(shared.picture), "--champion", fails=True)
        name = shared.runs()[0].info.run_name
        assert f"model of the run {name} is not what was logged" in said


def _is_champions(shared: Shared, name: str) -> bool:
    champion = mlflow.MlflowClient(shared.postgres.uri).get_model_version_by_alias(
        "digits", "champion"
    )
    return name == f"{str(champion.source).removeprefix(f's3://{BUCKET}/')}/model.skops"


def test_the_ui_over_the_database_is_a_server_for_others(shared: Shared, tmp_path: Path) -> None:
    first, port = shared.first, free_port()
    command, log = ("-m", "digits", "ui", "--port", port), tmp_path / "ui.log"
    env = first.project.env | first.env | {"PYTHONPATH": str(first.project.path)}
    with python(*command, cwd=first.project.path, log=log, **env) as process:
        wait_for_health(process, port)
        uri = f"http://127.0.0.1:{port}"
        arguments = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
        assert not any(SECRET in " ".join(each.cmdline()) for each in arguments)
        run = shared.runs()[0]
        with urlopen(
            f"{uri}/get-artifact?path=metrics/test.json&run_id={run.info.run_id}"
        ) as answer:
            assert json.load(answer) == first.project.json("metrics/test.json")
        directly = first.champions_answer(shared.picture)
        assert first.champions_answer(shared.picture, MLFLOW_TRACKING_URI=uri) == directly
        (first.project.store / "tracked").unlink()
        through = Machine(first.project, first.env | {"MLFLOW_TRACKING_URI": uri}, first.printed)
        assert through.repro() == ["track"] and len(shared.runs()) == 2
    first.printed.append(log.read_text(encoding="utf-8"))
    assert f"MLflow over {shared.postgres.shown}: {uri}/#/" in first.printed[-1]


def test_a_database_that_stops_in_the_middle_gets_the_run_later(shared: Shared) -> None:
    machine, postgres = shared.first, shared.postgres
    machine.project.edit(**BY_EPOCHS | {"models__softmax__epochs": 60})
    n_before = len(shared.runs())
    training = machine.project.background("repro", **machine.env)
    wait_until(
        lambda: shared.runs(
            "attributes.status = 'RUNNING' and metrics.`history/training_loss` > 0"
        ),
        training,
        seconds=120,
    )
    postgres.stop()
    output, _ = training.communicate(timeout=300)
    machine.printed.append(output)
    assert training.returncode == 0, output
    assert f"the database {postgres.shown} does not answer" in output
    assert output.count("MLflow: ") < 4, "once it did not answer, it is not asked at each epoch"
    assert "does not answer" in machine.digits("promote", "workspace", fails=True)
    (kept,) = machine.project.runs()
    assert kept.info.status == "FINISHED" and COMPLETE in kept.data.tags
    postgres.start()
    assert machine.repro() == ["track"]
    (run, *others) = shared.runs()
    assert run.info.status == "FINISHED" and run.data.tags[COMPLETE] == kept.data.tags[COMPLETE]
    assert kept.data.metrics.items() <= run.data.metrics.items() and len(others) == n_before


def test_no_password_is_anywhere(shared: Shared) -> None:
    """After all that: printed, in the repositories, in the homes, in runs, in the buckets."""
    printed = [*shared.first.printed, *shared.second.printed]
    assert len(printed) > 15 and not [text for text in printed if SECRET in text]
    folder = shared.picture.parent
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 1000
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]
    for run in shared.runs():
        assert SECRET not in str(run.to_dictionary())
    for name in shared.s3.names(""):
        content = shared.s3.client().get_object(Bucket=BUCKET, Key=name)["Body"].read()
        assert SECRET.encode() not in content, name
    assert SECRET not in shared.postgres.log
