"""Data sets from IDX files, from a table, and from scikit-learn."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray
from sklearn.datasets import load_digits

from digits.common.errors import BadInput
from digits.data.idx import FILES
from digits.data.loaders import digits_8x8, from_files, from_folder, from_table
from digits.params.datasets import SOURCES
from tests.idx_files import (
    ALL,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    assert_same,
    idx_file,
)

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

    def test_one_that_is_there_twice_must_be_the_same(self, tmp_path: Path) -> None:
        for name, content in files().items():
            (tmp_path / name).write_bytes(content)
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        assert_same(from_folder(tmp_path), *ALL)
        other = files(train_images=255 - TRAIN_IMAGES)[NAMES[0]]
        (tmp_path / f"{NAMES[0]}.gz").write_bytes(gzip.compress(other))
        with pytest.raises(BadInput, match=rf"{NAMES[0]}\.gz differ: allowed is one of them"):
            from_folder(tmp_path)

    def test_with_the_same_images_in_both_parts(self, tmp_path: Path) -> None:
        """As when somebody copies the training files in the place of the test files."""
        contents = files(test_images=TRAIN_IMAGES, test_labels=TRAIN_LABELS)
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match="7 of 7 test images are training images too"):
            from_folder(tmp_path)

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
        pixels = np.random.default_rng(0).integers(0, 256, (20, 784))
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
