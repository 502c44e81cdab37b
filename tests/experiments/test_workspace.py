"""A workspace that holds parts of several results: each command says so, with exit code 4."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from dvc.repo import Repo

from digits.__main__ import main
from digits.experiments.lock import NotOneResult
from digits.experiments.revisions import NotCached
from tests.scratch import Project, enter

Says = Callable[..., str]


@pytest.fixture(scope="module")
def two_branches(branches: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The branches `main`, with 4 neighbours, and `b`, with 300."""
    return branches.copy(tmp_path_factory.mktemp("two") / "digits")


@pytest.fixture
def project(two_branches: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The same, on a clean `main` with its files; commands run in this process."""
    enter(two_branches, monkeypatch)
    two_branches.git("switch", "-qf", "main")
    check_out(two_branches)
    yield two_branches
    two_branches.git("reset", "-q", "--hard")


def check_out(project: Project) -> None:
    """`dvc checkout --force`, in this process, which is faster."""
    with Repo(str(project.path)) as repo:
        repo.checkout(force=True)


@pytest.fixture
def says(capsys: pytest.CaptureFixture[str]) -> Says:
    """What a command prints, on stderr unless it succeeds."""

    def run(*arguments: str, code: int = 0) -> str:
        assert main(arguments) == code
        out, err = capsys.readouterr()
        if code:
            assert out == "" and err.startswith("digits: ") and err.count("\n") == 1
        return err if code else out

    return run


NOT_ONE = NotOneResult.exit_code


def test_a_branch_without_its_files_is_named(project: Project, says: Says) -> None:
    project.git("switch", "-q", "b")
    for command in (
        ("compare", "b", "workspace"),
        ("compare", "main"),
        ("compare", "main", "workspace", "--validation"),
        ("best",),
        ("best", "main", "b", "workspace"),
        ("report", "b"),
        ("promote", "workspace"),
        ("predict", "params.yaml"),
        ("serve", "workspace"),
        ("draw",),
    ):
        sentence = says(*command, code=NOT_ONE)
        assert "models is that of main" in sentence and "`dvc checkout`" in sentence
    assert not (project.path / "report.md").exists()
    assert "models is not what dvc.lock names" in project.dvc("repro", "-sf", "track", fails=True)

    # What lies in the cache is answered rightly all the same.
    found = json.loads(says("compare", "b", "main", "--json"))
    assert (found["verdict"], found["only_a"] < found["only_b"]) == ("better", True)
    check_out(project)
    assert json.loads(says("compare", "b", "--json"))["verdict"] == "the same"


def test_what_was_edited_and_has_not_run_is_named(project: Project, says: Says) -> None:
    project.edit(models__knn__n_neighbors=300)
    for command in (
        ("compare", "main"),
        ("report",),
        ("predict", "x.png"),
        ("promote", "workspace"),
    ):
        sentence = says(*command, code=NOT_ONE)
        assert "n_neighbors is 300 in params.yaml, these results were made with 4" in sentence
        assert "`dvc repro`" in sentence
    project.edit(models__knn__n_neighbors=4, evaluate__confidence=0.9)
    assert "evaluate.confidence is 0.9" in says("compare", "main", code=NOT_ONE)
    assert "the same" in says("compare", "main", "--validation")  # it does not depend on that
    project.git("reset", "-q", "--hard")

    style = project.path / "digits" / "plots" / "style.py"
    style.write_text(style.read_text(encoding="utf-8") + "# x\n", encoding="utf-8")
    assert "digits/plots changed since" in says("compare", "main", code=NOT_ONE)
    assert "the same" in says("compare", "main", "--validation")
    runs = len(project.runs())
    assert "digits/plots changed since" in project.dvc("repro", "-sf", "track", fails=True)
    assert len(project.runs()) == runs, "no run has one code's metrics and another's patch"
    project.git("reset", "-q", "--hard")

    metrics = project.path / "metrics" / "test.json"
    metrics.write_text(metrics.read_text(encoding="utf-8") + " ", encoding="utf-8")
    sentence = says("compare", "main", code=NOT_ONE)
    assert "metrics/test.json was changed by hand" in sentence and "`git restore`" in sentence
    project.git("reset", "-q", "--hard")
    (project.path / "models" / "mine").write_bytes(b"x")
    assert "models was changed by hand" in says("compare", "main", code=NOT_ONE)

    for text, problem in (("a: [", "is not valid YAML"), ("- a", "has no sections")):
        (project.path / "params.yaml").write_text(text, encoding="utf-8")
        assert "params.yaml" in (sentence := says("compare", code=1)) and problem in sentence


@pytest.mark.usefixtures("project")
def test_a_model_by_other_libraries_than_pinned_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(("compare", "main", "workspace")) == 0
    assert not caplog.messages
    pins = {"numpy": "0.1", "scipy": version("scipy")}
    monkeypatch.setattr("digits.common.versions.pinned_versions", lambda lock: pins)
    assert main(("compare", "main", "workspace")) == 0
    (said,) = caplog.messages
    assert said.startswith(f"the model is by numpy {version('numpy')} (pinned is 0.1): ")


def test_one_stage_alone_is_no_result(project: Project, says: Says) -> None:
    project.edit(models__knn__n_neighbors=300)
    project.dvc("repro", "-s", "train")
    for command in (("compare", "main"), ("report", "main")):
        assert "evaluate has not run with the present models" in says(*command, code=NOT_ONE)
    found = json.loads(says("compare", "main", "--validation", "--json"))
    assert found["verdict"] == "worse"
    runs = project.runs()
    assert "evaluate has not run with the present models" in project.dvc(
        "repro", "-sf", "track", fails=True
    )
    assert len(project.runs()) == len(runs), "no run has the metrics of two models"


def test_what_was_deleted_comes_out_of_the_cache(
    project: Project, says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("models", "data/predictions"):
        shutil.rmtree(project.path / path)
    (project.path / "metrics" / "test.json").unlink()
    assert "the same" in says("compare", "main")

    cache = project.path / ".dvc" / "cache" / "files" / "md5"
    kept = project.path.parent / "kept"
    shutil.copytree(cache, kept)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(project.path.parent / "forgetful"))
    for file in cache.glob("*/*"):
        if b"'descr'" in file.read_bytes()[:64]:  # an array
            file.chmod(0o644)
            file.write_bytes(file.read_bytes() + b"\0")
    assert "is damaged in DVC's cache" in says("compare", "b", "main", code=1)
    shutil.rmtree(cache)
    assert "of b is not on this machine: `dvc pull`" in says(
        "compare", "b", code=NotCached.exit_code
    )
    shutil.copytree(kept, cache)
    shutil.rmtree(kept)


def test_params_committed_without_a_run_are_said(
    project: Project, says: Says, caplog: pytest.LogCaptureFixture
) -> None:
    project.edit(models__knn__n_neighbors=9)
    project.git("commit", "-qam", "not run")
    found = json.loads(says("compare", "HEAD", "b", "--json"))
    assert found["params"] == {"models.knn.n_neighbors": {"a": 4, "b": 300}}
    assert "HEAD: models.knn.n_neighbors is 9 in params.yaml, these results" in caplog.text
    project.git("reset", "-q", "--hard", "HEAD~1")


def test_pictures_of_ones_own_that_no_param_names_are_no_other_result(
    project: Project, says: Says
) -> None:
    """They are put there to be scored, or to be learned from later."""
    mine = project.path / "data" / "own" / "mine"
    (mine / "7").mkdir(parents=True)
    try:
        (mine / "7" / "a.png").write_bytes(b"x")
        assert "the same" in says("compare", "main")
    finally:
        shutil.rmtree(mine)


@pytest.mark.slow
def test_restore_asks_before_it_touches(project: Project, says: Says) -> None:
    """On the run of main's `dvc repro`, whose results the cache then lacks."""
    models = project.locked("train")["models"]
    run = next(run for run in project.runs() if run.data.tags.get("dvc.models") == models)
    project.git("switch", "-q", "b")
    check_out(project)
    before = _state(project)

    def refused(*, code: int) -> str:
        sentence = says("restore", run.info.run_id, code=code)
        assert _state(project) == before
        return sentence

    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD_LOCK], cwd=project.path, env=project.env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout and holder.stdout.readline() == "locked\n"
    assert "another DVC process is at work" in refused(code=1)
    holder.communicate("")

    (project.path / "models" / "mine").write_bytes(b"x")
    before = _state(project)
    assert "models would be replaced and is not in DVC's cache" in refused(code=1)
    (project.path / "models" / "mine").unlink()
    before = _state(project)

    project.dvc("gc", "--workspace", "--force", "-q")
    sentence = refused(code=NotCached.exit_code)
    assert "models, data/predictions of main" in sentence and "`dvc push`" in sentence
    assert "Nothing has been changed." in sentence


_HOLD_LOCK = """
from dvc.repo import Repo, lock_repo
with Repo() as repo, lock_repo(repo):
    print("locked", flush=True)
    input()
"""


def _state(project: Project) -> tuple[str, str, dict[Path, bytes]]:
    """HEAD, git's view, and the files that DVC keeps."""
    files = [file for folder in ("models", "data") for file in (project.path / folder).rglob("*")]
    contents = {file: file.read_bytes() for file in files if file.is_file()}
    return project.git("rev-parse", "--abbrev-ref", "HEAD"), project.git("status", "-s"), contents
