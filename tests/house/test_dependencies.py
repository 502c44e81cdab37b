"""What a stage depends on: dvc.yaml against the code, and dvc.lock against the tree."""

import ast
import configparser
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from digits.common.dvc_yaml import parse_yaml
from digits.common.files import CLUTTER, read_json
from digits.common.versions import LOCK
from digits.params.datasets import SOURCES
from digits.params.schema import Params
from tests.imports import ROOT, closure, is_docstring_alone, modules, own_file
from tests.scratch import STAGES

PIPELINE: dict[str, Any] = parse_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"]
CODE = ("stages", "digits")
# What only observes a stage, so that an edit of it must not run the stage again.
OBSERVERS = {"train": (Path("digits/tracking"), Path("digits/experiments"))}
MAIN = Path("stages/__main__.py")
# Folders of which a stage needs most, not all.
PARTLY = ("digits/common", "digits/params", "digits/tracking", "stages/runner")


def names(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def outs(stage: str) -> list[str]:
    kinds = ("outs", "metrics", "plots")
    return [name for kind in kinds for name in names(PIPELINE[stage].get(kind, []))]


def code_deps(stage: str) -> list[Path]:
    return [Path(dep) for dep in PIPELINE[stage]["deps"] if dep.split("/")[0] in CODE]


def covered(deps: list[Path]) -> set[Path]:
    """The modules that some dependencies, files and folders, stand for."""
    return {file for file in modules(*CODE) if any(dep in (file, *file.parents) for dep in deps)}


def needed(stage: str) -> set[Path]:
    """The modules that a stage imports, also those that a table or a model file names as text."""
    without = OBSERVERS.get(stage, ())
    files = closure(Path("stages") / f"{stage}.py", without) | closure(MAIN)
    if stage == "fetch":
        named = [own_file(source.target.partition(":")[0]) for source in SOURCES]
    elif Path("digits/models/persistence.py") in files:
        named = [*modules("digits/features", "digits/models")]  # what a model file may hold
    else:
        named = []
    for file in named:
        files |= closure(file, without) if file else set()
    return files


def test_the_stages_run_in_the_order_the_data_flows() -> None:
    assert tuple(PIPELINE) == STAGES
    made = ["data/own"]  # by a person
    for stage in STAGES:
        data = [dep for dep in PIPELINE[stage]["deps"] if dep.split("/")[0] not in CODE]
        computes = stage != "track"
        assert (LOCK.name in data) == computes, "other libraries, other results"
        data = [dep for dep in data if dep != LOCK.name]
        assert data
        for dep in data:
            folders = [f"{out}/" for out in made]
            assert any(f"{dep}/".startswith(out) or out.startswith(f"{dep}/") for out in folders), (
                f"{stage}: {dep}"
            )
        made += outs(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_that_it_imports(stage: str) -> None:
    assert len(needed(stage)) > 10
    assert needed(stage) <= covered(code_deps(stage)), needed(stage) - covered(code_deps(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_depends_on_is_what_it_imports(stage: str) -> None:
    """A folder where it needs all of it, else the files: what it does not use runs nothing again.

    The schema, what is common and, for `track`, tracking are exempt: they are small, and the
    stages need most of them.
    """
    for dep in code_deps(stage):
        files = {file for file in covered([dep]) if not is_docstring_alone(file)}
        assert (ROOT / dep).exists() and files, dep
        unused = files - needed(stage)
        if dep.as_posix() in PARTLY:
            assert len(unused) * 2 < len(files), dep
        else:
            assert not unused, f"{stage} depends on {dep} and does not use {unused}"
    assert len(code_deps(stage)) <= 14
    assert len(set(code_deps(stage))) == len(code_deps(stage))


def test_dvc_yaml_names_at_most_65_pieces_of_code() -> None:
    assert sum(len(code_deps(stage)) for stage in STAGES) <= 65


def test_train_uses_nothing_that_tracking_returns() -> None:
    """It may open the run, call it, and hand its method on; so tracking is no dependency."""
    tree = ast.parse((ROOT / "stages" / "train.py").read_text(encoding="utf-8"))
    observers = {"run"}  # what `live_run` yields
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and own_room(node.module) in (
            "tracking",
            "experiments",
        ):
            observers |= {alias.name for alias in node.names}
    assert observers >= {"run", "live_run"}
    uses = []
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.stmt) or isinstance(statement, ast.FunctionDef):
            continue
        if isinstance(statement, ast.With | ast.If | ast.For):
            continue  # the statements in it come by themselves; the `with` only opens the run
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        if names & observers:
            uses.append(statement)
    results = [ast.unparse(use) for use in uses if not isinstance(use, ast.Expr)]
    assert len(uses) > 3 and results == ["history = EpochHistory(run.log_epoch)"]
    condition = [node.test for node in ast.walk(tree) if isinstance(node, ast.If)]
    loops = [node.iter for node in ast.walk(tree) if isinstance(node, ast.For)]
    for expression in [*condition, *loops]:
        assert not {n.id for n in ast.walk(expression) if isinstance(n, ast.Name)} & observers


def own_room(module: str | None) -> str:
    """The room of one of the library's modules; empty for another module."""
    parts = (module or "").split(".")
    return parts[1] if parts[0] == "digits" and len(parts) > 1 else ""


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_params_it_reads(stage: str) -> None:
    """What of `params` its page touches is declared in dvc.yaml, and the other way round."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    read = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "params"
    }
    if stage == "track":
        assert "effective" in read
        read = {*Params.model_fields} - {"models"} | {"models.${train.model}"}
    read = {"models.${train.model}" if name == "model_settings" else name for name in read}
    assert set(PIPELINE[stage]["params"]) == read - {"effective"}


def test_the_test_images_reach_evaluate_alone() -> None:
    """Between the raw data and evaluate stand only stages that keep the training rows."""
    assert "data/raw" not in PIPELINE["train"]["deps"]
    readers = {stage for stage in STAGES if "data/raw" in PIPELINE[stage]["deps"]}
    assert readers == {"split", "augment", "evaluate"}
    assert "metrics/test.json" in outs("evaluate")
    for stage in ("fetch", "split", "augment", "train"):
        assert "test.json" not in (ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_starts_without_what_it_does_not_need(stage: str) -> None:
    code = f"import sys, stages.runner.run, stages.{stage}; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    light = {"sklearn", "matplotlib", "mlflow", "skops", "seaborn"}
    heavy = {
        "fetch": light,
        "split": light,
        "augment": light,
        "train": {"matplotlib", "mlflow", "seaborn"},
        "evaluate": {"mlflow", "seaborn"},
        "track": light,
    }
    assert not loaded & heavy[stage]


def test_dvc_is_set_up_so_that_nothing_is_wrong_in_silence() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config", encoding="utf-8")
    remotes = [section for section in config.sections() if "remote" in section]
    assert remotes
    assert all(config[remote]["verify"] == "true" for remote in remotes), "damage would be pulled"
    assert not config.has_option("cache", "type"), "with links, writing in place damages the cache"
    for stage in STAGES:
        entries = [PIPELINE[stage], *PIPELINE[stage].get("outs", [])]
        for entry in entries:
            assert not {"frozen", "always_changed", "persist"} & set(str(entry).split("'")), stage
    cached = [{".mlflow/tracked": {"cache": False}}]
    assert PIPELINE["track"]["outs"] == cached, "in the run cache, a clone would never log"


def test_what_is_nobodys_data_is_so_to_dvc_and_to_the_guard() -> None:
    lines = (ROOT / ".dvcignore").read_text(encoding="utf-8").splitlines()
    patterns = {line.replace("\\#", "#") for line in lines if line and not line.startswith("#")}
    of_folders = {pattern for pattern in patterns if "/" not in pattern}
    assert of_folders == {*CLUTTER, "__pycache__"}


def test_the_committed_results_are_those_of_the_committed_code() -> None:
    """dvc.lock has the hashes of the code and the results in the tree, and the params."""
    lock = parse_yaml((ROOT / "dvc.lock").read_bytes(), "dvc.lock")["stages"]
    params = parse_yaml((ROOT / "params.yaml").read_bytes(), "params.yaml")
    checked = 0
    for stage in STAGES:
        for entry in [*lock[stage]["deps"], *lock[stage]["outs"]]:
            path = Path(entry["path"])
            if path.parts[0] in CODE and (ROOT / path).is_dir():
                current = folder_hash(path)
            elif (
                path.parts[0] in (*CODE, LOCK.name, "metrics", "plots") and (ROOT / path).is_file()
            ):
                current = md5((ROOT / path).read_bytes())
            else:
                continue
            checked += 1
            assert current == entry["md5"], f"{stage}: {path}; run `dvc repro` and commit"
        for key, value in lock[stage].get("params", {}).get("params.yaml", {}).items():
            section: Any = params
            for name in key.split("."):
                section = section[name]
            assert section == value, f"{stage}: {key}; run `dvc repro` and commit"
    assert checked > 60
    test = read_json(ROOT / "metrics" / "test.json")
    assert test["accuracy_low"] < test["accuracy"] < test["accuracy_high"]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def folder_hash(folder: Path) -> str:
    """DVC's hash of a folder of modules: the MD5 of the list of its files and theirs."""
    entries = [
        {"md5": md5((ROOT / file).read_bytes()), "relpath": file.relative_to(folder).as_posix()}
        for file in covered([folder])
    ]
    ordered = sorted(entries, key=lambda entry: entry["relpath"])
    return md5(json.dumps(ordered, sort_keys=True).encode()) + ".dir"
