"""Images as tiles of a figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.plots.style import DPI

TILE = 0.96  # inches from one tile of a grid to the next

_GAP = 0.12  # between tiles of a grid, in widths of one

_CAPTION = 0.42  # above a tile, in widths of one: two lines


def draw_tile(
    axes: Axes, image: NDArray[np.uint8], left: float, top: float, width: float, height: float
) -> None:
    """Draw an image in a frame, at a place and of a size in the units of the axes.

    Parameters
    ----------
    axes : Axes
        Its y axis points down.
    image : ndarray of shape (h, w) or (h, w, 3), uint8
        Grey levels, of which 255 is ink and drawn black, or RGB.
    left, top, width, height : float
        The rectangle that the image fills.
    """
    extent = (left, left + width, top + height, top)
    if image.ndim == 2:
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", extent=extent)
    else:
        axes.imshow(image, interpolation="antialiased", extent=extent)
    frame = Rectangle((left, top), width, height, fill=False, edgecolor="0.8", linewidth=0.6)
    axes.add_patch(frame)


def draw_grid(
    axes: Axes, images: NDArray[np.uint8], captions: Sequence[str] | None, columns: int, lines: int
) -> None:
    """Draw images in a grid, line by line from the top left.

    Parameters
    ----------
    axes : Axes
        Filled by the grid.
    images : ndarray of shape (n, height, width), uint8
        255 being ink.
    captions : sequence of str or None
        Of at most two lines, above each image.
    columns, lines : int
        Of the grid.
    """
    height = images.shape[1] / images.shape[2]
    above = _GAP if captions is None else _CAPTION
    for number, image in enumerate(images):
        left, top = number % columns * (1 + _GAP), number // columns * (height + above) + above
        draw_tile(axes, image, left, top, 1, height)
        if captions is not None:
            axes.text(
                left + 0.5, top - 0.02, captions[number],
                ha="center", va="bottom", fontsize=7.5, linespacing=1.1,
            )  # fmt: skip
    fit_axes(axes, (-_GAP, columns * (1 + _GAP)), (lines * (height + above) + _GAP, 0))
    axes.set_anchor("N")


def grid_height(images: NDArray[np.uint8], lines: int) -> float:
    """Inches that so many lines of captioned images (n, height, width) take."""
    return lines * (images.shape[1] / images.shape[2] + _CAPTION) * TILE / (1 + _GAP)


def fit_axes(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Set the limits of axes that show tiles and nothing else."""
    axes.set(xlim=x, ylim=y, aspect="equal", xticks=[], yticks=[])
    axes.set_frame_on(False)


def sentence(text: str) -> Figure:
    """A figure that only says something, where there are no images to show."""
    figure = Figure(figsize=(6, 1.5), dpi=DPI, layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
    return figure
