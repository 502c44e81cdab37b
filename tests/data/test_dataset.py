"""A data set is what was meant, or it is refused."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray
from sklearn.datasets import load_digits

from digits.common.errors import BadInput
from digits.data.dataset import DataSet, check_digest, open_raw, save_raw
from digits.data.idx import FILES
from digits.data.loaders import digits_8x8, from_files, from_folder, from_table
from digits.params.datasets import SOURCES
from tests.idx_files import idx_file

RNG = np.random.default_rng(0)
TRAIN_IMAGES, TEST_IMAGES = (
    RNG.integers(0, 256, (7, 5, 4), np.uint8),
    RNG.integers(0, 256, (3, 5, 4), np.uint8),
)
TRAIN_LABELS, TEST_LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8), np.array([6, 5, 0], np.uint8)
NAMES = list(FILES.values())


def files(**changed: NDArray[np.uint8]) -> dict[str, bytes]:
    """The contents of four IDX files that fit together, but for what is `changed`."""
    arrays = {
        "train_images": TRAIN_IMAGES,
        "train_labels": TRAIN_LABELS,
        "test_images": TEST_IMAGES,
        "test_labels": TEST_LABELS,
    }
    return {FILES[part]: idx_file(array) for part, array in (arrays | changed).items()}


def assert_same(
    data: DataSet, images: NDArray[np.uint8], labels: NDArray[np.uint8], n_train: int
) -> None:
    np.testing.assert_array_equal(data.images, images, strict=True)
    np.testing.assert_array_equal(data.labels, labels, strict=True)
    assert data.n_train == n_train


ALL = np.concatenate([TRAIN_IMAGES, TEST_IMAGES]), np.concatenate([TRAIN_LABELS, TEST_LABELS]), 7


class TestFourFiles:
    def test_become_one_data_set_training_images_first(self) -> None:
        assert_same(from_files(files()), *ALL)

    @pytest.mark.parametrize("zipped", [[], NAMES[:1], NAMES], ids=["raw", "mixed", "gz"])
    def test_may_be_zipped(self, tmp_path: Path, zipped: list[str]) -> None:
        for name, content in files().items():
            if name in zipped:
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (tmp_path / name).write_bytes(content)
        assert_same(from_folder(tmp_path), *ALL)

    @pytest.mark.parametrize("missing", [NAMES[:1], NAMES[1:3], NAMES], ids=["one", "two", "all"])
    def test_that_are_missing_are_named(self, tmp_path: Path, missing: list[str]) -> None:
        for name in set(NAMES) - set(missing):
            (tmp_path / name).write_bytes(files()[name])
        with pytest.raises(BadInput) as caught:
            from_folder(tmp_path)
        assert [name for name in NAMES if name in str(caught.value)] == missing
        assert str(tmp_path) in str(caught.value)

    def test_of_a_folder_that_is_none_are_missing(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=f"nowhere lacks {', '.join(NAMES)}"):
            from_folder(tmp_path / "nowhere")

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"train_labels": TRAIN_LABELS[:-1]}, "the train files hold 7 images and 6 labels"),
            ({"test_labels": TRAIN_LABELS}, "the test files hold 3 images and 7 labels"),
            (
                {"test_images": TEST_IMAGES[:0], "test_labels": TEST_LABELS[:0]},
                "the test files hold 0 images and 0 labels",
            ),
            (
                {"test_images": TEST_IMAGES[:, 1:]},
                r"\(5, 4\) and \(4, 4\) pixels, allowed is one size",
            ),
            (
                {"train_labels": TRAIN_LABELS + 1},
                "the labels go up to 10, allowed are the digits 0 to 9",
            ),
            (
                {"test_labels": TEST_LABELS + 249},
                "the labels go up to 255, allowed are the digits 0 to 9",
            ),
            (
                {"train_images": TRAIN_IMAGES.reshape(7, 20)},
                r"train-images-idx3-ubyte begins with .* 3 dimension\(s\)",
            ),
            (
                {"test_labels": TEST_LABELS.reshape(3, 1)},
                r"t10k-labels-idx1-ubyte begins with .* 1 dimension\(s\)",
            ),
        ],
    )
    def test_that_do_not_fit_are_refused(
        self, changed: dict[str, NDArray[np.uint8]], message: str
    ) -> None:
        with pytest.raises(BadInput, match=message):
            from_files(files(**changed))

    @pytest.mark.parametrize("name", NAMES)
    def test_of_which_one_is_damaged_are_refused_by_its_name(
        self, tmp_path: Path, name: str
    ) -> None:
        for other, content in files().items():
            (tmp_path / other).write_bytes(content[:-1] if other == name else content)
        with pytest.raises(BadInput, match=f"^{name} announces"):
            from_folder(tmp_path)


class TestTable:
    """What OpenML hands out."""

    @pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint8])
    @pytest.mark.parametrize("kind", [object, np.str_])
    def test_numbers_and_strings_are_cast(self, dtype: DTypeLike, kind: DTypeLike) -> None:
        pixels = RNG.integers(0, 256, (20, 784))
        strings = np.array([str(digit) for digit in [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] * 2], dtype=kind)
        assert not (strings == 5).any()  # the trap: no error, and no fives
        data = from_table(pixels.astype(dtype), strings)
        assert data.images.dtype == data.labels.dtype == np.uint8
        np.testing.assert_array_equal(data.images.reshape(20, 784), pixels)
        assert (data.labels == 5).tolist() == [n in (0, 10) for n in range(20)]
        assert data.n_train == 60_000

    def test_a_row_of_pixels_is_28_rows_of_an_image(self) -> None:
        pixels = np.zeros((1, 784), np.int64)
        pixels[0, 28 * 3 + 7] = 200
        assert np.argwhere(from_table(pixels, ["1"]).images).tolist() == [[0, 3, 7]]


class TestSmallDigits:
    def test_are_those_of_scikit_learn(self) -> None:
        data, theirs = digits_8x8(), load_digits()
        assert_same(
            data,
            (theirs.images / 16 * 255).round().astype(np.uint8),
            theirs.target.astype(np.uint8),
            n_train=1_497,
        )
        assert data.images.min() == 0 and data.images.max() == 255

    def test_have_their_pinned_digest(self) -> None:
        assert digits_8x8().sha256 == SOURCES[1].sha256


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
