"""What a model saw of the pictures that it was given, as a matplotlib Figure, drawn without a screen."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

DPI = 110

_SIDE = 0.95  # inches of a tile

_WIDTH, _HEIGHT = 2.35, 1.5  # of a pair of tiles with its captions, in sides of one

_LONGEST = 24  # letters of a file's name


def seen(
    pictures: Sequence[NDArray[np.uint8]],
    images: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    answers: Sequence[str],
) -> Figure:
    """Each picture beside the image that was made of it, its name below, the answer above.

    Parameters: `pictures` (height, width, 3) each, RGB, of any size; `images` (side, side) each, 255 being ink; `names` of the
    files; `answers` as they shall be shown.
    """
    columns = min(5, len(pictures))
    lines = -(-len(pictures) // columns)
    width = max(columns, 2) * _WIDTH * _SIDE  # two are as wide as the title
    figure = Figure(figsize=(width, lines * _HEIGHT * _SIDE + 0.45), dpi=DPI, layout="constrained")
    figure.suptitle("The picture, and what the model saw of it", fontsize=11)
    axes = figure.add_subplot()
    for number, (picture, image, name, answer) in enumerate(
        zip(pictures, images, names, answers, strict=True)
    ):
        left, top = number % columns * _WIDTH, number // columns * _HEIGHT
        axes.text(
            left + 1.05,
            top - 0.03,
            answer,
            ha="center",
            va="bottom",
            fontsize=9.5,
            fontweight="bold",
        )
        axes.text(
            left + 1.05,
            top + 1.04,
            _shortened(name),
            ha="center",
            va="top",
            fontsize=7,
            color="0.35",
            parse_math=False,
        )
        _tile(axes, left, top, picture)
        _tile(axes, left + 1.1, top, image)
    axes.set(
        xlim=(-0.1, columns * _WIDTH - 0.15),
        ylim=(lines * _HEIGHT - 0.25, -0.25),
        aspect="equal",
        xticks=[],
        yticks=[],
    )
    axes.set_frame_on(False)
    return figure


def _tile(axes: Axes, left: float, top: float, picture: NDArray[np.uint8]) -> None:
    """A picture in the middle of a square of side 1: colours as they are, an image of ink dark on white."""
    height, width = (length / max(picture.shape[:2]) for length in picture.shape[:2])
    x, y = left + (1 - width) / 2, top + (1 - height) / 2
    extent = (x, x + width, y + height, y)
    if picture.ndim == 2:
        axes.imshow(
            picture, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", extent=extent
        )
    else:
        axes.imshow(picture, interpolation="antialiased", extent=extent)
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="0.8", linewidth=0.6))


def _shortened(name: str) -> str:
    """A file's name, without its middle if it is long."""
    return (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2 - 1]}…{name[-_LONGEST // 2 :]}"
    )
