"""PNG files of figures: equal for equal figures, and without the name of a program."""

import os
import subprocess
import sys
from pathlib import Path

from matplotlib.image import imread

from digits.plots.confusion_matrix import confusion_counts
from digits.plots.style import save_png
from tests.figures import DIGITS, ten_digits
from tests.imports import ROOT


def draw(path: Path) -> None:
    save_png(confusion_counts(*ten_digits(), DIGITS), path)


def test_same_errors_are_the_same_file(tmp_path: Path) -> None:
    """Also when another process drew it, which hashes strings differently."""
    draw(tmp_path / "one")
    module = "tests.plots.test_style"
    code = f"import pathlib, sys, {module}; {module}.draw(pathlib.Path(sys.argv[1]))"
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "two"], env=os.environ | environment, check=True
    )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_file_is_a_png_that_names_no_program(tmp_path: Path) -> None:
    save_png(confusion_counts(*ten_digits(), DIGITS), tmp_path / "errors.png.new")
    content = (tmp_path / "errors.png.new").read_bytes()
    assert (
        content.startswith(b"\x89PNG")
        and b"Software" not in content
        and b"atplotlib" not in content
    )
    with (tmp_path / "errors.png.new").open("rb") as file:
        picture = imread(file, format="png")
    assert picture.shape[:2] == (660, 770) and picture.std() > 0.05
