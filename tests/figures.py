"""Predictions to draw figures of, what can be read from figures, and what holds for all of them."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from digits.metrics.predictions import Predictions
from digits.plots.style import save_png

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


def predictions_of(y: NDArray, predicted: NDArray, first_row: int = 60_000) -> Predictions:
    """Predictions of images that follow each other in data/raw."""
    n_scores = (len(y),) if y.dtype == bool else (len(y), 10)
    rows = np.arange(first_row, first_row + len(y), dtype=np.int64)
    return Predictions(rows, y, predicted, np.zeros(n_scores))


def numbered_images(n: int) -> NDArray[np.uint8]:
    """Images with a little ink, of which each has its number in the first pixels."""
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 6:22, 10:18] = np.random.default_rng(0).integers(0, 256, (n, 16, 8))
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) // 256, np.arange(n) % 256
    return images


def numbers(axes: Axes) -> list[int]:
    """Of the `numbered_images` shown, in order."""
    return [
        int(array[0, 0]) * 256 + int(array[0, 1])
        for array in (np.asarray(image.get_array()) for image in axes.images)
    ]


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


def tick_labels(axes: Axes) -> tuple[list[str], list[str]]:
    """Of the y axis and of the x axis."""
    return [label.get_text() for label in axes.get_yticklabels()], [
        label.get_text() for label in axes.get_xticklabels()
    ]


def error_bars(axes: Axes) -> tuple[NDArray, NDArray]:
    """Points (n, 2) of an errorbar, and the ends (n, 2) of its bars."""
    (container,) = (part for part in axes.containers if isinstance(part, ErrorbarContainer))
    ends = np.array([segment[:, 1] for segment in container.lines[2][0].get_segments()])
    return np.asarray(container.lines[0].get_xydata()), ends
