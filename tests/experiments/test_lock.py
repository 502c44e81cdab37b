"""A dvc.lock is one result when each stage ran on what the stages before it made."""

import copy
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml

from digits.common.errors import BadInput
from digits.experiments.lock import Lock, NotOneResult, differing_params

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
