"""The augmented images, opened as a training set."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.data.folds import TEST
from digits.training.dataset import open_training_set
from tests.small import IMAGES, LABELS

FOLD = np.array([0, 1, TEST, 0, 1], np.int8)
TRAIN = np.array([0, 1, 3, 4], np.int32)
SOURCE = np.tile(TRAIN, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.save(tmp_path / "images.npy", IMAGES[SOURCE].reshape(-1, 4, 16))
    np.save(tmp_path / "labels.npy", LABELS[SOURCE])
    np.save(tmp_path / "source.npy", SOURCE)
    return tmp_path


def y_of(target: int | str) -> NDArray:
    return LABELS[SOURCE] if target == "digit" else LABELS[SOURCE] == target


@pytest.mark.parametrize("target", ["digit", 0])
@pytest.mark.parametrize(("copies", "n"), [("all", 8), ("support_vectors", 8), ("none", 4)])
def test_images_labels_and_sources(folder: Path, target: int | str, copies: str, n: int) -> None:
    data, shape = open_training_set(folder, FOLD, target, copies)
    assert shape == (4, 16) and data.n_originals == 4
    np.testing.assert_array_equal(data.read(np.arange(n)), IMAGES[SOURCE[:n]])
    np.testing.assert_array_equal(data.y, y_of(target)[:n])
    np.testing.assert_array_equal(data.source, SOURCE[:n])


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "source.npy"])
def test_a_file_that_is_missing_or_another_is_bad_input(folder: Path, name: str) -> None:
    np.save(folder / name, np.zeros(3))
    with pytest.raises(BadInput, match=name):
        open_training_set(folder, FOLD, "digit", "all")
    (folder / name).unlink()
    with pytest.raises(BadInput, match=name):
        open_training_set(folder, FOLD, "digit", "all")
