"""`python -m digits promote`: when a model becomes the champion, and what is said of it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from digits.commands.promote import promote
from digits.common.errors import BadInput
from digits.experiments.revisions import Revision
from tests.revisions import SAME, A, B

REVISIONS = {"weak": A, "good": B, "alike": SAME}


def run_of(name: str, dataset: str = "0123") -> Any:
    used = SimpleNamespace(dataset=SimpleNamespace(digest=dataset))
    return SimpleNamespace(
        info=SimpleNamespace(run_id=f"id of {name}", run_name=name),
        inputs=SimpleNamespace(dataset_inputs=[used]),
    )


@dataclass
class Registry:
    """In the place of MLflow's: the runs by experiment, the champion, and what was registered."""

    runs: dict[str, Any] = field(default_factory=lambda: {name: run_of(name) for name in REVISIONS})
    champion: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""

    def promote(self, name: str, force: bool = False) -> str:
        client = SimpleNamespace(get_run=lambda run_id: self.runs[run_id.removeprefix("id of ")])
        store: Any = SimpleNamespace(client=client, file=Path("mlflow.db"))
        return promote(Path(), store, name, force)

    def find_champion(self, _: Any) -> Any:
        if self.champion:
            return SimpleNamespace(run_id=self.runs[self.champion].info.run_id, version="7")
        return None

    def find_complete_run(self, _: Any, models_hash: str, preferred_run: str | None) -> Any:
        assert preferred_run == (f"id of {self.champion}" if self.champion else None)
        return self.runs.get(models_hash.removeprefix("hash of "))

    def register_champion(self, _: Any, run: Any, tags: dict[str, str], description: str) -> Any:
        self.champion, self.tags, self.description = run.info.run_name, tags, description
        return SimpleNamespace(version="8")

    def download_validation(self, _: Any, run: Any, folder: Path) -> Path:
        REVISIONS[run.info.run_name].predictions.save(folder / "validation")
        return folder / "validation"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    def read_revision(_: Path, name: str, part: str) -> Revision:
        assert part == "validation", "the test set is not looked at"
        revision = REVISIONS[name]
        correct = revision.predictions.correct
        metrics = {"n": len(correct), "errors": int((~correct).sum()), "accuracy": correct.mean()}
        metrics |= {"accuracy_low": 0.5, "accuracy_high": 0.9876}
        return Revision(name, revision.params, metrics, revision.predictions)

    registry = Registry()
    monkeypatch.setattr("digits.experiments.revisions.read_revision", read_revision)
    monkeypatch.setattr(
        "digits.experiments.revisions.read_hash", lambda _, name, path: f"hash of {name}"
    )
    for function in (
        "find_champion",
        "find_complete_run",
        "register_champion",
        "download_validation",
    ):
        monkeypatch.setattr(f"digits.tracking.registry.{function}", getattr(registry, function))
    return registry


def test_the_first_champion(registry: Registry) -> None:
    assert registry.promote("weak") == (
        "weak is the champion, the first one. It is version 8 of digits in MLflow's registry."
    )
    accuracy = f"{A.predictions.correct.mean():.4f}"
    assert registry.tags == {"experiment": "weak", "validation_accuracy": accuracy}
    assert re.fullmatch(
        r"Validation: [\d.]+ % of 600 images right \(50.00 to 98.76\), \d+ errors. "
        r"weak is the champion, the first one.",
        registry.description,
    )
    assert registry.promote("weak") == "weak is the champion already (version 7)."


def test_what_is_better(registry: Registry) -> None:
    registry.champion = "weak"
    sentence = registry.promote("good")
    only_weak = int((A.predictions.correct & ~B.predictions.correct).sum())
    only_good = int((B.predictions.correct & ~A.predictions.correct).sum())
    comparison = (
        f"better on 600 validation images, {only_good} of which it alone read right and the "
        f"other alone {only_weak} (McNemar's exact p = "
    )
    assert f"good is the champion; against weak, the one before: {comparison}" in sentence
    assert registry.champion == "good" and registry.tags["compared_with"] == "7"
    assert registry.tags["comparison"].startswith(comparison) and "forced" not in registry.tags


@pytest.mark.parametrize(
    ("champion", "name", "verdict"),
    [
        ("good", "weak", "worse on 600 validation images"),
        ("weak", "alike", "cannot tell apart on 600 validation images"),
    ],
)
def test_what_is_not_better(registry: Registry, champion: str, name: str, verdict: str) -> None:
    registry.champion = champion
    sentence = rf"^{name} against the champion {champion}: {verdict}.*; it is not promoted"
    with pytest.raises(BadInput, match=sentence):
        registry.promote(name)
    assert registry.champion == champion and not registry.tags
    assert f"{name} is the champion; against {champion}" in registry.promote(name, force=True)
    assert registry.tags["forced"] == "true" and registry.tags["comparison"].startswith(verdict)


def test_what_cannot_be_compared(registry: Registry) -> None:
    registry.champion = "weak"
    registry.runs["good"] = run_of("good", dataset="4567")
    with pytest.raises(BadInput, match="validated on different images or with different targets"):
        registry.promote("good")
    assert registry.champion == "weak"


def test_what_has_no_run(registry: Registry) -> None:
    del registry.runs["good"]
    with pytest.raises(
        BadInput, match=r"^good has no run in MLflow: .* `dvc repro -sf track` logs it\.$"
    ):
        registry.promote("good")
