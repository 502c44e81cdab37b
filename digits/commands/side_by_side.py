"""Galleries of two things side by side: two models' predictions, and pictures and what is read.

Commands draw them; no stage does.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.metrics.predictions import Predictions
from digits.plots.style import DPI
from digits.plots.tiles import TILE, draw_grid, draw_tile, fit_axes, grid_height

_SIDE = 0.95  # inches of a tile

_PAIR_WIDTH, _PAIR_HEIGHT = 2.35, 1.5  # of a pair of tiles with its texts, in sides of a tile

_MAX_NAME = 24  # letters of a file's name that are shown


def changed_predictions(
    images: NDArray[np.uint8],
    a: tuple[str, Predictions],
    b: tuple[str, Predictions],
    names: Sequence[str],
) -> Figure:
    """What model B predicts correctly and A does not, and the contrary: up to 30 images each.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
        255 being ink.
    a, b : tuple of str and Predictions
        Each model's name, and its predictions of these images.
    names : sequence of str
        The classes, as shown.
    """
    (name_a, of_a), (name_b, of_b) = a, b
    y, predicted_a, predicted_b = (
        classes.astype(int) for classes in (of_a.labels, of_a.predicted, of_b.predicted)
    )
    panels = {
        "fixed": np.flatnonzero(~of_a.correct & of_b.correct),
        "broken": np.flatnonzero(of_a.correct & ~of_b.correct),
    }
    columns = 5
    lines = max(2, -(-min(30, max(map(len, panels.values()))) // columns))
    size = (2 * columns * TILE + 0.4, grid_height(images, lines) + 0.7 + 0.3)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    title = f"what it was: {name_a} said → {name_b} said"
    figure.suptitle("\n".join(textwrap.wrap(title, 100)), fontsize=11)
    for axes, (change, changed) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        shown = changed[:30]
        captions = [
            f"#{of_a.rows[i]}\n{names[y[i]]}: {names[predicted_a[i]]} → {names[predicted_b[i]]}"
            for i in shown
        ]
        draw_grid(axes, images[shown], captions, columns, lines)
        more = f" ({len(shown)} shown)" if len(changed) > len(shown) else ""
        title = f"{change} by {name_b}: {len(changed):,}{more}"
        axes.set_title("\n".join(textwrap.wrap(title, 52)), fontsize=11)
        if len(changed) == 0:
            axes.text(
                0.5, 0.5, "none", transform=axes.transAxes,
                ha="center", va="center", fontsize=12, color="0.3",
            )  # fmt: skip
    return figure


def pictures_as_read(
    pictures: Sequence[NDArray[np.uint8]],
    images: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    answers: Sequence[str],
    title: str = "The picture, and what the model saw of it",
) -> Figure:
    """Each picture beside the image that the model reads of it, the answer above, the name below.

    Parameters
    ----------
    pictures : sequence of ndarray of shape (height, width, 3), uint8
        RGB, of any size.
    images : sequence of ndarray of shape (side, side), uint8
        255 being ink.
    names : sequence of str
        Of the files.
    answers : sequence of str
        As shown.
    title : str, optional
        Of the figure.
    """
    columns = min(5, len(pictures))
    lines = -(-len(pictures) // columns)
    width = max(columns, 2) * _PAIR_WIDTH * _SIDE  # two are as wide as the title
    heading = textwrap.wrap(title, int(11 * width))
    size = (width, lines * _PAIR_HEIGHT * _SIDE + 0.25 + 0.2 * len(heading))
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    figure.suptitle("\n".join(heading), fontsize=11)
    axes = figure.add_subplot()
    for number, (picture, image, name, answer) in enumerate(
        zip(pictures, images, names, answers, strict=True)
    ):
        left, top = number % columns * _PAIR_WIDTH, number // columns * _PAIR_HEIGHT
        axes.text(
            left + 1.05, top - 0.03, answer,
            ha="center", va="bottom", fontsize=9.5, fontweight="bold",
        )  # fmt: skip
        axes.text(
            left + 1.05, top + 1.04, _shortened(name),
            ha="center", va="top", fontsize=7, color="0.35", parse_math=False,
        )  # fmt: skip
        height, width = (length / max(picture.shape[:2]) for length in picture.shape[:2])
        middle = left + (1 - width) / 2, top + (1 - height) / 2
        draw_tile(axes, picture, *middle, width, height)
        draw_tile(axes, image, left + 1.1, top, 1, 1)
    fit_axes(axes, (-0.1, columns * _PAIR_WIDTH - 0.15), (lines * _PAIR_HEIGHT - 0.25, -0.25))
    return figure


def _shortened(name: str) -> str:
    """A file's name, without its middle if it is long."""
    if len(name) <= _MAX_NAME:
        return name
    return f"{name[: _MAX_NAME // 2 - 1]}…{name[-_MAX_NAME // 2 :]}"
