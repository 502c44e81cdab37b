"""A dvc.lock is one result when each stage ran on what the stages before it made."""

import copy
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_objects.fs.local import localfs

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.lock import Lock, NotOneResult, check_files, differing_params

CHAIN = {
    "fetch": ([], ["data/raw"], {"fetch": {"dataset": "digits_8x8"}}),
    "split": (["data/raw"], ["data/split"], {"target": "digit", "split": {"folds": 3}}),
    "augment": (["data/split"], ["data/augmented"], {"augment": {"shifts": [[0, 1]]}}),
    "train": (
        ["data/augmented"],
        ["models"],
        {"target": "digit", "train": {"model": "knn"}, "models.knn": {"n_neighbors": 4}},
    ),
    "evaluate": (["models"], ["data/predictions"], {"evaluate": {"confidence": 0.95}}),
}
STAGES: dict[str, Any] = {
    name: {
        "cmd": name,
        "deps": [{"path": path, "md5": f"of {path}"} for path in deps],
        "params": {"params.yaml": params},
        "outs": [{"path": path, "md5": f"of {path}"} for path in outs],
    }
    for name, (deps, outs, params) in CHAIN.items()
}
PARAMS = """
target: digit
fetch: {dataset: digits_8x8}
split: {folds: 3}
augment: {shifts: [[0, 1]]}
train: {model: knn}
models: {knn: {n_neighbors: 4}, forest: {n_estimators: 7}}
evaluate: {confidence: 0.95}
"""


def lock(**changed: Any) -> Lock:
    stages = copy.deepcopy(STAGES) | changed
    return Lock.parse(dumps_yaml({"schema": "2.0", "stages": stages}), "main")


def test_a_whole_run_is_one_result() -> None:
    whole = lock()
    whole.check("validation")
    whole.check("test")
    assert whole.hash("models") == "of models"
    assert whole.params()["models"] == {"knn": {"n_neighbors": 4}}
    assert differing_params(whole, PARAMS) == {}
    with pytest.raises(BadInput, match=r"main:dvc\.lock knows nothing of nowhere"):
        whole.hash("nowhere")


def test_a_stage_that_ran_on_something_else_is_named() -> None:
    train = copy.deepcopy(STAGES["train"])
    train["outs"][0]["md5"] = "other"
    alone = lock(train=train)
    alone.check("validation")
    with pytest.raises(NotOneResult, match="evaluate has not run with the present models"):
        alone.check("test")
    split = copy.deepcopy(STAGES["split"])
    split["params"]["params.yaml"]["target"] = 5
    for part in ("validation", "test"):
        with pytest.raises(NotOneResult, match="train has not run with the present target"):
            lock(split=split).check(part)
    stages = {name: stage for name, stage in STAGES.items() if name != "evaluate"}
    partial = Lock.parse(dumps_yaml({"stages": stages}), "main")
    partial.check("validation")
    with pytest.raises(BadInput, match=r"main:dvc\.lock has no evaluate"):
        partial.check("test")


@pytest.mark.parametrize(
    "text", ["", "a: 1", "stages: 1", "stages: {fetch: 1}", "stages: {fetch: {outs: [1]}}", "- 1"]
)
def test_what_dvc_has_not_written_is_a_sentence(text: str) -> None:
    with pytest.raises(BadInput, match=r"main:dvc\.lock is not as DVC writes it"):
        Lock.parse(text, "main")


def test_params_that_were_not_used_are_named_with_both_values() -> None:
    edited = PARAMS.replace("n_neighbors: 4", "n_neighbors: 300").replace("_estimators: 7", "_: 8")
    assert differing_params(lock(), edited) == {
        "models.knn.n_neighbors": "models.knn.n_neighbors is 300 in params.yaml, "
        "these results were made with 4"
    }
    assert [*differing_params(lock(), edited.replace("model: knn", "model: forest"))] == [
        "train.model",
        "models.knn.n_neighbors",
    ]
    with pytest.raises(BadInput, match=r"params\.yaml has no sections"):
        differing_params(lock(), "- a")
    without_model = copy.deepcopy(STAGES["train"])
    del without_model["params"]
    with pytest.raises(BadInput, match=r"main:dvc\.lock has no fetch, or no train\.model"):
        lock(train=without_model).params()


def hash_by_dvc(path: Path) -> str:
    store = HashFileDB(localfs, str(path.parent / "store"))
    return str(build(store, str(path), localfs, "md5", dry_run=True)[2].hash_info.value)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A folder that is one result: params.yaml, dvc.yaml, dvc.lock, and the files that it names."""
    for file in ("models/b/c.npy", "models/b.npy", "models/ä.npy", "data/predictions/scores.npy"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"of {file}")
    stages = copy.deepcopy(STAGES)
    models, predictions = (hash_by_dvc(tmp_path / path) for path in ("models", "data/predictions"))
    stages["train"]["outs"][0]["md5"] = stages["evaluate"]["deps"][0]["md5"] = models
    stages["evaluate"]["outs"][0]["md5"] = predictions
    (tmp_path / "dvc.lock").write_text(dumps_yaml({"schema": "2.0", "stages": stages}))
    (tmp_path / "params.yaml").write_text(PARAMS)
    commands = {name: {"cmd": stage["cmd"]} for name, stage in STAGES.items()}
    (tmp_path / "dvc.yaml").write_text(dumps_yaml({"stages": commands}))
    return tmp_path


def test_files_that_a_lock_names_are_one_result(result: Path) -> None:
    check_files(result)
    (result / "models" / "b" / ".DS_Store").write_text("of a desktop")
    check_files(result)


def test_a_file_of_another_result_is_named(result: Path) -> None:
    (result / "models" / "b" / "c.npy").write_text("of another model")
    with pytest.raises(NotOneResult, match=r"models is not what dvc\.lock names \(`dvc repro`"):
        check_files(result)


def test_a_param_of_another_result_is_named(result: Path) -> None:
    (result / "params.yaml").write_text(PARAMS.replace("n_neighbors: 4", "n_neighbors: 5"))
    with pytest.raises(NotOneResult, match=r"models\.knn\.n_neighbors is 5 in params\.yaml"):
        check_files(result)


def test_code_that_changed_since_is_named(result: Path) -> None:
    files = ("digits/plots/style.py", "digits/plots/a/b.py", "stages/fetch.py", "data/own/a.png")
    for file in files:
        (result / file).parent.mkdir(parents=True, exist_ok=True)
        (result / file).write_text(f"of {file}")
    locked = parse_yaml((result / "dvc.lock").read_bytes(), "dvc.lock")
    for path in ("digits/plots", "stages/fetch.py", "data/own"):
        dep = {"path": path, "md5": hash_by_dvc(result / path)}
        locked["stages"]["evaluate"]["deps"].append(dep)
    (result / "dvc.lock").write_text(dumps_yaml(locked))
    check_files(result)
    for clutter in ("style.pyc", ".style.py", "a/notes.txt"):
        (result / "digits/plots" / clutter).write_text("no module")
    (result / files[3]).write_text("another picture, with which nothing has run yet")
    check_files(result)
    (result / files[1]).write_text("edited")
    (result / files[2]).unlink()
    sentence = r"digits/plots, stages/fetch\.py changed since these results were made \(`dvc repro`"
    with pytest.raises(NotOneResult, match=sentence):
        check_files(result)


def test_a_command_that_changed_since_is_named(result: Path) -> None:
    edited = (result / "dvc.yaml").read_text().replace("cmd: train", "cmd: OMP_NUM_THREADS=1 train")
    (result / "dvc.yaml").write_text(edited)
    sentence = r"the command of train in dvc\.yaml changed since these results were made"
    with pytest.raises(NotOneResult, match=sentence):
        check_files(result)


def test_files_without_a_lock_are_no_result(result: Path) -> None:
    (result / "dvc.lock").unlink()
    with pytest.raises(BadInput, match=r"dvc\.lock is missing: `dvc repro` makes it"):
        check_files(result)
