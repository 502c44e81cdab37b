"""Mangled model files: the model, or a sentence; a file that was merely damaged gives no other."""

import io
import json
import random
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from digits.inference.reader import load_reader
from tests.faults.tally import SEED, Tally, number
from tests.small import IMAGES, LABELS, file_of, learned

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("little_memory")]

SOME = IMAGES[300:340].reshape(-1, 8, 8)
KINDS = ("knn", "svm", "forest", "softmax", "boosting", "voting", "sgd")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, Any]]:
    """The bytes of a model of each kind, and what it reads on some images."""
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for kind in KINDS:
        model: Pipeline = learned(kind, IMAGES[:200], LABELS[:200])
        made[kind] = (file_of(model, folder), model.predict(SOME.reshape(len(SOME), -1)).tolist())
    return made


@pytest.mark.filterwarnings("ignore")
def test_damaged_files(files: dict[str, tuple[bytes, Any]], tmp_path: Path, tally: Tally) -> None:
    rng = random.Random(SEED)
    path = tmp_path / "model.skops"
    for i in range(number(500)):
        kind = rng.choice(KINDS)
        content, expected = files[kind]
        how, mangled = damaged(content, rng)
        path.write_bytes(mangled)
        with tally.fault(f"{i}, {kind}, {how}"):
            read = [digit for digit, _ in load_reader(path, None, "digit").predict(SOME)]
            if read != expected:
                tally.wrong(f"{i}, {kind}, {how}")


@pytest.mark.filterwarnings("ignore")
def test_files_whose_content_was_changed(
    files: dict[str, tuple[bytes, Any]], tmp_path: Path, tally: Tally
) -> None:
    """By somebody who knows the format, so that no checksum tells."""
    rng = random.Random(SEED + 1)
    path = tmp_path / "model.skops"
    for i in range(number(500)):
        kind = rng.choice(KINDS)
        how, mangled = changed(files[kind][0], rng)
        path.write_bytes(mangled)
        with tally.fault(f"{i}, {kind}, {how}"):
            for digit, _ in load_reader(path, None, "digit").predict(SOME):
                assert digit in range(10), digit


def damaged(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """What a disk or a network makes of a file, and its name."""
    how = rng.choice(["flip", "cut", "zeros", "twice", "hole", "another"])
    at = rng.randrange(len(content))
    mangled = bytearray(content)
    match how:
        case "flip":
            for _ in range(rng.choice([1, 1, 1, 10, 1000])):
                mangled[rng.randrange(len(mangled))] ^= 1 << rng.randrange(8)
        case "cut":
            del mangled[at:]
        case "zeros":
            end = min(len(mangled), at + rng.choice([1, 512, 4096]))
            mangled[at:end] = bytes(end - at)
        case "twice":
            mangled[at:at] = mangled[: rng.randrange(len(mangled))]
        case "hole":
            del mangled[at : at + rng.choice([1, 512, 4096])]
        case "another":
            mangled[:] = rng.randbytes(rng.choice([0, 1, 100, 10_000]))
    return how, bytes(mangled)


def changed(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A file with another value in its schema or another array, and what was done."""
    with ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    arrays = [name for name in members if name.endswith(".npy")]
    if rng.random() < 0.3 and arrays:
        name = rng.choice(arrays)
        how, members[name] = _other_array(members[name], rng)
        how = f"{name} {how}"
    else:
        schema = json.loads(members["schema.json"])
        how = _other_schema(schema, rng)
        members["schema.json"] = json.dumps(schema).encode()
    packed = io.BytesIO()
    with ZipFile(packed, "w") as file:
        for name, member in members.items():
            file.writestr(name, member)
    return how, packed.getvalue()


def _other_array(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    array = np.load(io.BytesIO(content))
    others = {
        "empty": array.ravel()[:0],
        "shorter": array.ravel()[: array.size // 2],
        "flat": array.ravel(),
        "one more dimension": array[None],
        "words": np.array(["x"] * max(1, min(10, array.size))),
        "complex": np.zeros(array.shape, complex),
        "not a number": np.full(array.shape, np.nan),
        "infinite": np.full(array.shape, np.inf),
        "huge": np.full(array.shape, 2**62),
        "below 0": np.full(array.shape, -1),
    }
    if array.dtype.names:  # scikit-learn follows a tree's nodes wherever they lead, out of it too
        del others["shorter"], others["empty"]
    how = rng.choice([*others, "announced too large"])
    file = io.BytesIO()
    if how == "announced too large":
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**3)}
        np.lib.format.write_array_header_1_0(file, header)
    else:
        np.save(file, others[how])
    return how, file.getvalue()


def _other_schema(schema: dict[str, Any], rng: random.Random) -> str:
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        children = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in list(children):
            places.append((node, key))
            if isinstance(child, dict | list):
                collect(child)

    collect(schema)
    parent, key = rng.choice(places)
    how = rng.choice(["drop", "replace", "swap", "rename"])
    if how == "rename" and not isinstance(parent, dict):
        how = "drop"
    match how:
        case "drop":
            del parent[key]
        case "replace":
            values: list[Any] = [
                None,
                0,
                -1,
                10**12,
                "",
                "x",
                "null",
                "true",
                '"x"',
                "1e400",
                [],
                {},
                True,
            ]
            parent[key] = rng.choice(values)
        case "swap":
            other, at = rng.choice(places)
            parent[key] = json.loads(json.dumps(other[at]))
        case "rename":
            parent[f"{key}x"] = parent.pop(key)
    return f"{how} {key}"
