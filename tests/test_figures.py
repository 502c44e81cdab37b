"""What the picture of the errors says, read from the figure itself."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from digits.figures import errors_heat_map, save_png

ROOT = Path(__file__).resolve().parent.parent
DIGITS = [str(digit) for digit in range(10)]


def ten_digits(n: int = 2000) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels, and predictions of which one in ten is wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, n).astype(np.uint8)
    return y, np.where(rng.random(n) < 0.1, rng.integers(0, 10, n), y).astype(np.uint8)


def shown(axes: Axes) -> dict[tuple[int, int], str]:
    """What stands in each (row, column) of the heat map."""
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}


def names(axes: Axes) -> tuple[list[str], list[str]]:
    return [label.get_text() for label in axes.get_yticklabels()], [label.get_text() for label in axes.get_xticklabels()]


def test_counts_off_the_diagonal_are_shown() -> None:
    y, predicted = ten_digits()
    axes = errors_heat_map(y, predicted, DIGITS).axes[0]
    counts = confusion_matrix(y, predicted)
    expected = {(row, column): str(counts[row, column]) for row in range(10) for column in range(10) if row != column}
    assert {place: text for place, text in shown(axes).items() if text} == expected
    assert names(axes) == (DIGITS, DIGITS)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("it was", "the model said")


def test_rows_are_the_truth_and_columns_what_the_model_said() -> None:
    axes = errors_heat_map(np.array([3, 3, 3]), np.array([3, 8, 8]), DIGITS).axes[0]
    assert shown(axes)[3, 8] == "2" and shown(axes)[8, 3] == "0"
    top, bottom = axes.get_ylim()[::-1]
    assert top < bottom, "0 is on top"


def test_title_counts_errors_and_images() -> None:
    y, predicted = ten_digits(12_345)
    title = errors_heat_map(y, predicted, DIGITS).axes[0].get_title()
    assert title == f"The {np.count_nonzero(y != predicted)} errors among 12,345 test images"


def test_yes_and_no_have_their_names() -> None:
    y, predicted = np.array([True, True, True, False, False]), np.array([True, False, False, True, False])
    axes = errors_heat_map(y, predicted, ["not 5", "5"]).axes[0]
    assert names(axes) == (["not 5", "5"], ["not 5", "5"])
    assert {place: text for place, text in shown(axes).items() if text} == {(0, 1): "1", (1, 0): "2"}


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_no_errors_are_a_picture_too(tmp_path: Path, n: int) -> None:
    y = np.arange(n) % 10
    figure = errors_heat_map(y, y, DIGITS)
    assert set(shown(figure.axes[0]).values()) <= {"0", ""}
    assert figure.axes[0].get_title().startswith("The 0 errors")
    save_png(figure, tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 1000


def draw(path: Path) -> None:
    save_png(errors_heat_map(*ten_digits(), DIGITS), path)


def test_same_errors_are_the_same_file(tmp_path: Path) -> None:
    """Also when another process drew it, which hashes strings differently."""
    draw(tmp_path / "one")
    draw(tmp_path / "two")
    code = "import pathlib, sys, test_figures; test_figures.draw(pathlib.Path(sys.argv[1]))"
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "three"], env=os.environ | environment, check=True)
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one == three


def test_file_is_a_png_that_names_no_program(tmp_path: Path) -> None:
    save_png(errors_heat_map(*ten_digits(), DIGITS), tmp_path / "errors.png.new")
    content = (tmp_path / "errors.png.new").read_bytes()
    assert content.startswith(b"\x89PNG") and b"Software" not in content and b"atplotlib" not in content
    with (tmp_path / "errors.png.new").open("rb") as file:
        picture = imread(file, format="png")
    assert picture.shape[:2] == (720, 840) and picture.std() > 0.05
