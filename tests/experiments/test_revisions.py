"""Revisions that real git and DVC keep, read by `digits compare`."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml
from PIL import Image

from digits.__main__ import main
from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.files import write_json
from digits.experiments.comparison import compare
from digits.experiments.lock import Part
from digits.experiments.ranking import rank_experiments
from digits.experiments.revisions import NotCached, Revision, read_revision
from digits.metrics.tables import first_path, read_metrics, table_path
from tests.experiments.conftest import switch_to_main
from tests.revisions import A
from tests.scratch import Project, without

Digits = Callable[..., tuple[int, str, str]]


@pytest.fixture
def compared(digits: Digits) -> Callable[..., Any]:
    """What `digits compare --json` finds, without a word beside it."""

    def run(project: Project, *arguments: str) -> Any:
        code, out, err = digits(project, "compare", *arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    return run


@pytest.fixture
def refused(digits: Digits) -> Callable[..., str]:
    """The one sentence on why not."""

    def run(project: Project, *arguments: str, code: int = 1) -> str:
        found, out, err = digits(project, *arguments)
        assert (found, out) == (code, ""), err
        assert err.startswith("digits: ") and err.endswith(".\n") and err.count("\n") == 1
        return err

    return run


@pytest.mark.slow
def test_revisions_of_every_kind(
    branches: Project,
    tmp_path: Path,
    digits: Digits,
    compared: Callable[..., Any],
    refused: Callable[..., str],
) -> None:
    project = branches.copy(tmp_path / "digits")
    switch_to_main(project)
    project.git("tag", "first")
    project.dvc("exp", "run", "-n", "other", "-S", "models.knn.n_neighbors=300", "evaluate")

    # Seconds that a comparison does without.
    command = [sys.executable, "-m", "digits", "compare", "main", "other", "--json"]
    run = subprocess.run(
        command,
        cwd=project.path,
        env=project.env
        | without(tmp_path / "without", "mlflow", "matplotlib", "sklearn", "pandas"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    found = json.loads(run.stdout)
    assert (found["a"], found["b"], found["n"]) == ("main", "other", 300)
    assert found["params"] == {"models.knn.n_neighbors": {"a": 4, "b": 300}}
    accuracy = found["metrics"][0]
    assert accuracy["b"] == pytest.approx(project.json("metrics/test.json")["accuracy"])
    assert found["only_b"] - found["only_a"] == round(300 * (accuracy["b"] - accuracy["a"]))

    # The experiment is also what is in the workspace; main has a tag and a number too.
    numbers = {name: value for name, value in found.items() if name not in ("a", "b")}
    short = project.git("rev-parse", "--short", "main").strip()
    for given, a, b in (
        ((), "main", "workspace"),
        (("first",), "first", "workspace"),
        ((short, "other"), short, "other"),
    ):
        assert compared(project, *given) == numbers | {"a": a, "b": b}
    validated = compared(project, "main", "other", "--validation")
    assert validated["n"] == project.json("metrics/validation.json")["n"]

    # What is printed for people, and for a pull request.
    code, text, _ = digits(
        project,
        "compare",
        "main",
        "other",
        "--md",
        "--confidence",
        "0.9",
        "--gallery",
        str(tmp_path / "g.png"),
    )
    assert code == 0
    assert (
        text.startswith("`other` against `main`: **")
        and "| metric" in text
        and "90 % interval |" in text
    )
    assert [path.name for path in tmp_path.glob("*.png*")] == ["g.png"]
    with Image.open(tmp_path / "g.png") as picture:
        assert picture.format == "PNG" and min(picture.size) > 200
    code, text, _ = digits(project, "compare", "main", "other", "workspace")
    assert code == 0 and "against workspace" in text and "3 comparisons" in text
    listed = compared(project, "main", "other", "workspace")
    assert [(each["a"], each["b"]) for each in listed] == [
        ("main", "other"),
        ("main", "workspace"),
        ("other", "workspace"),
    ]

    # What is not there.
    assert "nothing_here is no revision here" in refused(project, "compare", "main", "nothing_here")
    assert "nothing_here is no revision here" in refused(project, "best", "main", "nothing_here")
    assert "two revisions, not 3" in refused(
        project, "compare", "main", "other", "first", "--gallery", "g.png"
    )
    assert "in a folder that is there" in refused(
        project, "compare", "main", "--gallery", "nowhere/g.png"
    )
    shutil.rmtree(project.path / ".dvc" / "cache" / "files")
    sentence = refused(
        project, "compare", "workspace", "other", "--gallery", str(tmp_path / "never.png"), code=3
    )
    assert (
        "data/predictions/rows.npy of other is not on this machine: `dvc pull` " in sentence
        and "`dvc repro`" in sentence
    )
    assert not list(tmp_path.glob("never*"))
    shutil.rmtree(project.path / "data" / "predictions")
    assert "of workspace is not on this machine: `dvc pull` or `dvc repro` brings it" in refused(
        project, "compare", "workspace", "other", code=3
    )


@pytest.mark.slow
def test_other_test_images_are_refused(
    with_experiments: Project, refused: Callable[..., str]
) -> None:
    assert "main and workspace were tested on different images" in refused(
        with_experiments, "compare"
    )


def test_broken_results_are_a_sentence(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, which is faster. Also where DVC's cache has lost a part of a folder."""
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("digits.commands.compare.ROOT", project.path)

    def says(*arguments: str) -> str:
        assert main(arguments) == 1
        return capsys.readouterr().err

    (project.path / "metrics" / "test.json").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    project.git("commit", "-qam", "a conflict")
    shutil.rmtree(project.path / ".dvc" / "cache" / "files" / "md5")
    assert "metrics/test.json of HEAD is not the one that its dvc.lock names" in says(
        "compare", "HEAD", "main~1"
    )
    project.git("reset", "-q", "--hard", "HEAD~1")
    (project.path / "metrics" / "test.json").unlink()
    assert "metrics/test.json of workspace is not there: `dvc repro`" in says(
        "compare", "workspace", "main"
    )

    project.git("checkout", "-q", "metrics")
    monkeypatch.setenv(
        "DVC_SITE_CACHE_DIR", str(project.path.parent / "forgetful")
    )  # else DVC remembers what was in a folder
    for file in (project.path / ".dvc" / "cache" / "files" / "md5").glob("*/*.dir"):
        file.unlink()
    assert main(["compare", "main"]) == NotCached.exit_code
    assert "of main is not on this machine" in capsys.readouterr().err

    project.git("checkout", "-q", "--orphan", "bare")
    project.git("rm", "-rqf", "--cached", ".")
    project.git("commit", "-q", "--allow-empty", "-m", "nothing")
    assert says("compare", "bare").startswith("digits: bare has no ")


def test_older_results_with_all_metrics_in_one_file_are_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    lock = parse_yaml((project.path / "dvc.lock").read_bytes(), "dvc.lock")
    parts: dict[str, Part] = {"train": "validation", "evaluate": "test"}
    for stage, part in parts.items():
        outs = [out for out in lock["stages"][stage]["outs"] if out["path"] != table_path(part)]
        write_json(project.path / first_path(part), read_metrics(project.path, part))
        content = (project.path / first_path(part)).read_bytes()
        (metrics,) = (out for out in outs if out["path"] == first_path(part))
        metrics["md5"] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        lock["stages"][stage]["outs"] = outs
    (project.path / "dvc.lock").write_text(dumps_yaml(lock), encoding="utf-8")
    project.git("rm", "-q", "--cached", table_path("validation"), table_path("test"))
    project.git("commit", "-qam", "as it was before the tables")

    for part in parts.values():
        older, newer = (
            read_revision(project.path, name, part).metrics for name in ("main", "main~1")
        )
        assert older == newer and "recall_3_low" in older
    ranks, _ = rank_experiments(project.path, ["main", "main~1"])
    assert [rank.verdict for rank in ranks] == ["the first", "the same"]


def test_a_table_that_is_not_dvc_locks_is_named(
    project: Project, refused: Callable[..., str]
) -> None:
    table = project.path / table_path("test")
    table.write_text(table.read_text(encoding="utf-8").replace("recall,3,", "recall,3,0"))
    assert "plots/metrics_test.csv" in refused(project, "compare", code=4)


@pytest.mark.slow
def test_without_git_there_is_nothing_to_compare(
    project: Project, refused: Callable[..., str]
) -> None:
    shutil.rmtree(project.path / ".git")
    for command in ("best", "compare", "queue", "ladder"):
        assert f"{project.path} is in no git repository" in refused(project, command)


def test_validation_of_other_images_is_refused() -> None:
    a, b = (Revision(name, {"fetch": {"dataset": name}}, {"n": 9}, A.predictions) for name in "ab")
    with pytest.raises(BadInput, match="a and b are about different data sets"):
        compare(a, b)


def test_settings_that_dvc_cannot_read_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"^DVC cannot read its settings: .* line 1\.$"):
        read_revision(tmp_path, "workspace")


def test_extra_pictures_leave_validation_on_the_same_images() -> None:
    """They are in no fold. Older results have no such param."""
    older, plain, extra = (
        Revision(name, {"fetch": {"dataset": "x"} | more}, {"n": 9}, A.predictions)
        for name, more in (("older", {}), ("plain", {"extra": None}), ("extra", {"extra": "y"}))
    )
    assert compare(older, plain).params == {}
    assert compare(plain, extra).params == {"fetch.extra": (None, "y")}


@pytest.mark.slow
def test_a_report_says_what_it_was_not_compared_with(project: Project, digits: Digits) -> None:
    code, _, said = digits(project, "report", "typo")
    assert code == 0 and "digits: not compared with typo: typo is no revision here" in said
    assert "Not compared with `typo`" in (project.path / "report.md").read_text(encoding="utf-8")


def test_a_confidence_is_a_number_between_0_and_1(
    fresh: Project, refused: Callable[..., str]
) -> None:
    for level in ("abc", "1", "0"):
        assert f"--confidence is '{level}', allowed is a number between 0 and 1." in refused(
            fresh, "compare", "--confidence", level
        )
