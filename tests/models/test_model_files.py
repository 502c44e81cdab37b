"""The same model is the same file: every time, in every process, on any number of threads."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from digits.models.persistence import load_model, save_model
from tests.imports import ROOT
from tests.kinds import KINDS, TEST_IMAGES, fitted, fresh, scores_of
from tests.small import IMAGES, LABELS, file_of, learned, new

every_kind = pytest.mark.parametrize("kind", KINDS)
every_target = pytest.mark.parametrize("target", ["digit", "five"])


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for so few images; two would wait for each other on a busy machine."""
    monkeypatch.setenv("DIGITS_THREADS", "1")


@pytest.fixture(scope="module")
def digests_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests in a fresh process, where (with glibc) memory is full of junk, and hashes differ."""
    code = (
        "import json, pathlib, sys; from tests.kinds import digests; "
        "print(json.dumps(digests(pathlib.Path(sys.argv[1]))))"
    )
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MALLOC_PERTURB_": "85",
        "PYTHONHASHSEED": "7",
        "DIGITS_THREADS": "2",
    }
    command = [sys.executable, "-c", code, str(tmp_path_factory.mktemp("elsewhere"))]
    output = subprocess.check_output(command, env=environment, text=True)
    return dict(json.loads(output))


def leave_junk_in_memory() -> None:
    """Fill memory of many sizes with 0xFF and free it, for the next arrays to be made in."""
    sizes = (*range(64, 16_000, 64), 10**6)
    junk = [np.full(size, 255, np.uint8) for size in sizes for _ in range(2)]
    del junk


@every_kind
@every_target
def test_a_saved_model_comes_back_as_it_was(tmp_path: Path, kind: str, target: str) -> None:
    model = fitted(kind, target)
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict(TEST_IMAGES), model.predict(TEST_IMAGES))
    np.testing.assert_array_equal(scores_of(loaded), scores_of(model))
    assert [path.name for path in tmp_path.iterdir()] == ["model.skops"]


@every_kind
@every_target
def test_saving_twice_and_after_a_load_gives_the_same_bytes(
    tmp_path: Path, kind: str, target: str
) -> None:
    once = file_of(fitted(kind, target), tmp_path)
    leave_junk_in_memory()
    assert file_of(load_model(tmp_path / "model.skops"), tmp_path) == once
    leave_junk_in_memory()
    assert file_of(fitted(kind, target), tmp_path) == once


@every_kind
def test_a_fresh_process_gives_the_same_bytes(
    tmp_path: Path, kind: str, digests_elsewhere: dict[str, str]
) -> None:
    digest = hashlib.sha256(file_of(fitted(kind), tmp_path)).hexdigest()
    assert digest == digests_elsewhere[kind]


@every_kind
def test_two_fits_on_one_thread_or_two_give_the_same_bytes_and_scores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    files, scores = [], []
    for threads in ("1", "2"):
        monkeypatch.setenv("DIGITS_THREADS", threads)
        leave_junk_in_memory()
        model = fresh(kind)
        files.append(file_of(model, tmp_path))
        scores.append(scores_of(model).tobytes())
    assert files[0] == files[1] and scores[0] == scores[1]


def test_equal_numbers_need_not_be_one_object(tmp_path: Path) -> None:
    one = 0.5
    pairs = (one, one), (float("0.5"), float("0.5"))
    once, twice = (
        new("sgd", seed=1, alpha=alpha, tol=tol).fit(IMAGES[:50], LABELS[:50])
        for alpha, tol in pairs
    )
    assert twice[-1].alpha is not twice[-1].tol
    assert file_of(once, tmp_path) == file_of(twice, tmp_path)


def test_model_file_tells_nothing_of_time_and_place(tmp_path: Path) -> None:
    save_model(fitted("forest-scattering"), tmp_path / "model.skops")
    with ZipFile(tmp_path / "model.skops") as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.create_system for member in file.infolist()} == {3}


def test_knn_is_saved_at_a_byte_a_pixel(tmp_path: Path) -> None:
    model = learned("knn", IMAGES[:300], LABELS[:300], scale="none")
    assert len(file_of(model, tmp_path)) < 1.5 * 300 * 64 + 20_000
