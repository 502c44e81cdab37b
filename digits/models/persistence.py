"""Fitted models as files: without pickle, and the same bytes for the same model."""

import io
import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UntrustedTypesFoundException

from digits.common.errors import BadInput
from digits.common.files import write_json
from digits.common.versions import installed_versions
from digits.models.trusted import trusted_names

_TRIED = 8  # images


def save_model(model: Pipeline, path: Path) -> None:
    """Write a fitted pipeline as canonical skops: equal models give equal bytes.

    skops names members and marks shared objects by their address in memory, stamps each member
    with the time of day, and copies what happens to lie between the fields of a record. Here both
    are numbered in the order in which they appear, every date is 1980-01-01, and the gaps are 0.
    """
    with tempfile.TemporaryFile(dir=path.parent) as file:
        skops.io.dump(model, file)
        with ZipFile(file) as raw, ZipFile(path, "w") as canonical:
            schema = json.loads(raw.read("schema.json"))
            members: dict[str, str] = {}
            _renumber(schema, {}, members)
            for old, new in members.items():
                member = _member(new)
                # By its size zipfile chooses the form of the header. Asked for the large form, as
                # `force_zip64` does, Python before 3.11.4 would write other bytes than after it.
                member.file_size = raw.getinfo(old).file_size
                with raw.open(old) as source, canonical.open(member, "w") as target:
                    shutil.copyfileobj(_without_padding(source), target, 1 << 20)
            canonical.writestr(_member("schema.json"), json.dumps(schema, indent=1))


def save_versions(path: Path, engine: str) -> None:
    """Write the versions of the libraries that made a model, as JSON.

    Nothing of the machine is in it, nor of Python: equal libraries give equal bytes.

    Parameters
    ----------
    path : Path
        The file.
    engine : str
        As `train.engine`.
    """
    write_json(path, installed_versions(*(["scikit-learn-intelex"] if engine == "intelex" else [])))


def _without_padding(file: IO[bytes]) -> IO[bytes]:
    """Return an .npy file itself, or if it holds records, one whose bytes between fields are 0.

    The nodes of a decision tree are such records, and between their fields lies whatever was in
    memory before.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0) and np.lib.format.read_array_header_1_0(file)[2].names:
        file.seek(0)
        records = np.load(file, allow_pickle=False)
        clean = np.zeros(records.shape, records.dtype)  # zeros_like fills the fields alone
        for field in records.dtype.names:
            clean[field] = records[field]
        file = io.BytesIO()
        np.save(file, clean)
    file.seek(0)
    return file


def _member(name: str) -> ZipInfo:
    info = ZipInfo(name)  # dated 1980-01-01
    info.create_system = 3  # else the platform's
    return info


def _renumber(node: Any, numbers: dict[int, int], members: dict[str, str]) -> None:
    """Replace addresses and member names throughout a schema, in place, in order of appearance."""
    if isinstance(node, list):
        for child in node:
            _renumber(child, numbers, members)
    elif isinstance(node, dict):
        if (address := node.get("__id__")) is not None:
            # Whether two equal strings or numbers are one object in memory is an accident: each
            # gets a number of its own.
            fresh = len(numbers) + 1
            node["__id__"] = numbers.setdefault(-fresh if node.get("is_json") else address, fresh)
        if isinstance(name := node.get("file"), str):
            node["file"] = members.setdefault(name, f"{len(members)}{Path(name).suffix}")
        for key, child in node.items():
            if key == "n_threads":
                child["content"] = "null"  # the number of threads is no part of a model
            if key not in ("__id__", "file"):
                _renumber(child, numbers, members)


def load_model(path: Path) -> Pipeline:
    """Read a pipeline that `save_model` wrote.

    Raises
    ------
    BadInput
        When the file is missing or damaged, was made by an earlier version of this code, or holds
        anything but scikit-learn's types and those of `trusted_names`.
    """
    try:
        model = skops.io.load(path, trusted=trusted_names())
        _try_out(model)
    except UntrustedTypesFoundException as error:
        untrusted = set(skops.io.get_untrusted_types(file=path)) - set(trusted_names())
        if all(name.startswith("digits.") for name in untrusted):
            raise BadInput(
                f"{path} was made by an earlier version of this code, which named its classes "
                "otherwise: `dvc repro` makes the model again, and a champion is then promoted "
                "again."
            ) from error
        raise BadInput(
            f"{path} holds types that this project does not trust, so it was not loaded: "
            f"{', '.join(sorted(untrusted))}."
        ) from error
    except BadInput:  # it has its own sentence: the file is not the cause
        raise
    except Exception as error:  # a damaged file can raise almost anything
        raise BadInput(
            f"{path} cannot be read as a model ({type(error).__name__}: {error}); `dvc repro` "
            "makes it again."
        ) from error
    if not isinstance(model, Pipeline):
        raise BadInput(
            f"{path} holds a {type(model).__name__}, allowed is a scikit-learn Pipeline."
        )
    return model


def _try_out(model: Any) -> None:
    """Have a pipeline read some images: what a file lacks is an error here, and not later.

    They are faint: all training images are about equally far from bright noise, so that nearest
    neighbours would have to measure each of them.
    """
    if isinstance(model, Pipeline):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numbers that are none
            images = np.random.default_rng(0).integers(0, 16, (_TRIED, model.n_features_in_))
            images[0] = 0
            images = images.astype(np.uint8)
            predicted = model.predict(images)
            scores = "predict_proba" if hasattr(model, "predict_proba") else "decision_function"
            getattr(model, scores)(images)
        classes = {*range(10)} if predicted.dtype != bool else {False, True}
        if not set(np.asarray(model.classes_).tolist()) <= classes:
            raise ValueError(f"its classes are {model.classes_}")
