"""Answers to draw pictures of, and what holds for every picture that the project draws."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from digits.plots.charts import save_png

DIGITS = [str(digit) for digit in range(10)]
YES_NO = ["not 5", "5"]
Draw = Callable[[], Figure]


def ten_digits(n: int = 2000, errors: float = 0.1) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels, and predictions of which a share is drawn at random."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, n).astype(np.uint8)
    return y, np.where(rng.random(n) < errors, rng.integers(0, 10, n), y).astype(np.uint8)


def yes_no() -> tuple[NDArray, NDArray]:
    y, predicted = ten_digits()
    return y == 5, predicted == 5


def assert_can_be_read(draw: Draw) -> None:
    """Every text that is drawn lies within the picture and on no other."""
    drawn: list[Text] = []
    draw_text = Text.draw

    def record(self: Text, *args: object, **options: object) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn.append(self)
        draw_text(self, *args, **options)  # type: ignore[arg-type]

    figure = draw()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Text, "draw", record)
        figure.draw_without_rendering()
    boxes = {text: text.get_window_extent() for text in drawn}
    assert boxes
    for text, box in boxes.items():
        inside = (
            box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        )
        assert inside, f"{text.get_text()!r} is cut off"
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one.get_text()!r} lies on {other.get_text()!r}"


def assert_small_and_the_same_again(draw: Draw, folder: Path) -> None:
    """A figure is the same bytes every time, for DVC's run cache, and not many of them, for git."""
    for file in ("one", "two"):
        save_png(draw(), folder / file)
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
    assert 1000 < (folder / "one").stat().st_size < 80_000
