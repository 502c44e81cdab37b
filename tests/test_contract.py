"""What the files of the project promise each other."""

import ast
import configparser
import hashlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digits.__main__ import COMMANDS
from digits.common.dvc_yaml import parse_yaml
from digits.data.transforms import elastic
from digits.params.schema import Params, parse_params
from tests.imports import ROOT, closure, imported_modules, own_file
from tests.scratch import STAGES

PIPELINE: dict[str, Any] = parse_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"]
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")


def tracked_files() -> list[Path]:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    return [ROOT / name for name in filter(None, listed.split("\0")) if (ROOT / name).is_file()]


def keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all leaves."""
    for name, value in values.items():
        yield from (
            keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
        )


def names(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def outs(stage: str) -> list[str]:
    return [
        name
        for kind in ("outs", "metrics", "plots")
        for name in names(PIPELINE[stage].get(kind, []))
    ]


def test_the_stages_run_in_the_order_the_data_flows() -> None:
    assert tuple(PIPELINE) == STAGES
    made: list[str] = []
    for stage in STAGES:
        data = [dep for dep in PIPELINE[stage]["deps"] if not dep.endswith(".py")]
        assert all(any(dep == out or dep.startswith(f"{out}/") for out in made) for dep in data), (
            stage
        )
        made += outs(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_the_deps_of_a_stage_are_the_modules_it_imports(stage: str) -> None:
    code = {Path(dep) for dep in PIPELINE[stage]["deps"] if dep.endswith(".py")}
    assert code == closure(Path("stages") / f"{stage}.py")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_params_it_reads(stage: str) -> None:
    """Whatever of `params` its script touches is declared in dvc.yaml, and what is declared is touched."""
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    nodes = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "params"
    ]
    read = {node.attr for node in nodes}
    if "effective" in read and stage == "track":
        read = {*Params.model_fields} - {"models"} | {"models.${train.model}"}
    read = {"models.${train.model}" if name == "model_settings" else name for name in read} - {
        "effective"
    }
    assert set(PIPELINE[stage]["params"]) == read


def test_every_param_is_documented_declared_and_used() -> None:
    everything = set(keys(parse_yaml(PARAMS, "params.yaml")))
    assert everything == set(keys(parse_params(PARAMS).model_dump(by_alias=True)))
    declared = {
        key.replace(".${train.model}", "") for stage in STAGES for key in PIPELINE[stage]["params"]
    }
    assert {key.split(".")[0] for key in everything} == declared
    for line in PARAMS.splitlines():
        if re.match(r"\s*\w+: *[^ #]", line):
            assert re.search(r"\S +# \S", line), f"undocumented: {line}"
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("stages", "digits")
        for path in (ROOT / folder).glob("*.py")
    )
    for key in everything:
        last = key.split(".")[-1]
        if key.startswith("models."):
            continue  # keyword arguments of the estimator: test_families fits each
        if key.startswith("augment.elastic.") and last in inspect.signature(elastic).parameters:
            continue
        assert re.search(rf"\.{last}_?\b|\[\"{last}\"\]", code), f"{key} is used nowhere"


def test_the_test_images_reach_evaluate_alone() -> None:
    """On the DAG: between raw data and evaluate stand only stages that keep the training rows."""
    assert "data/raw" not in PIPELINE["train"]["deps"]
    assert {stage for stage in STAGES if "data/raw" in PIPELINE[stage]["deps"]} == {
        "split",
        "augment",
        "evaluate",
    }
    assert "metrics/test.json" in outs("evaluate")
    for stage in ("fetch", "split", "augment", "train"):
        assert "test.json" not in (ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_starts_without_what_it_does_not_need(stage: str) -> None:
    code = f"import sys, stages.{stage}; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    heavy = {
        "fetch": {"sklearn", "matplotlib", "mlflow"},
        "split": {"sklearn", "matplotlib", "mlflow"},
    }
    heavy |= {
        "augment": heavy["split"],
        "train": {"matplotlib", "mlflow"},
        "evaluate": {"mlflow"},
        "track": {"mlflow", "sklearn"},
    }
    assert not loaded & heavy[stage]


def test_imports_run_one_way() -> None:
    for path in (ROOT / "digits").glob("*.py"):
        assert not any(
            name.split(".")[0] == "stages" for name in imported_modules(path.relative_to(ROOT))
        ), path
    for path in (ROOT / "digits").glob("*.py"):
        for other in closure(path.relative_to(ROOT)) - {path.relative_to(ROOT)}:
            assert path.relative_to(ROOT) not in closure(other) or path.name == "__init__.py", (
                f"{path.name} <-> {other}"
            )


def test_what_is_imported_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {
        re.split(r"[<>=\[]", entry)[0].lower() for entry in project["project"]["dependencies"]
    }
    optional = {
        re.split(r"[<>=\[]", name)[0]
        for names in project["project"]["optional-dependencies"].values()
        for name in names
    }
    modules = {
        "PIL": "pillow",
        "dvc_data": "dvc",  # its own lower half, released with it
        "pydantic_core": "pydantic",
        "ruamel": "ruamel.yaml",
        "sklearn": "scikit-learn",
        "sklearnex": "scikit-learn-intelex",
        "vl_convert": "vl-convert-python",
    }
    used = {
        name.split(".")[0]
        for folder in ("stages", "digits")
        for path in (ROOT / folder).glob("*.py")
        for name in imported_modules(path.relative_to(ROOT))
    } - set(sys.stdlib_module_names) - {"stages", "digits"}  # fmt: skip
    used = {modules.get(name, name) for name in used}
    assert optional <= used <= declared | optional, used - declared
    assert declared <= used | {"dvc", "ruamel.yaml.clib"}, declared - used


def test_pip_installs_the_dependencies_alone() -> None:
    """`pip install '.[fast]'`: not told, setuptools stops at so many folders; a copy of the code would know no params or data."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project.get("tool", {}).get("setuptools", {}).get("packages") == []
    assert project["build-system"]["build-backend"] == "setuptools.build_meta"


def test_nothing_unpickles() -> None:
    for path in [*(ROOT / "stages").glob("*.py"), *(ROOT / "digits").glob("*.py")]:
        assert not imported_modules(path.relative_to(ROOT)) & {
            "pickle",
            "cloudpickle",
            "joblib.load",
            "dill",
            "shelve",
        }, path
        code = path.read_text(encoding="utf-8")
        called = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.Call)
        }
        assert not called & {
            "joblib.load",
            "mlflow.sklearn.load_model",
            "mlflow.pyfunc.load_model",
        }, path
        assert "allow_pickle=True" not in code, path


def test_dvc_is_set_up_so_that_nothing_is_wrong_in_silence() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config", encoding="utf-8")
    remotes = [section for section in config.sections() if "remote" in section]
    assert remotes and all(config[section]["verify"] == "true" for section in remotes), (
        "a damaged remote would be pulled"
    )
    assert not config.has_option("cache", "type"), (
        "with links, writing in place would damage the cache"
    )
    for stage in STAGES:
        for entry in (
            PIPELINE[stage],
            *(e for e in PIPELINE[stage].get("outs", []) if isinstance(e, dict)),
        ):
            assert not {"frozen", "always_changed", "persist"} & set(str(entry).split("'")), stage
    track = PIPELINE["track"]["outs"]
    assert track == [{".mlflow/tracked": {"cache": False}}], (
        "in the run cache, a clone would never log"
    )


def test_the_committed_results_are_those_of_the_committed_code() -> None:
    """dvc.lock has the hash of every file and the value of every param that is in the tree."""
    lock = parse_yaml((ROOT / "dvc.lock").read_bytes(), "dvc.lock")["stages"]
    params = parse_yaml(PARAMS, "params.yaml")
    for stage in STAGES:
        for entry in [*lock[stage]["deps"], *lock[stage]["outs"]]:
            path = ROOT / entry["path"]
            if path.is_file() and path in tracked_files():
                assert hashlib.md5(path.read_bytes()).hexdigest() == entry["md5"], (
                    f"{stage}: {path}; run `dvc repro` and commit"
                )
        for key, value in lock[stage].get("params", {}).get("params.yaml", {}).items():
            section: Any = params
            for name in key.split("."):
                section = section[name]
            assert section == value, f"{stage}: {key}; run `dvc repro` and commit"
    test = json.loads((ROOT / "metrics" / "test.json").read_text(encoding="utf-8"))
    assert test["accuracy_low"] < test["accuracy"] < test["accuracy_high"]


def test_no_file_names_a_package_index_or_is_large() -> None:
    hosts = re.compile(
        rb"--(extra-)?index[-]url|--find[-]links|python[h]osted\.org|registry\.[n]pmjs"
    )  # not found in this line
    for path in tracked_files():
        content = path.read_bytes()
        assert not hosts.search(content), path
        assert len(content) < 2**20, path


def test_make_calls_modules_that_are_there_and_its_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = set(re.findall(r"python -m digits (\w+)", text))
    assert {"report", "queue", "ladder", "ui", "serve"} <= commands <= set(COMMANDS)
    modules = set(re.findall(r"python -m (bench[\w.]*)", text))
    assert modules and not {module for module in modules if own_file(module) is None}
    targets = re.findall(r"^([a-z-]+):.* ## ", text, re.MULTILINE)
    assert len(set(targets)) == len(targets)
    assert set(targets) == {
        target
        for line in re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
        for target in line.split()
    }


def test_the_lock_pins_every_package_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9-]+)==\S+", lock, re.MULTILINE)
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    assert len(pinned) == len(entries) and all("--hash=sha256:" in entry for entry in entries)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    assert {re.split(r"[<>=\[]", entry)[0].lower().replace(".", "-") for entry in wanted} <= set(
        pinned
    )
