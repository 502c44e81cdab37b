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

from digits.common.arrays import open_array
from digits.common.dvc_yaml import parse_yaml
from digits.data.folds import TEST
from digits.models.persistence import load_model
from tests.runs import MlflowServer, free_port, listening, python
from tests.scratch import ANEW, FIVE, Project, ran

# MLflow's own, when it first imports its models.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
]

FILES = (
    *("params.yaml", "digits/metrics/classification.py", "digits/new.py", "metrics/test.json"),
    *("models/model.skops", "models/learning_curve.csv", "plots/pictures/errors.png"),
    "plots/pictures/learning_curve.png",
)


class TestPromote:
    def test_a_champion_measured_anew_is_the_champion_still(
        self, reproduced: Callable[..., Project], tmp_path: Path, here: Callable[..., str]
    ) -> None:
        """Its model has two runs then, and the newer is not compared with the champion."""
        project = reproduced(**ANEW).copy(tmp_path / "digits")
        client = project.client()
        old, new = sorted(project.runs(), key=lambda run: run.info.start_time)
        client.delete_run(new.info.run_id)  # as before it was
        here(project, "promote", "workspace")
        client.restore_run(new.info.run_id)
        assert len(project.runs()) == 2
        assert new.data.tags["dvc.models"] == old.data.tags["dvc.models"]
        assert "workspace is the champion already" in here(project, "promote", "workspace")
        assert client.get_model_version_by_alias("digits", "champion").run_id == old.info.run_id

    def test_a_model_of_another_target_is_not_compared(
        self, reproduced: Callable[..., Project], tmp_path: Path, here: Callable[..., str]
    ) -> None:
        project = reproduced(**FIVE).copy(tmp_path / "digits")
        project.git("tag", "five")
        here(project, "promote", "HEAD~1")
        sentence = here(project, "promote", "five", fails=True)
        (champion,) = (run for run in project.runs() if run.data.params["target"] == "digit")
        name = champion.info.run_name
        assert f"five against the champion {name}: validated on different images" in sentence
        assert "or with different targets; it is not promoted" in sentence

    def test_takes_what_is_better_for_real_and_refuses_the_rest(
        self, experiments: Project, here: Callable[..., str]
    ) -> None:
        client = experiments.client()
        assert "there is no champion yet" in here(
            experiments, "predict", "--champion", "x.png", fails=True
        )
        assert "weak is the champion, the first one" in here(experiments, "promote", "weak")
        said = experiments.digits("promote", "good")
        assert "good is the champion" in said and "better on 499 validation images" in said
        compared = json.loads(
            here(experiments, "compare", "weak", "good", "--validation", "--json")
        )
        assert f"p = {compared['p_value']:.2g}" in said
        alone = f"{compared['only_b']} of which it alone read right and the other alone"
        assert f"{alone} {compared['only_a']}" in said

        for worse, word in (("alike", "cannot tell apart"), ("weak", "worse")):
            said = here(experiments, "promote", worse, fails=True)
            assert (
                f"{worse} against the champion good: {word} on 499 validation images" in said
                and "it is not promoted" in said
            )
        version = client.get_model_version_by_alias("digits", "champion")
        assert version.tags["experiment"] == "good" and "forced" not in version.tags
        (run,) = (run for run in experiments.runs() if run.info.run_name == "good")
        assert version.run_id == run.info.run_id
        assert "is the champion already" in here(experiments, "promote", "good")
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
        answer = json.loads(experiments.digits("predict", "--champion", "--json", str(picture)))
        assert answer["digit"] == 7 and 0.5 < answer["probability"] <= 1
        (experiments.path / "mine" / "7").mkdir(parents=True)
        picture.rename(experiments.path / "mine" / "7" / picture.name)
        scored = json.loads(here(experiments, "evaluate", "mine", "--champion", "--json"))
        assert (scored["n"], scored["errors"]) == (1, 0)

        assert "alike is the champion" in here(experiments, "promote", "alike", "--force")
        version = client.get_model_version_by_alias("digits", "champion")
        assert version.tags["experiment"] == "alike" and version.tags["forced"] == "true"
        assert version.tags["comparison"].startswith("cannot tell apart")

    def test_says_what_it_needs(self, experiments: Project, here: Callable[..., str]) -> None:
        assert "nothing is no revision here" in here(experiments, "promote", "nothing", fails=True)
        assert "blind was not validated" in here(experiments, "promote", "blind", fails=True)
        down = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
        sentence = here(experiments, "promote", "good", fails=True, **down)
        assert "does not answer" in sentence and "and runs are looked for there alone" in sentence
        assert "this run goes to" not in sentence


class TestRestore:
    def test_brings_back_what_was_not_committed(
        self, uncommitted: Project, here: Callable[..., str]
    ) -> None:
        """Params and code, both edited and never committed, and the results they made."""
        project, new = uncommitted, uncommitted.path / "digits" / "new.py"
        output = (project.path / ".git" / "output.txt").read_text(encoding="utf-8")
        assert ran(output) == ["train", "evaluate", "track"]
        (run,) = project.runs()
        assert run.data.tags["dirty"] == "true" and len(run.data.tags["params_sha256"]) == 64
        made = {name: (project.path / name).read_bytes() for name in FILES}

        said = here(project, "restore", run.info.run_id, fails=True)
        assert "there are changes that are not committed" in said
        assert {name: (project.path / name).read_bytes() for name in made} == made
        project.git("checkout", "-q", "--", ".")
        assert "digits/new.py" in here(project, "restore", run.info.run_id, fails=True)
        new.unlink()
        project.dvc("checkout")
        project.commit("something else") if project.git("status", "--porcelain") else None
        curve = (project.path / "models" / "learning_curve.csv").read_bytes()
        assert curve != made["models/learning_curve.csv"]
        shutil.rmtree(project.path / "models")

        command = run.data.tags["mlflow.note.content"].split("`")[1]
        said = project.run(*command.split())
        assert (
            f"The workspace is that of the run {run.info.run_name}" in said
            and "not committed then" in said
        )
        assert {name: (project.path / name).read_bytes() for name in made} == made
        assert project.repro() in ([], ["track"])
        assert len(project.runs()) == 1

    def test_brings_back_an_experiment_by_its_name(
        self, experiments: Project, here: Callable[..., str]
    ) -> None:
        """Or says what is wrong, and leaves everything as it is."""
        project, n_runs = experiments, len(experiments.runs())
        (project.path / "note.txt").write_text("x", encoding="utf-8")
        project.git("add", "note.txt")
        project.git("commit", "-qm", "later")
        later = project.git("rev-parse", "HEAD")
        project.digits("restore", "good")
        assert project.git("rev-parse", "HEAD") != later
        params = parse_yaml((project.path / "params.yaml").read_bytes(), "params.yaml")
        assert params["augment"]["shifts"] == [[-1, 0], [1, 0], [0, -1]]
        assert project.repro() == ["track"]
        assert len(project.runs()) == n_runs

        def state() -> tuple[str, str]:
            return project.git("log", "-1", "--format=%H %D"), project.git("status", "--porcelain")

        assert "nothing is no run here" in here(project, "restore", "nothing", fails=True)
        project.git("checkout", "-q", "--force", "main")
        (run,) = (run for run in project.runs() if run.info.run_name == "good")
        project.client().log_text(run.info.run_id, "no patch", "project/uncommitted.diff")
        before = state()
        assert "is not what was logged" in here(project, "restore", "good", fails=True)
        folder = project.path / ".mlflow" / "artifacts"
        (hashes,) = folder.rglob(f"{run.info.run_id}/artifacts/project/sha256.json")
        hashes.unlink()  # as in a run of an earlier version
        assert "`git apply" in here(project, "restore", "good", fails=True)
        assert state() == before


class TestServe:
    def test_in_another_clone_answers_as_the_model_does(
        self, project: Project, tmp_path: Path, server: MlflowServer, here: Callable[..., str]
    ) -> None:
        """And runs none of the code that a logged model brings along."""
        assert project.repro("-sf", "track", MLFLOW_TRACKING_URI=server.uri) == ["track"]
        here(project, "promote", "workspace", MLFLOW_TRACKING_URI=server.uri)
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

    def test_says_what_is_missing(self, project: Project, here: Callable[..., str]) -> None:
        def refusal(*arguments: str, **env: str) -> str:
            return here(project, *arguments, fails=True, **env)

        assert "workspace has no run in MLflow" in refusal("promote", "workspace")
        shutil.rmtree(project.path / "models")
        assert "digits: models/model.skops is not there" in refusal("serve")
        assert "there is no champion yet" in refusal("serve", "champion")
        assert "digits: x is no run here" in refusal("serve", "x")
        assert "digits: x is no run here" in refusal("draw", "--model", "x")
        down = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
        assert "and runs are looked for there alone" in refusal("serve", "champion", **down)
