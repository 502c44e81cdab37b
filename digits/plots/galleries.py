"""Pictures of the images themselves: each function returns a matplotlib Figure, drawn without a screen."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

DPI = 110

_TILE = 0.96  # inches from one tile to the next

_GAP = 0.12  # between tiles, in widths of one

_CAPTION = 0.42  # above a tile: two lines


def confident_mistakes(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    y: NDArray,
    predicted: NDArray,
    confidence: NDArray[np.float64],
    names: Sequence[str],
    is_probability: bool,
) -> Figure:
    """The mistakes which the model was surest of, at most 40 of them, the surest first.

    Parameters: `images` (n, height, width), 255 being ink; `rows` (n,), the numbers to print; `y` and `predicted` (n,), values
    0..len(names)-1; `confidence` (n,) of the predicted class, a probability or another score.
    """
    wrong = np.flatnonzero(y != predicted)
    if len(wrong) == 0:
        return _sentence(f"None of the {len(y):,} images was read wrongly.")
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:40]
    captions = [
        f"#{rows[i]}  {_confidence(confidence[i], is_probability)}\n{names[int(y[i])]} → {names[int(predicted[i])]}"
        for i in shown
    ]
    columns = 8
    lines = -(-len(shown) // columns)
    figure = Figure(
        figsize=(columns * _TILE + 0.2, _height(images, lines) + 0.4), dpi=DPI, layout="constrained"
    )
    _tiles(figure.add_subplot(), images[shown], captions, columns, lines)
    unit = "its probability" if is_probability else "its score"
    which = (
        f"The {len(shown)} surest of {len(wrong):,} mistakes"
        if len(wrong) > 1
        else "The only mistake"
    )
    figure.suptitle(f"{which}: number, {unit}; what it was → what the model said", fontsize=11)
    return figure


def confused_pair(
    images: NDArray[np.uint8], y: NDArray, predicted: NDArray, names: Sequence[str]
) -> Figure:
    """The two classes most often taken for each other: up to 25 images each of right and wrong answers.

    After the figure in chapter 3 of Géron's "Hands-On Machine Learning": a row for what it was, a column for what the model said.

    Parameters as of `confident_mistakes`.
    """
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    together = np.triu(counts + counts.T, 1)
    if not together.any():
        return _sentence(f"No two classes were confused in {len(y):,} images.")
    pair = np.unravel_index(int(together.argmax()), together.shape)
    figure = Figure(figsize=(6.4, 7), dpi=DPI, layout="constrained")
    first, second = (names[int(i)] for i in pair)
    times = int(together[pair])
    figure.suptitle(
        f"Most confused: {first} and {second}, {times:,} time{'s' * (times != 1)}", fontsize=12
    )
    for axes, (truth, said) in zip(
        figure.subplots(2, 2).flat, [(truth, said) for truth in pair for said in pair], strict=True
    ):
        every = np.flatnonzero((y == truth) & (predicted == said))
        _tiles(axes, images[every[:25]], None, 5, 5)
        axes.set_title(
            f"{names[int(truth)]} called {names[int(said)]}: {len(every):,}{_of_which(25, len(every))}",
            fontsize=10,
        )
        if truth != said:  # mistakes are framed
            axes.set_frame_on(True)
            axes.patch.set(visible=False)
            for spine in axes.spines.values():
                spine.set(visible=True, color="0.3", linestyle="--")
    return figure


def gallery(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    y: NDArray,
    predicted_a: NDArray,
    predicted_b: NDArray,
    name_a: str,
    name_b: str,
    names: Sequence[str],
) -> Figure:
    """What model B reads that A did not, and what it no longer reads: up to 30 images each, the first ones.

    Parameters as of `confident_mistakes`; `predicted_a` and `predicted_b` (n,). Captions: the truth: A's answer → B's.
    """
    right_a, right_b = predicted_a == y, predicted_b == y
    sides = {
        "fixed": np.flatnonzero(~right_a & right_b),
        "broken": np.flatnonzero(right_a & ~right_b),
    }
    columns = 5
    lines = max(2, -(-min(30, max(map(len, sides.values()))) // columns))
    height = _height(images, lines) + 0.7
    figure = Figure(
        figsize=(2 * columns * _TILE + 0.4, height + 0.3), dpi=DPI, layout="constrained"
    )
    figure.suptitle(
        "\n".join(textwrap.wrap(f"what it was: {name_a} said → {name_b} said", 100)), fontsize=11
    )
    for axes, (what, every) in zip(figure.subplots(1, 2), sides.items(), strict=True):
        shown = every[:30]
        captions = [
            f"#{rows[i]}\n{names[int(y[i])]}: {names[int(predicted_a[i])]} → {names[int(predicted_b[i])]}"
            for i in shown
        ]
        _tiles(axes, images[shown], captions, columns, lines)
        more = _of_which(len(shown), len(every))
        axes.set_title(
            "\n".join(textwrap.wrap(f"{what} by {name_b}: {len(every):,}{more}", 52)), fontsize=11
        )
        if len(every) == 0:
            axes.text(
                0.5,
                0.5,
                "none",
                transform=axes.transAxes,
                ha="center",
                va="center",
                fontsize=12,
                color="0.3",
            )
    return figure


def _tiles(
    axes: Axes, images: NDArray[np.uint8], captions: Sequence[str] | None, columns: int, lines: int
) -> None:
    """Images (n, height, width) in a grid, line by line from the top left, dark on white, a caption above each."""
    height = images.shape[1] / images.shape[2]
    above = _GAP if captions is None else _CAPTION
    for number, image in enumerate(images):
        left, top = number % columns * (1 + _GAP), number // columns * (height + above) + above
        axes.imshow(
            image,
            cmap="gray_r",
            vmin=0,
            vmax=255,
            interpolation="nearest",
            extent=(left, left + 1, top + height, top),
        )
        axes.add_patch(
            Rectangle((left, top), 1, height, fill=False, edgecolor="0.8", linewidth=0.6)
        )
        if captions is not None:
            axes.text(
                left + 0.5,
                top - 0.02,
                captions[number],
                ha="center",
                va="bottom",
                fontsize=7.5,
                linespacing=1.1,
            )
    axes.set(
        xlim=(-_GAP, columns * (1 + _GAP)),
        ylim=(lines * (height + above) + _GAP, 0),
        aspect="equal",
        xticks=[],
        yticks=[],
    )
    axes.set_anchor("N")
    axes.set_frame_on(False)


def _height(images: NDArray[np.uint8], lines: int) -> float:
    """Inches that lines of captioned tiles take."""
    return lines * (images.shape[1] / images.shape[2] + _CAPTION) * _TILE / (1 + _GAP)


def _of_which(shown: int, every: int) -> str:
    return f" ({shown} shown)" if every > shown else ""


def _confidence(value: float, is_probability: bool) -> str:
    if not is_probability:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return ">99 %" if 0.995 <= value < 1 else f"{100 * value:.0f} %"


def _sentence(text: str) -> Figure:
    """A picture that only says something."""
    figure = Figure(figsize=(6, 1.5), dpi=DPI, layout="constrained")
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=12)
    return figure
