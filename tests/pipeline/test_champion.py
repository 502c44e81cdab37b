"""promote, restore and serve on real runs: a champion, a restored workspace, a served model."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import psutil
import pytest
from PIL import Image

from digits.__main__ import main
from digits.common.arrays import open_array
from digits.data.folds import TEST
from digits.models.persistence import load_model
from tests.runs import MlflowServer, free_port, listening, python
from tests.scratch import Project

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

FILES = ("params.yaml", "digits/metrics/classification.py", "digits/new.py", "metrics/test.json")


def digits(project: Project, *arguments: str, fails: bool = False, **env: str) -> str:
    return project.run("python", "-m", "digits", *arguments, fails=fails, **env)


@pytest.fixture
def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What a command prints that fails; in this process, which is faster."""

    def run(project: Project, *arguments: str, **env: str) -> str:
        for name, value in (project.env | env).items():
            monkeypatch.setenv(name, value)
        for module in ("runs", "promote", "serve"):
            monkeypatch.setattr(f"digits.commands.{module}.ROOT", project.path)
        monkeypatch.chdir(project.path)
        assert main(arguments) == 1
        return capsys.readouterr().err

    return run


class TestPromote:
    def test_a_champion_measured_anew_is_the_champion_still(
        self, reproduced: Callable[..., Project], tmp_path: Path
    ) -> None:
        """Its model has two runs then, and the newer is not compared with the champion."""
        project = reproduced().copy(tmp_path / "digits")
        digits(project, "promote", "workspace")
        code = project.path / "digits" / "metrics" / "classification.py"
        before = code.read_text(encoding="utf-8")
        code.write_text(
            before.replace('"errors": errors}', '"errors": errors, "halves": n / 2}'),
            encoding="utf-8",
        )
        assert project.repro() == ["train", "evaluate", "track"]
        assert len(project.runs()) == 2
        assert "workspace is the champion already" in digits(project, "promote", "workspace")

    def test_takes_what_is_better_for_real_and_refuses_the_rest(self, experiments: Project) -> None:
        client = experiments.client()
        assert "there is no champion yet" in digits(
            experiments, "predict", "--champion", "x.png", fails=True
        )
        assert "weak is the champion, the first one" in digits(experiments, "promote", "weak")
        said = digits(experiments, "promote", "good")
        assert "good is the champion" in said and "better on 499 validation images" in said
        compared = json.loads(
            digits(experiments, "compare", "weak", "good", "--validation", "--json")
        )
        assert f"p = {compared['p_value']:.2g}" in said
        alone = f"{compared['only_b']} of which it alone read right and the other alone"
        assert f"{alone} {compared['only_a']}" in said

        for worse, word in (("alike", "cannot tell apart"), ("weak", "worse")):
            said = digits(experiments, "promote", worse, fails=True)
            assert (
                f"{worse} against the champion good: {word} on 499 validation images" in said
                and "it is not promoted" in said
            )
        version = client.get_model_version_by_alias("digits", "champion")
        assert version.tags["experiment"] == "good" and "forced" not in version.tags
        (run,) = (run for run in experiments.runs() if run.info.run_name == "good")
        assert version.run_id == run.info.run_id
        assert "is the champion already" in digits(experiments, "promote", "good")
        assert len(client.search_model_versions("name = 'digits'")) == 2

        picture = experiments.path / "seven.png"
        images, labels = (
            np.load(experiments.path / "data" / "raw" / f"{name}.npy")
            for name in ("images", "labels")
        )
        Image.fromarray(np.kron(255 - images[labels == 7][0], np.ones((9, 9), np.uint8))).save(
            picture
        )
        shutil.rmtree(experiments.path / "models")
        answer = json.loads(digits(experiments, "predict", "--champion", "--json", str(picture)))
        assert answer["digit"] == 7 and 0.5 < answer["probability"] <= 1

        assert "alike is the champion" in digits(experiments, "promote", "alike", "--force")
        version = client.get_model_version_by_alias("digits", "champion")
        assert version.tags["experiment"] == "alike" and version.tags["forced"] == "true"
        assert version.tags["comparison"].startswith("cannot tell apart")

    def test_says_what_it_needs(self, experiments: Project, refusal: Callable[..., str]) -> None:
        assert "workspace has no run in MLflow" in refusal(experiments, "promote", "workspace")
        assert "nothing is no revision here" in refusal(experiments, "promote", "nothing")
        assert "blind was not validated" in refusal(experiments, "promote", "blind")
        digits(experiments, "promote", "good")
        sentence = refusal(experiments, "promote", "five")
        assert "five against the champion good: validated on different images" in sentence
        assert "or with different targets; it is not promoted" in sentence
        down = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
        sentence = refusal(experiments, "promote", "good", **down)
        assert "does not answer" in sentence and "and what is asked for is there" in sentence
        assert "this run goes to" not in sentence


class TestRestore:
    def test_brings_back_what_was_not_committed(self, project: Project) -> None:
        """Params and code, both edited and never committed, and the results they made."""
        project.edit(models__knn__n_neighbors=1)
        metrics = project.path / "digits" / "metrics" / "classification.py"
        with metrics.open("a", encoding="utf-8") as file:
            file.write("\n# edited\n")
        new = project.path / "digits" / "new.py"
        new.write_text("# which git does not know yet\n", encoding="utf-8")
        assert project.repro() == ["train", "evaluate", "track"]
        (run,) = project.runs()
        assert run.data.tags["dirty"] == "true" and len(run.data.tags["params_sha256"]) == 64
        made = {name: (project.path / name).read_bytes() for name in FILES}
        model = (project.path / "models" / "model.skops").read_bytes()
        picture = (project.path / "plots" / "pictures" / "errors.png").read_bytes()

        said = digits(project, "restore", run.info.run_id, fails=True)
        assert "there are changes that are not committed" in said
        assert {name: (project.path / name).read_bytes() for name in made} == made
        project.git("checkout", "-q", "--", ".")
        assert "digits/new.py" in digits(project, "restore", run.info.run_id, fails=True)
        new.unlink()
        project.dvc("checkout")
        project.commit("something else") if project.git("status", "--porcelain") else None
        assert (project.path / "models" / "model.skops").read_bytes() != model

        command = run.data.tags["mlflow.note.content"].split("`")[1]
        said = project.run(*command.split())
        assert (
            f"The workspace is that of the run {run.info.run_name}" in said
            and "not committed then" in said
        )
        assert {name: (project.path / name).read_bytes() for name in made} == made
        assert (project.path / "models" / "model.skops").read_bytes() == model
        assert (project.path / "plots" / "pictures" / "errors.png").read_bytes() == picture
        assert project.repro() in ([], ["track"])
        assert len(project.runs()) == 1

    def test_brings_back_an_experiment_by_its_name(self, project: Project) -> None:
        """Or says what is wrong, and leaves everything as it is."""
        project.dvc("exp", "run", "-n", "one", "--temp", "-S", "models.knn.n_neighbors=1")
        (project.path / "note.txt").write_text("x", encoding="utf-8")
        project.git("add", "note.txt")
        project.git("commit", "-qm", "later")
        later = project.git("rev-parse", "HEAD")
        digits(project, "restore", "one")
        assert project.git("rev-parse", "HEAD") != later
        assert "n_neighbors: 1\n" in (project.path / "params.yaml").read_text(encoding="utf-8")
        assert project.repro() == ["track"]
        assert len(project.runs()) == 1

        def state() -> tuple[str, str]:
            return project.git("log", "-1", "--format=%H %D"), project.git("status", "--porcelain")

        assert "nothing is no run here" in digits(project, "restore", "nothing", fails=True)
        project.git("checkout", "-q", "--force", "main")
        (run,) = project.runs()
        project.client().log_text(run.info.run_id, "no patch", "project/uncommitted.diff")
        before = state()
        assert "is not what was logged" in digits(project, "restore", "one", fails=True)
        (hashes,) = (project.path / ".mlflow").rglob("project/sha256.json")
        hashes.unlink()  # as in a run of an earlier version
        assert "`git apply" in digits(project, "restore", "one", fails=True)
        assert state() == before


class TestServe:
    def test_in_another_clone_answers_as_the_model_does(
        self, project: Project, tmp_path: Path, server: MlflowServer
    ) -> None:
        """And runs none of the code that a logged model brings along."""
        assert project.repro("-sf", "track", MLFLOW_TRACKING_URI=server.uri) == ["track"]
        digits(project, "promote", "workspace", MLFLOW_TRACKING_URI=server.uri)
        (run,) = server.runs()
        logged = list(
            (server.folder / "artifacts" / run.info.experiment_id).glob("**/code/**/*.py")
        )
        assert len(logged) > 20
        for code in logged:
            code.write_text("raise SystemExit('this is not our code')\n", encoding="utf-8")
        project.git("clone", "-q", ".", str(tmp_path / "other"))
        other, port = Project(tmp_path / "other", project.home), free_port()
        command = ("-m", "digits", "serve", "champion", "--port", port)
        env = other.env | {"MLFLOW_TRACKING_URI": server.uri, "PYTHONPATH": ""}
        with python(*command, cwd=other.path, log=tmp_path / "serving.log", **env) as process:
            fold = open_array(project.path / "data/split/fold.npy", np.int8, (None,))
            images = np.load(project.path / "data/raw/images.npy")[fold == TEST][:50]
            images = images.reshape(50, -1)
            answer = self.post(process.pid, port, {"inputs": images.tolist()})
            expected = load_model(project.path / "models" / "model.skops").predict(images)
            assert answer["predictions"] == expected.tolist()
            assert listening(process) == {("127.0.0.1", port)}

    @staticmethod
    def post(pid: int, port: int, content: dict[str, object]) -> dict[str, list[int]]:
        request = Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(content).encode(),
            {"Content-Type": "application/json"},
        )
        deadline = time.monotonic() + 90
        while True:
            try:
                with urlopen(request, timeout=30) as answer:
                    said: dict[str, list[int]] = json.loads(answer.read())
                    return said
            except URLError:
                assert time.monotonic() < deadline and psutil.pid_exists(pid)
                time.sleep(0.3)

    def test_says_what_is_missing(self, project: Project, refusal: Callable[..., str]) -> None:
        shutil.rmtree(project.path / "models")
        assert "digits: models/model.skops is not there" in refusal(project, "serve")
        assert "there is no champion yet" in refusal(project, "serve", "champion")
        assert "digits: x is no run here" in refusal(project, "serve", "x")
        assert "digits: x is no run here" in refusal(project, "draw", "--model", "x")
        down = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
        sentence = refusal(project, "serve", "champion", **down)
        assert "and what is asked for is there" in sentence
