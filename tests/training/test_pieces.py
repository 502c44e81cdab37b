"""What a piece of a fit takes along to a worker of a cluster."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from digits.common.arrays import ArrayFile, open_array_file, read_rows
from digits.training import cluster, pieces
from digits.training.fit import TrainingSet

LARGE = np.arange(cluster.LARGE, dtype=np.float32).reshape(-1, 10)
SMALL = np.arange(10)
ROWS = np.array([1, 5, 6])


def sent(folder: Path, value: Any) -> Any:
    """What is sent of an argument."""
    return cluster._Backend(cast(cluster.Cluster, None), folder)._by_file(value)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("array", [LARGE, np.asfortranarray(LARGE), LARGE[::2, 1:]])
def test_a_large_array_goes_by_one_file_and_a_small_one_by_itself(
    array: np.ndarray, tmp_path: Path
) -> None:
    value = [array, SMALL, {"again": array, "text": "a"}]
    there = sent(tmp_path, value)
    assert files(tmp_path) == ["0.npy"] and there[0] == there[2]["again"]
    assert there[1] is SMALL and there[2]["text"] == "a"
    opened = pieces._open(there)
    np.testing.assert_array_equal(opened[0], array)
    assert type(opened[0]) is np.ndarray and not opened[0].flags.writeable
    assert array.flags.c_contiguous <= opened[0].flags.c_contiguous
    assert array.flags.f_contiguous <= opened[0].flags.f_contiguous


def test_a_training_set_goes_by_files_and_its_pixels_stay_in_one(tmp_path: Path) -> None:
    folder = tmp_path / "pieces"
    folder.mkdir()
    np.save(tmp_path / "images.npy", LARGE)
    X = open_array_file(tmp_path / "images.npy", np.float32, (None, None))
    source = np.arange(len(LARGE), dtype=np.int32)
    data = TrainingSet(X, source, source, len(LARGE), {"a representation": LARGE})
    there = sent(folder, data)
    assert isinstance(there.X, ArrayFile) and there.X.path.parent == folder
    np.save(tmp_path / "new.npy", LARGE + 1)
    (tmp_path / "new.npy").replace(tmp_path / "images.npy")  # as a stage replaces what it makes
    opened = pieces._open(there)
    np.testing.assert_array_equal(read_rows(opened.X, ROWS), LARGE[ROWS])
    np.testing.assert_array_equal(opened.features["a representation"], LARGE)
    assert opened.n_originals == len(LARGE) and opened.source is source


def test_where_there_are_no_links_the_file_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:  # noqa: ARG001 (pathlib's signature)
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    folder = tmp_path / "pieces"
    folder.mkdir()
    np.save(tmp_path / "images.npy", LARGE)
    there = sent(folder, open_array_file(tmp_path / "images.npy", np.float32, (None, None)))
    assert there.path.parent == folder
    np.testing.assert_array_equal(there.read(ROWS), LARGE[ROWS])


def test_what_must_be_the_same_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    here = pieces.identity()
    assert pieces.CODE in here and {"numpy", *pieces.ROUTINES} <= set(here)
    assert not pieces.differences(here)
    other = pieces.differences(here | {"numpy": "1.0"})
    assert other == [f"numpy {here['numpy']} (the sender's is 1.0)"]
    monkeypatch.setenv(pieces.ROUTINES[0], "Zen")
    assert not pieces.differences(here), "it has been read already"
