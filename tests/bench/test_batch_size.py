"""The picture of the benchmark of batch sizes."""

from pathlib import Path

from matplotlib.figure import Figure

from bench.batch_size import loss_by_seconds
from tests.figures import assert_can_be_read, assert_small_and_the_same_again


def draw() -> Figure:
    return loss_by_seconds({"one": [(0.1, 2.0), (0.2, 1.0)], "all": [(1.0, 2.0), (20.0, 1.0)]})


def test_all_texts_are_whole_and_apart() -> None:
    assert_can_be_read(draw)


def test_the_file_is_small_and_the_same_again(tmp_path: Path) -> None:
    assert_small_and_the_same_again(draw, tmp_path)
