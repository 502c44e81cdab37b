"""Galleries of two things side by side: which images they show, and what is said of each."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from digits.commands.side_by_side import changed_predictions, pictures_as_read
from tests.figures import (
    DIGITS,
    YES_NO,
    Draw,
    assert_can_be_read,
    assert_small_and_the_same_again,
    numbered_images,
    numbers,
    predictions_of,
    ten_digits,
)


def compared(
    errors_a: float, errors_b: float, name: str = "a model", names: list[str] = DIGITS
) -> Figure:
    y, a = ten_digits(errors=errors_a)
    b = ten_digits(errors=errors_b)[1]
    if len(names) == 2:
        y, a, b = ((values == 5).astype(np.uint8) for values in (y, a, b))
    models = ("nearest neighbours", predictions_of(y, a)), (name, predictions_of(y, b))
    return changed_predictions(numbered_images(2000), *models, names)


FIGURES: dict[str, Draw] = {
    "both sides": lambda: compared(0.1, 0.05),
    "long name": lambda: compared(
        0.1, 0.05, "a committee of support vector machines with mirrored and moved images"
    ),
    "one side": lambda: compared(0.1, 0),
    "other side": lambda: compared(0, 0.1),
    "same": lambda: compared(0.1, 0.1),
    "yes/no": lambda: compared(0.1, 0.05, "svm", YES_NO),
}


@pytest.mark.parametrize("name", FIGURES)
def test_all_texts_are_whole_and_apart(name: str) -> None:
    assert_can_be_read(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    assert_small_and_the_same_again(FIGURES[name], tmp_path)


def test_changes_are_what_was_fixed_and_what_was_broken() -> None:
    y, a = ten_digits(errors=0.1)
    b = ten_digits(errors=0.05)[1]
    panels = compared(0.1, 0.05).axes
    rng = [np.flatnonzero((a != y) & (b == y)), np.flatnonzero((a == y) & (b != y))]
    for axes, every, what in zip(panels, rng, ("fixed", "broken"), strict=True):
        assert numbers(axes) == every[:30].tolist()
        more = " (30 shown)" if len(every) > 30 else ""
        assert axes.get_title() == f"{what} by a model: {len(every)}{more}"
        captions = [text.get_text() for text in axes.texts if text.get_text() != "none"]
        assert captions == [f"#{60_000 + i}\n{y[i]}: {a[i]} → {b[i]}" for i in every[:30]]
    assert len(rng[0]) > 30


def test_changes_say_that_a_side_is_empty() -> None:
    fixed, broken = compared(0.1, 0).axes
    assert len(fixed.images) == 30 and not broken.images
    assert [text.get_text() for text in broken.texts] == [
        "none"
    ] and broken.get_title() == "broken by a model: 0"


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_no_text_beside_pictures_covers_another(n: int) -> None:
    rng = np.random.default_rng(0)
    pictures = [
        rng.integers(0, 256, (*rng.integers(5, 100, 2), 3)).astype(np.uint8) for _ in range(n)
    ]
    names = [("$a_long^name of a scan " * (1 + i % 3) + f"{i}.png") for i in range(n)]
    images = rng.integers(0, 256, (n, 8, 8)).astype(np.uint8)
    figure = pictures_as_read(pictures, list(images), names, ["not 5   >99.9 %"] * n)
    figure.canvas.draw()
    (axes,) = figure.axes
    shown = [np.asarray(image.get_array()) for image in axes.images]
    assert [array.shape for array in shown[::2]] == [picture.shape for picture in pictures]
    assert all(np.array_equal(array, images[i]) for i, array in enumerate(shown[1::2]))
    texts = [
        text.get_window_extent()
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text()
    ]
    tiles = [tile.get_window_extent() for tile in axes.patches]
    assert len(texts) == 2 * n + 1 and len(tiles) == 2 * n
    for i, a in enumerate(texts):
        assert a.x0 >= 0 and a.x1 <= figure.bbox.width and a.y0 >= 0 and a.y1 <= figure.bbox.height
        assert not any(a.overlaps(b) for b in [*texts[i + 1 :], *tiles])
