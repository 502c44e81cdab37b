"""Runs of one commit have names that tell them apart, and that a person reads with ease."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.experiments.run_names import run_name

PARAMS = """\
fetch: {dataset: digits_8x8}
augment: {copies: 0, shifts: []}
train: {model: knn, copies: all, components: 0}
models:
  knn: {n_neighbors: 4, weights: distance}
  svm: {C: 1.0}
"""
LOCK = "stages: {fetch: {outs: [{path: data/raw, md5: %s}]}}"


@pytest.fixture
def commit(git: Callable[..., str], tmp_path: Path) -> str:
    """The name of the run of what is committed."""
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (tmp_path / "dvc.lock").write_text(LOCK % "a", encoding="utf-8")
    git("add", "-A")
    git("commit", "-qm", "params")
    return f"trunk-{git('rev-parse', '--short', 'HEAD')}"


def edit(folder: Path, *changes: tuple[str, str]) -> None:
    text = PARAMS
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "params.yaml").write_text(text, encoding="utf-8")


def test_is_branch_and_commit_of_what_is_committed(commit: str, tmp_path: Path) -> None:
    assert run_name("") == commit
    (tmp_path / "params.yaml").write_text(f"# a comment\n{PARAMS}", encoding="utf-8")
    assert run_name("") == commit


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([("n_neighbors: 4", "n_neighbors: 300")], "n_neighbors=300"),
        (
            [("n_neighbors: 4", "n_neighbors: 1"), ("distance", "uniform")],
            "n_neighbors=1,weights=uniform",
        ),
        ([("model: knn", "model: svm"), ("C: 1.0", "C: 10.0")], "model=svm,C=10.0"),
        ([("C: 1.0", "C: 10.0")], ""),
        ([("copies: 0", "copies: 5"), ("copies: all", "copies: none")], None),
        ([("components: 0", "components: null")], "components=null"),
        ([("digits_8x8", "'idx:own/1'")], "dataset=idx:own/1"),
        ([("shifts: []", "shifts: [1, 0]")], "shifts=1,0"),
    ],
)
def test_says_what_is_not_committed(
    commit: str, tmp_path: Path, changes: list[tuple[str, str]], name: str | None
) -> None:
    edit(tmp_path, *changes)
    if name is None:  # whose copies they are
        name = "augment.copies=5,train.copies=none"
    assert run_name("") == "-".join(filter(None, [commit, name]))


def test_what_is_too_long_or_has_other_signs_is_a_digest(commit: str, tmp_path: Path) -> None:
    names = set()
    for shifts in ("[[1, 0]]", "[[0, 1]]", "[" + "7, " * 100 + "7]", "a folder's"):
        edit(tmp_path, ("shifts: []", f"shifts: {shifts}"))
        assert re.fullmatch(rf"{commit}-params-[0-9a-f]{{6}}", run_name("")), run_name("")
        names.add(run_name(""))
    assert len(names) == 4
    edit(tmp_path, ("n_neighbors: 4", "n_neighbors: 1"), ("components: 0", "components: a/b c"))
    assert re.fullmatch(rf"{commit}-params-[0-9a-f]{{6}}", run_name(""))


def test_tells_edited_code_and_other_data_apart(commit: str, tmp_path: Path) -> None:
    names = [run_name("")]
    (tmp_path / "digits").mkdir(exist_ok=True)
    for text in ("a = 1\n", "a = 2\n"):
        (tmp_path / "digits" / "new.py").write_text(text, encoding="utf-8")
        names.append(run_name(""))
    (tmp_path / "dvc.lock").write_text(LOCK % "b", encoding="utf-8")
    names.append(run_name(""))
    forms = ["", "-code-[0-9a-f]{6}", "-code-[0-9a-f]{6}", "-code-[0-9a-f]{6}-data-[0-9a-f]{6}"]
    for name, form in zip(names, forms, strict=True):
        assert re.fullmatch(commit + form, name), name
    assert len(set(names)) == 4
    edit(tmp_path, ("digits_8x8", "mnist"))
    assert "dataset=mnist-code-" in run_name("") and "data-" not in run_name("")
    edit(tmp_path, ("digits_8x8", "'idx:data/own/mine'"))
    names = [run_name("")]
    (tmp_path / "dvc.lock").write_text(LOCK % "c", encoding="utf-8")
    assert run_name("") not in names and "dataset=idx:data/own/mine-code-" in names[0]
    edit(tmp_path, ("digits_8x8", "digits_8x8, extra: 'images:data/own/mine'"))
    name = run_name("")
    (tmp_path / "dvc.lock").write_text(LOCK % "d", encoding="utf-8")
    assert run_name("") != name and "extra=images:data/own/mine-code-" in name


@pytest.mark.usefixtures("commit")
def test_is_the_experiments_in_dvc(tmp_path: Path) -> None:
    edit(tmp_path, ("n_neighbors: 4", "n_neighbors: 300"))
    assert run_name("bluer-tit") == "bluer-tit"


@pytest.mark.usefixtures("commit")
@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "42"])
def test_broken_params_stop_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert run_name("").startswith("trunk-")
