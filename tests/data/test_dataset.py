"""A data set is what was meant, or it is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.data.dataset import DataSet, check_digest, open_raw, save_raw
from tests.idx_files import (
    ALL,
    assert_same,
)


@pytest.mark.parametrize("different", ["images", "labels", "order", "n_train"])
def test_a_data_set_with_another_digest_is_refused(different: str) -> None:
    images, labels, n_train = ALL
    data = {
        "images": DataSet(
            images ^ (np.arange(images.size) == 11).reshape(images.shape), labels, n_train
        ),
        "labels": DataSet(images, labels ^ (np.arange(len(labels)) == 2), n_train),
        "order": DataSet(images[::-1], labels[::-1], n_train),
        "n_train": DataSet(images, labels, n_train - 1),
    }[different]
    pinned = DataSet(*ALL).sha256
    with pytest.raises(
        BadInput, match=f"^source: .* SHA-256 {data.sha256}, allowed is the pinned {pinned}"
    ):
        check_digest(data, "source", pinned)
    assert check_digest(data, "source", None) is data
    assert check_digest(data, "source", data.sha256) is data


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """data/raw as the stage left it, in a cache that nobody may write to."""
    folder = tmp_path / "raw"
    folder.mkdir()
    save_raw(DataSet(*ALL), folder)
    for file in folder.iterdir():
        file.chmod(0o444)
    return folder


def overwrite(file: Path, content: bytes) -> None:
    """Change a file in place; its mode stays."""
    file.chmod(0o644)
    file.write_bytes(content)
    file.chmod(0o444)


class TestRaw:
    def test_comes_back(self, raw: Path) -> None:
        assert_same(open_raw(raw), *ALL)

    def test_is_mapped_read_only(self, raw: Path) -> None:
        data = open_raw(raw)
        assert isinstance(data.images, np.memmap) and isinstance(data.labels, np.memmap)
        assert not data.images.flags.writeable and not data.labels.flags.writeable

    @pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
    @pytest.mark.parametrize("place", [-1, 128, 0], ids=["last", "first", "magic"])
    def test_with_one_byte_altered_in_place_is_refused(
        self, raw: Path, name: str, place: int
    ) -> None:
        content = bytearray((raw / name).read_bytes())
        content[place] ^= 1
        overwrite(raw / name, bytes(content))
        with pytest.raises(BadInput, match=r"SHA-256|cannot be read"):
            open_raw(raw)

    @pytest.mark.parametrize("name", ["images.npy", "labels.npy", "about.json"])
    @pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
    def test_without_one_of_its_files_is_refused(
        self, raw: Path, name: str, content: bytes | None
    ) -> None:
        (raw / name).unlink()
        if content is not None:
            (raw / name).write_bytes(content)
        with pytest.raises(BadInput, match=f"{name} cannot be read as "):
            open_raw(raw)

    @pytest.mark.parametrize(
        ("name", "array", "message"),
        [
            (
                "images.npy",
                ALL[0].astype(np.int64),
                r"images.npy holds int64 of shape \(10, 5, 4\)",
            ),
            ("images.npy", ALL[0].reshape(10, 20), r"images.npy holds uint8 of shape \(10, 20\)"),
            (
                "images.npy",
                ALL[0][:-1],
                r"labels.npy holds uint8 of shape \(10,\), allowed is uint8 of shape \(9\)",
            ),
            ("labels.npy", ALL[1].astype("U1"), r"labels.npy holds <U1 of shape \(10,\)"),
            ("labels.npy", ALL[1].astype(np.int8), r"labels.npy holds int8 of shape \(10,\)"),
            ("labels.npy", ALL[1][:-1], r"labels.npy holds uint8 of shape \(9,\)"),
            ("labels.npy", ALL[1][::-1], "SHA-256"),
            ("images.npy", ALL[0].view(np.int8).view(np.uint8) ^ 1, "SHA-256"),
        ],
    )
    def test_with_another_array_is_refused(
        self, raw: Path, name: str, array: NDArray, message: str
    ) -> None:
        (raw / name).unlink()
        np.save(raw / name, array)
        with pytest.raises(BadInput, match=message):
            open_raw(raw)

    @pytest.mark.parametrize(
        "change",
        [
            lambda about: about | {"sha256": "0" * 64},
            lambda about: about | {"n_train": about["n_train"] - 1},
            lambda about: about | {"n_train": "7"},
            lambda about: {"n_train": about["n_train"]},
            lambda about: {"sha256": about["sha256"]},
            lambda about: about | {"sha256": None},
            lambda about: [about],
            lambda about: None,
        ],
        ids=["digest", "n_train", "type", "no digest", "no n_train", "null", "list", "nothing"],
    )
    def test_with_another_about_is_refused(
        self, raw: Path, change: Callable[[dict[str, object]], object]
    ) -> None:
        about = change(json.loads((raw / "about.json").read_text(encoding="utf-8")))
        overwrite(raw / "about.json", json.dumps(about).encode())
        with pytest.raises(BadInput):
            open_raw(raw)

    def test_is_the_same_bytes_every_time(self, raw: Path, tmp_path: Path) -> None:
        again = tmp_path / "again"
        again.mkdir()
        save_raw(open_raw(raw), again)
        assert {file.name: file.read_bytes() for file in again.iterdir()} == {
            file.name: file.read_bytes() for file in raw.iterdir()
        }
