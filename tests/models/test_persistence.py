"""A model file that is damaged, foreign or old is refused in a sentence, and nothing of it runs."""

import functools
import io
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from digits.common.errors import BadInput
from digits.models.persistence import load_model, save_model
from tests.kinds import fitted, fresh
from tests.small import IMAGES, LABELS, file_of, learned


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
        (Intruder(), "test_persistence.Intruder"),
        (FunctionTransformer(touch), "test_persistence.touch"),
        (FunctionTransformer(Intruder()), "test_persistence.Intruder"),
        (FunctionTransformer(functools.partial(touch, "now")), "functools.partial"),
        (FunctionTransformer(subprocess.getoutput), "subprocess.getoutput"),
        (FunctionTransformer(os.system), f"{os.name}.system"),
    ],
    ids=["estimator", "function", "callable", "partial", "shell", "system"],
)
def test_a_type_that_is_not_trusted_is_refused_by_name(
    tmp_path: Path, step: Any, name: str
) -> None:
    pipeline = Pipeline([("first", step), ("model", fitted("knn")[-1])])
    skops.io.dump(pipeline, tmp_path / "model.skops")
    Intruder.woken.clear()
    with pytest.raises(BadInput, match=f"types that this project does not trust.*{name}"):
        load_model(tmp_path / "model.skops")
    assert not Intruder.woken


def rewritten(good: bytes, **members: bytes) -> bytes:
    """A model file with some of its members replaced; an empty one is left out."""
    file = io.BytesIO()
    with ZipFile(io.BytesIO(good)) as old, ZipFile(file, "w") as changed:
        contents = {name: old.read(name) for name in old.namelist()}
        contents |= {f"{name}.json": value for name, value in members.items()}
        for name, content in contents.items():
            if content:
                changed.writestr(name, content)
    return file.getvalue()


def with_names(good: bytes, names: dict[str, str]) -> bytes:
    """A model file whose schema names modules, classes and functions otherwise."""
    schema = ZipFile(io.BytesIO(good)).read("schema.json")
    for name, other in names.items():
        assert f'"{name}"'.encode() in schema
        schema = schema.replace(f'"{name}"'.encode(), f'"{other}"'.encode())
    return rewritten(good, schema=schema)


def test_a_good_file_edited_to_call_the_shell_is_refused(tmp_path: Path) -> None:
    good = file_of(fitted("sgd"), tmp_path)
    names = {"digits.features.scaling": "os", "to_unit_interval": "system"}
    (tmp_path / "model.skops").write_bytes(with_names(good, names))
    with pytest.raises(BadInput, match=r"does not trust.*: os\.system\."):
        load_model(tmp_path / "model.skops")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("sgd", {"digits.features.scaling": "digits.families", "to_unit_interval": "unit"}),
        ("svm", {"digits.models.svm": "digits.svm"}),
        ("svm-committee", {"digits.models.committee": "digits.committee"}),
        ("svm-scattering", {"digits.features.deskew": "digits.deskewing"}),
    ],
)
def test_a_file_of_an_earlier_version_of_this_code_is_one_clear_sentence(
    tmp_path: Path, kind: str, names: dict[str, str]
) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(with_names(file_of(fitted(kind), tmp_path), names))
    with pytest.raises(BadInput) as caught:
        load_model(path)
    assert str(caught.value) == (
        f"{path} was made by an earlier version of this code, which named its classes otherwise: "
        "`dvc repro` makes the model again, and a champion is then promoted again."
    )


def test_a_file_of_an_earlier_version_with_a_foreign_type_is_not_trusted(tmp_path: Path) -> None:
    names = {"digits.models.svm": "digits.svm", "digits.features.scaling": "os"}
    (tmp_path / "model.skops").write_bytes(with_names(file_of(fitted("svm"), tmp_path), names))
    with pytest.raises(BadInput, match=r"does not trust.*os\.to_unit_interval"):
        load_model(tmp_path / "model.skops")


def test_a_trusted_object_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    skops.io.dump(fitted("sgd")[-1], tmp_path / "model.skops")
    with pytest.raises(BadInput, match="SGDClassifier"):
        load_model(tmp_path / "model.skops")


def first_part(share: float) -> Callable[[bytes], bytes]:
    return lambda good: good[: int(len(good) * share)]


def with_schema(schema: str) -> Callable[[bytes], bytes]:
    return lambda good: rewritten(good, schema=schema.encode())


def with_a_byte_changed(good: bytes) -> bytes:
    middle = len(good) // 2
    return good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]


ENTRY = b"PK\1\2\x14\3\x14\0"  # begins an entry of the zip's own directory
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "no zip": lambda good: b"This is no model.",
    "pickle": lambda good: pickle.dumps(fitted("sgd")),
    **{f"{share:.0%} of it": first_part(share) for share in (0.01, 0.5, 0.99)},
    "last byte lost": lambda good: good[:-1],
    "byte changed": with_a_byte_changed,
    "other zip": lambda good: rewritten(good, schema=b""),
    # 10 bytes into an entry is its compression, 8 bytes whether it is encrypted.
    "compression unknown": lambda good: good.replace(ENTRY + bytes(3), ENTRY + b"\0\0\x0f"),
    "encrypted": lambda good: good.replace(ENTRY + bytes(3), ENTRY + b"\1\0\0"),
    **{
        f"schema {schema}": with_schema(schema)
        for schema in (
            "[]",
            "{}",
            "1",
            "null",
            "{",
            '{"protocol": 2}',
            '{"protocol": 2, "__loader__": "None"}',
        )
    },
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_clear_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model.skops"
    good = file_of(fitted("sgd"), tmp_path)
    path.write_bytes(DAMAGES[damage](good))
    assert path.read_bytes() != good
    with pytest.raises(BadInput) as caught:
        load_model(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [("sgd", "intercept_"), ("knn", "_fit_X"), ("boosting", "raw_left_cat_bitsets")],
)
def test_a_model_that_lacks_what_it_reads_by_is_one_clear_sentence(
    tmp_path: Path, kind: str, lacking: str
) -> None:
    """No checksum tells, and skops loads it."""
    path = tmp_path / "model.skops"
    content = file_of(fitted(kind), tmp_path)
    path.write_bytes(with_names(content, {lacking: f"{lacking}x"}))
    with pytest.raises(BadInput, match=f"cannot be read as a model .*{lacking}"):
        load_model(path)


def test_a_model_that_answers_but_has_no_probabilities_is_one_clear_sentence(
    tmp_path: Path,
) -> None:
    """What reading needs is tried, not only the answers."""
    model = fresh("knn")
    model[-1]._y = model[-1]._y.astype(complex)
    path = tmp_path / "model.skops"
    path.write_bytes(file_of(model, tmp_path))
    with pytest.raises(BadInput, match="cannot be read as a model"):
        load_model(path)


def test_the_sentence_tells_what_kind_of_error_it_was(tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"This is no model.")
    with pytest.raises(
        BadInput, match=r"cannot be read as a model \(BadZipFile: .*\); `dvc repro`"
    ):
        load_model(tmp_path / "model.skops")


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"model\.skops cannot be read as a model"):
        load_model(tmp_path / "model.skops")


def test_a_saved_file_is_read(tmp_path: Path) -> None:
    """Else the other tests would say nothing."""
    save_model(fitted("sgd"), tmp_path / "model.skops")
    assert isinstance(load_model(tmp_path / "model.skops"), Pipeline)


def test_headers_are_those_that_every_python_writes(tmp_path: Path) -> None:
    """Of large files, which `force_zip64` asks for, Python before 3.11.4 wrote other headers."""
    save_model(fitted("sgd"), tmp_path / "model.skops")
    with ZipFile(tmp_path / "model.skops") as file:
        assert {member.extract_version for member in file.infolist()} == {20}


def test_a_cause_outside_the_file_keeps_its_own_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making the model again would not help."""
    images, labels = np.tile(IMAGES, (2, 1)), np.tile(LABELS, 2)
    save_model(learned("knn", images, labels, scale="none"), tmp_path / "model.skops")
    monkeypatch.setenv("DIGITS_THREADS", "many")
    with pytest.raises(BadInput, match=r"^the environment variable DIGITS_THREADS"):
        load_model(tmp_path / "model.skops")
