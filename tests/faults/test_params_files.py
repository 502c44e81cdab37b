"""params.yaml: whatever is valid runs, or is refused by name; whatever is mangled is refused."""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import numpy as np
import pytest
from dvc.utils.serialize import dumps_yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import stages.evaluate
import stages.train
from digits.common.errors import BadInput
from digits.common.files import read_json
from digits.data.dataset import DataSet, save_raw
from digits.metrics.predictions import Predictions
from digits.params.nested import flatten
from digits.params.representations import REPRESENTATIONS
from digits.params.schema import Params, parse_params
from digits.tracking.live import LiveRun
from stages.augment import augment
from stages.evaluate import evaluate
from stages.runner.stage import Stage
from stages.split import split
from stages.train import train
from tests.faults.tally import SEED, Tally, number
from tests.settings import VALUES
from tests.small import IMAGES, LABELS

pytestmark = [
    pytest.mark.faults,
    pytest.mark.usefixtures("little_memory"),
    pytest.mark.filterwarnings("ignore"),
]

CAMPAIGN = settings(
    max_examples=number(3000),
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
WHOLE = [1, 2, 3, 4, 5, 7, 10, 50, 64, 65, 1000, 10**9, 2**32 - 1, 2**31, 2**63, 10**30]
REAL = [1e-300, 1e-9, 0.01, 0.1, 0.5, 0.9, 0.999999999, 1.0, 1.5, 3.0, 30.0, 1e4, 1e9, 1e300]

# What would only take long: the number of steps, of copies, of fits.
FEW = st.sampled_from([1, 2, 3])
COSTLY: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
    ("epochs", "max_iter", "n_estimators", "degree"), FEW
) | {
    "copies": st.sampled_from([0, 1]),
    "max_leaf_nodes": st.sampled_from([2, 3, 10**9]),
    "hidden_layers": st.lists(st.sampled_from([1, 5, 20]), min_size=1, max_size=3),
    "features": st.one_of(
        st.sampled_from(list(REPRESENTATIONS)),
        st.lists(st.sampled_from(list(REPRESENTATIONS)), min_size=1, max_size=2, unique=True),
    ),
    "gamma": st.one_of(st.just("scale"), st.sampled_from(REAL)),
    "folds": st.sampled_from([2, 3, 4, 5, 100]),
    "images": st.sampled_from([0, 1, 5, 10**9]),
    "shifts": st.lists(
        st.lists(st.sampled_from([-1, 0, 1, 3, 9, -(10**9)]), min_size=2, max_size=2), max_size=1
    ),
    "sigma": st.sampled_from([1e-300, 1e-9, 0.5, 4.0, 100.0]),
    "engine": st.just("scikit-learn"),
}


def values_of(annotation: Any, name: str, rules: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of a field of the schema, which may break a rule of it here and there."""
    if name in COSTLY and not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return COSTLY[name]
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return section(annotation)
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in (Union, UnionType):
        return st.one_of(*(st.none() if a is type(None) else values_of(a, name) for a in inner))
    if origin is list:
        return st.lists(values_of(inner[0], name), max_size=2)
    if hasattr(annotation, "__metadata__"):
        return values_of(inner[0], name, (*rules, *annotation.__metadata__))
    flat = [each for rule in rules for each in getattr(rule, "metadata", [rule])]
    lows: list[Any] = [each.ge for each in flat if isinstance(each, annotated_types.Ge)]
    if annotation is int:
        return st.sampled_from([0, *WHOLE] if 0 in lows else WHOLE)
    if annotation is float:
        return st.one_of(st.sampled_from([0.0, *REAL] if 0 in lows else REAL), st.floats(0.01, 2))
    return st.just(None)


def section(schema: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        field.alias or name: values_of(field.annotation, name, tuple(field.metadata))
        for name, field in schema.model_fields.items()
    }
    optional = {
        name: st.one_of(st.none(), fields.pop(name))
        for name, field in schema.model_fields.items()
        if not field.is_required()
    }
    return st.fixed_dictionaries(fields, optional=optional)


def texts() -> st.SearchStrategy[str]:
    """A params.yaml with another experiment."""
    parts = {
        name: section(Params.model_fields[name].annotation)  # type: ignore[arg-type]
        for name in ("split", "augment", "train", "evaluate")
    }
    families = Params.model_fields["models"].annotation
    assert families
    chosen = st.sampled_from(list(families.model_fields)).flatmap(
        lambda name: st.tuples(st.just(name), section(families.model_fields[name].annotation))
    )

    def join(parts: dict[str, Any], chosen: tuple[str, Any], target: Any) -> str:
        values = copy.deepcopy(VALUES) | copy.deepcopy(parts)
        name, settings_ = chosen
        values["target"] = target
        values["fetch"]["dataset"] = "digits_8x8"
        values["train"]["model"] = name
        if values["train"]["copies"] == "support_vectors" and name != "svm":
            values["train"]["copies"] = "all"
        if values["train"]["validate"] == "none":
            values["train"]["train_sizes"] = []
        values["train"]["train_sizes"].sort()
        if "members" in settings_:
            members = {key: value for key, value in settings_["members"].items() if value}
            settings_ = settings_ | {"members": members}
        values["models"][name] = settings_
        return str(dumps_yaml(values))

    targets = st.sampled_from(["digit", "digit", "digit", 0, 5])
    return st.builds(join, st.fixed_dictionaries(parts), chosen, targets)


class Here(Stage):
    """A stage of which nobody watches the inputs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._new: dict[Path, Path] = {}

    def checkpoints(self, enabled: bool) -> Any:  # noqa: ARG002
        return nullcontext()


@contextmanager
def _no_run(*_: Any) -> Iterator[LiveRun]:
    yield LiveRun({})


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few dozen images, and no runs or figures, of which each takes a second."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages.train, "live_run", _no_run)
    monkeypatch.setattr(stages.evaluate, "figures", lambda _: {})
    monkeypatch.setenv("DIGITS_THREADS", "1")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    save_raw(DataSet(IMAGES[:72].reshape(-1, 8, 8), LABELS[:72], 54), tmp_path / "data" / "raw")
    return tmp_path


@pytest.mark.usefixtures("tiny")
def test_valid_files(tally: Tally) -> None:
    @seed(SEED)
    @CAMPAIGN
    @given(texts())
    def run(text: str) -> None:
        described = re.sub(r"\s+", " ", text.split("models:")[0])
        with tally.fault(described, seconds=60):
            try:
                params = parse_params(text)
                described_model = f"{params.train.model} {params.model_settings} {described}"
                work(params, tally, described_model)
            except BadInput as error:
                if not re.search(
                    r"\b(split|augment|train|models|evaluate)\.\w|\btarget\b", f"{error}"
                ):
                    tally.traceback(f"not by name: {error}")

    run()


def work(params: Params, tally: Tally, name: str) -> None:
    """Run the stages, and look at what came out."""
    for stage in (split, augment, train, evaluate):
        made = Here(stage.__name__)
        try:
            stage(params, made)
        except BaseException:
            made.discard()
            raise
        made.publish()
    predictions = Predictions.load_folder(Path("data/predictions"))
    numbers = flatten(read_json(Path("metrics/test.json"))) | flatten(
        read_json(Path("metrics/validation.json"))
    )
    if not np.isfinite(predictions.scores).all():
        tally.wrong(f"scores are no numbers: {name}")
    if bad := [key for key, value in numbers.items() if value != value]:
        tally.wrong(f"{bad} are no numbers: {name}")
