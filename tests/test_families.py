"""Every model with every scaling: it learns, it is saved as the same bytes every time, and comes back as itself alone."""

import functools
import hashlib
import io
import itertools
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from digits import protocol
from digits.datasets import digits_8x8
from digits.errors import BadInput
from digits.families import FAMILIES, SCALES, make_pipeline
from digits.neighbors import PixelNeighborsClassifier
from digits.persistence import load_model, save_model

ROOT = Path(__file__).resolve().parent.parent
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"loss": "hinge", "alpha": 0.0001, "max_iter": 1000, "tol": 0.1},
    "forest": {"n_estimators": 10, "max_depth": None, "min_samples_leaf": 1},
    "knn": {"n_neighbors": 4, "weights": "distance"},
}
KINDS = {f"{m}-{s}-{c}": (m, s, c) for m, s, c in itertools.product(FAMILIES, SCALES, (0, 10))}
IMAGES = digits_8x8().images.reshape(-1, 64)
LABELS = digits_8x8().labels

every_kind = pytest.mark.parametrize("kind", KINDS)
every_model = pytest.mark.parametrize("model", FAMILIES)


def new(kind: str, seed: int = 42) -> Pipeline:
    model, scale, components = KINDS[kind]
    return make_pipeline(model, SETTINGS[model], scale, components, seed)


@functools.cache
def fitted(kind: str, target: str = "digit") -> Pipeline:
    return protocol.fit(new(kind), IMAGES[:300], LABELS[:300] if target == "digit" else LABELS[:300] == 5)


def file_of(model: Pipeline, folder: Path) -> bytes:
    save_model(model, folder / "model.skops")
    return (folder / "model.skops").read_bytes()


def digests(folder: Path) -> dict[str, str]:
    """Fit and save everything, here and now."""
    return {
        kind: hashlib.sha256(file_of(protocol.fit(new(kind), IMAGES[:300], LABELS[:300]), folder)).hexdigest() for kind in KINDS
    }


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `digests` says in a fresh process, where (with glibc) memory is full of junk and strings hash differently."""
    code = "import json, pathlib, sys, test_families as t; print(json.dumps(t.digests(pathlib.Path(sys.argv[1]))))"
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "MALLOC_PERTURB_": "85", "PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path_factory.mktemp("elsewhere")],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(run.stdout))


def leave_junk_in_memory() -> None:
    """Fill memory of many sizes with 0xFF and free it, for the next arrays to be made in."""
    junk = [np.full(size, 255, np.uint8) for size in (*range(64, 16_000, 64), 10**6) for _ in range(2)]
    del junk


@every_kind
@pytest.mark.parametrize("target", ["digit", "five"])
def test_a_saved_model_comes_back_as_it_was(tmp_path: Path, kind: str, target: str) -> None:
    model = fitted(kind, target)
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(IMAGES[300:700]), model.predict(IMAGES[300:700]))
    loaded_scores, scores = (protocol.decision_scores(each, IMAGES[300:700], "test") for each in (loaded, model))
    np.testing.assert_array_equal(loaded_scores, scores)
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]


@every_kind
@pytest.mark.parametrize("target", ["digit", "five"])
def test_saving_twice_and_after_a_load_gives_the_same_bytes(tmp_path: Path, kind: str, target: str) -> None:
    once = file_of(fitted(kind, target), tmp_path)
    leave_junk_in_memory()
    assert file_of(load_model(tmp_path / "model.skops"), tmp_path) == once
    leave_junk_in_memory()
    assert file_of(fitted(kind, target), tmp_path) == once


@every_kind
def test_two_fits_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    once = file_of(fitted(kind), tmp_path)
    leave_junk_in_memory()
    assert file_of(protocol.fit(new(kind), IMAGES[:300], LABELS[:300]), tmp_path) == once


@every_kind
def test_a_fresh_process_gives_the_same_bytes(tmp_path: Path, kind: str, elsewhere: dict[str, str]) -> None:
    assert elsewhere[kind] == hashlib.sha256(file_of(fitted(kind), tmp_path)).hexdigest()


@every_kind
def test_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    files, scores = [], []
    for threads in ("1", "2"):
        monkeypatch.setenv("DIGITS_THREADS", threads)
        model = protocol.fit(new(kind), IMAGES[:300], LABELS[:300])
        files.append(file_of(model, tmp_path))
        scores.append(protocol.decision_scores(model, IMAGES[300:700], "test").tobytes())
    assert files[0] == files[1] and scores[0] == scores[1]


@every_kind
def test_number_of_threads_is_not_in_the_model(kind: str) -> None:
    assert all(value is None for name, value in new(kind).get_params().items() if name.endswith("n_jobs"))


def test_equal_numbers_need_not_be_one_object(tmp_path: Path) -> None:
    one = 0.5
    once, twice = (
        make_pipeline("sgd", SETTINGS["sgd"] | {"alpha": alpha, "tol": tol}, "unit", 0, seed=1).fit(IMAGES[:50], LABELS[:50])
        for alpha, tol in ((one, one), (float("0.5"), float("0.5")))
    )
    assert twice[-1].alpha is not twice[-1].tol
    assert file_of(once, tmp_path) == file_of(twice, tmp_path)


def test_model_file_tells_nothing_of_time_and_place(tmp_path: Path) -> None:
    save_model(fitted("forest-standard-10"), tmp_path / "model.skops")
    with ZipFile(tmp_path / "model.skops") as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.create_system for member in file.infolist()} == {3}


def test_knn_is_saved_at_a_byte_a_pixel(tmp_path: Path) -> None:
    save_model(fitted("knn-none-0"), tmp_path / "model.skops")
    assert (tmp_path / "model.skops").stat().st_size < 1.5 * 300 * 64 + 20_000


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("knn")])
def test_another_seed_gives_another_model(tmp_path: Path, kind: str) -> None:
    assert file_of(protocol.fit(new(kind, seed=43), IMAGES[:300], LABELS[:300]), tmp_path) != file_of(fitted(kind), tmp_path)


@every_kind
def test_whatever_draws_has_the_seed(kind: str) -> None:
    seeds = {name: value for name, value in new(kind, seed=7).get_params().items() if name.endswith("random_state")}
    drawing = 1 - kind.startswith("knn") + kind.endswith("10")
    assert list(seeds.values()) == [7] * drawing


@every_kind
def test_steps_are_those_asked_for(kind: str) -> None:
    _, scale, components = KINDS[kind]
    model = fitted(kind)
    assert model[:-1].transform(IMAGES[:5]).shape == (5, components or 64)
    scaled = model[0].fit_transform(IMAGES[:300].astype(float)) if scale != "none" else IMAGES[:300]
    expected = {"none": (0, 255), "unit": (0, 1), "standard": (None, None)}[scale]
    if scale == "standard":
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)
        assert set(scaled.std(axis=0).round(9)) == {0, 1}
    else:
        assert (scaled.min(), scaled.max()) == expected


def test_settings_reach_the_estimator() -> None:
    kinds = {"sgd": SGDClassifier, "forest": RandomForestClassifier, "knn": PixelNeighborsClassifier}
    for model, kind in kinds.items():
        estimator = make_pipeline(model, SETTINGS[model], "none", 0, seed=1)[-1]
        assert type(estimator) is kind
        assert estimator.get_params().items() >= SETTINGS[model].items()


@every_model
@pytest.mark.parametrize("scale", SCALES)
def test_a_model_learns_from_labels_and_only_from_them(model: str, scale: str) -> None:
    """Held-out accuracy is high, and with shuffled labels that of guessing one of ten."""
    shuffled = np.random.default_rng(0).permutation(LABELS[:1000])
    accuracy = [
        np.mean(protocol.fit(new(f"{model}-{scale}-0"), IMAGES[:1000], y).predict(IMAGES[1000:]) == LABELS[1000:])
        for y in (LABELS[:1000], shuffled)
    ]
    assert accuracy[0] > 0.85 and 0.05 < accuracy[1] < 0.15


class Intruder(ClassifierMixin, BaseEstimator):
    """Not of this project; notes when it is woken."""

    woken: list[str] = []  # noqa: RUF012

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.woken.append("yes")

    def __call__(self, X: NDArray) -> NDArray:
        self.woken.append("called")
        return X


def touch(X: Any) -> Any:
    """A function that leaves a trace."""
    Intruder.woken.append("touched")
    return X


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (Intruder(), "test_families.Intruder"),
        (FunctionTransformer(touch), "test_families.touch"),
        (FunctionTransformer(Intruder()), "test_families.Intruder"),
        (FunctionTransformer(functools.partial(touch, "now")), "functools.partial"),
        (FunctionTransformer(subprocess.getoutput), "subprocess.getoutput"),
        (FunctionTransformer(os.system), f"{os.name}.system"),
    ],
    ids=["estimator", "function", "callable", "partial", "shell", "system"],
)
def test_a_type_that_is_not_trusted_is_refused_by_name(tmp_path: Path, step: Any, name: str) -> None:
    skops.io.dump(Pipeline([("first", step), ("model", fitted("knn-none-0")[-1])]), tmp_path / "model.skops")
    Intruder.woken.clear()
    with pytest.raises(BadInput, match=name):
        load_model(tmp_path / "model.skops")
    assert not Intruder.woken


def rewritten(good: bytes, **members: bytes) -> bytes:
    """A model file with some of its members replaced; an empty one is left out."""
    file = io.BytesIO()
    with ZipFile(io.BytesIO(good)) as old, ZipFile(file, "w") as changed:
        contents = {name: old.read(name) for name in old.namelist()} | {f"{name}.json": value for name, value in members.items()}
        for name, content in contents.items():
            if content:
                changed.writestr(name, content)
    return file.getvalue()


def test_a_good_file_edited_to_call_the_shell_is_refused(tmp_path: Path) -> None:
    good = file_of(fitted("sgd-unit-0"), tmp_path)
    schema = ZipFile(io.BytesIO(good)).read("schema.json")
    evil = schema.replace(b'"digits.families"', b'"os"').replace(b'"unit"', b'"system"')
    assert evil != schema
    (tmp_path / "model.skops").write_bytes(rewritten(good, schema=evil))
    with pytest.raises(BadInput, match=r"os\.system"):
        load_model(tmp_path / "model.skops")


def test_a_trusted_object_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    skops.io.dump(fitted("sgd-none-0")[-1], tmp_path / "model.skops")
    with pytest.raises(BadInput, match="SGDClassifier"):
        load_model(tmp_path / "model.skops")


ENTRY = b"PK\1\2\x14\3\x14\0"
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "no zip": lambda good: b"This is no model.",
    "pickle": lambda good: pickle.dumps(fitted("sgd-none-0")),
    **{f"{share:.0%} of it": lambda good, share=share: good[: int(len(good) * share)] for share in (0.01, 0.5, 0.99)},  # type: ignore[misc]
    "last byte lost": lambda good: good[:-1],
    "byte changed": lambda good: good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 1]) + good[len(good) // 2 + 1 :],
    "other zip": lambda good: rewritten(good, schema=b""),
    # One bit of the zip's own directory: 10 bytes into an entry is its compression, 8 bytes whether it is encrypted.
    "compression unknown": lambda good: good.replace(ENTRY + bytes(3), ENTRY + b"\0\0\x0f"),
    "encrypted": lambda good: good.replace(ENTRY + bytes(3), ENTRY + b"\1\0\0"),
    **{
        f"schema {schema.decode()}": lambda good, schema=schema: rewritten(good, schema=schema)  # type: ignore[misc]
        for schema in (b"[]", b"{}", b"1", b"null", b"{", b'{"protocol": 2}', b'{"protocol": 2, "__loader__": "None"}')
    },
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_clear_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.skops"
    good = file_of(fitted("sgd-none-0"), tmp_path)
    path.write_bytes(DAMAGES[damage](good))
    assert path.read_bytes() != good
    with pytest.raises(BadInput) as caught:
        load_model(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"model\.skops cannot be read as a model"):
        load_model(tmp_path / "model.skops")
