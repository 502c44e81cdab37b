"""Confusion matrices, and the error rate of each class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from digits.plots.style import BLUE, DPI


def confusion_counts(y: NDArray, predicted: NDArray, names: Sequence[str]) -> Figure:
    """The confusion matrix in images.

    The diagonal is grey, as the counts of correct predictions would drown the colours of errors.

    Parameters
    ----------
    y, predicted : ndarray of shape (n,), int or bool
        Classes, as places in ``names``.
    names : sequence of str
        The classes, as shown.
    """
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    errors = int(counts.sum() - counts.trace())
    texts = [
        [str(count) if count or row == column else "" for column, count in enumerate(line)]
        for row, line in enumerate(counts)
    ]
    figure = Figure(figsize=(7, 6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    mesh = _heat_map(axes, counts, texts, names, _largest_error(counts))
    ticks = MaxNLocator(integer=True, min_n_ticks=1)
    figure.colorbar(mesh, ax=axes, label="images", ticks=ticks, shrink=0.8)
    axes.set(xlabel="the model said", ylabel="it was")
    title = f"{errors:,} error{'s' * (errors != 1)} among {len(y):,} test images (grey: right)"
    axes.set_title(title)
    return figure


def confusion_percentages(y: NDArray, predicted: NDArray, names: Sequence[str]) -> Figure:
    """The errors of each class, and those of the images predicted to be of each, in percent.

    Parameters
    ----------
    y, predicted, names
        As of `confusion_counts`.
    """
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    panels = {
        "By row: of the images of a class,\nthe share taken for each other class": (
            100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ),
        "By column: of the images called a class,\nthe share that was really each other class": (
            100 * counts / np.maximum(counts.sum(axis=0), 1)
        ),
    }
    figure = Figure(figsize=(11.5, 5.6), dpi=DPI, layout="constrained")
    largest = max(map(_largest_error, panels.values()))
    both = figure.subplots(1, 2)
    for axes, (title, percentages) in zip(both, panels.items(), strict=True):
        mesh = _heat_map(axes, percentages, _error_texts(percentages, largest), names, largest)
        axes.set(xlabel="the model said", ylabel="it was")
        axes.set_title(title, fontsize=11)
    figure.colorbar(mesh, ax=both, label="percent", shrink=0.8)
    return figure


def error_rates(
    names: Sequence[str],
    rates: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    support: NDArray[np.integer],
) -> Figure:
    """The error rate of each class with its interval, and a line at that of all images.

    Parameters
    ----------
    names : sequence of str
        The classes, as shown.
    rates, low, high : ndarray of shape (classes,), float64
        The rates and the ends of their intervals, between 0 and 1.
    support : ndarray of shape (classes,), int
        How many images each class has.
    """
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    overall = 100 * float(np.average(rates, weights=support))
    places = np.arange(len(names))
    # Rounding may put an end on the wrong side of a rate of 0 or 1.
    bars = 100 * np.maximum([rates - low, high - rates], 0)
    axes.axhline(overall, color="0.35", linewidth=1, linestyle="--", label=f"all: {overall:.2f} %")
    axes.errorbar(
        places, 100 * rates, yerr=bars, fmt="o", color=BLUE, capsize=4,
        label="each, with its interval",
    )  # fmt: skip
    labels = [f"{name}\n{count:,}" for name, count in zip(names, support, strict=True)]
    axes.set_xticks(places, labels)
    axes.set(xlim=(-0.6, len(names) - 0.4))
    axes.set(xlabel="what it was, and how many images", ylabel="error rate (%)")
    axes.set_ylim(0, max(100 * float(high.max()), 0.1) * 1.2)  # room for the legend
    axes.set_title("How often each is read wrongly")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left", ncols=2)
    return figure


def _largest_error(table: NDArray) -> float:
    """The largest entry off the diagonal, or 1: a colour scale needs a width."""
    return float(np.where(np.eye(len(table), dtype=bool), 0, table).max()) or 1.0


def _error_texts(percentages: NDArray[np.float64], largest: float) -> list[list[str]]:
    """Entries off the diagonal, as precise as shows two digits of the largest; 0 is not shown."""
    decimals = max(int(np.ceil(-np.log10(largest))) + 1, 1)
    smallest = 10.0**-decimals

    def text(value: float) -> str:
        if value == 0:
            return ""
        if value < smallest / 2:  # nothing but 0 may read as 0
            return f"<{smallest:.{decimals}f}"
        return f"{value:.{decimals}f}"

    return [
        ["" if row == column else text(value) for column, value in enumerate(line)]
        for row, line in enumerate(percentages)
    ]


def _heat_map(
    axes: Axes,
    values: NDArray,
    texts: Sequence[Sequence[str]],
    names: Sequence[str],
    largest: float,
) -> QuadMesh:
    """Draw values (classes, classes) as colours, grey on the diagonal, and texts over them."""
    diagonal = np.eye(len(values), dtype=bool)
    mesh = axes.pcolormesh(
        np.ma.masked_where(diagonal, values), cmap="Blues", vmin=0, vmax=largest,
        linewidths=0.5, edgecolor="0.8",
    )  # fmt: skip
    axes.set(xlim=(0, len(values)), ylim=(len(values), 0), aspect="equal", facecolor="0.88")
    axes.spines[:].set_visible(False)
    places = np.arange(len(values)) + 0.5
    axes.set_xticks(places, names)
    axes.set_yticks(places, names, va="center")
    axes.tick_params(length=0)
    # White text where the colour is dark, by its luminance.
    luminance = np.asarray(mesh.to_rgba(values))[..., :3] ** 2.2 @ [0.2126, 0.7152, 0.0722]
    is_white = (luminance < 0.18) & ~diagonal
    size = 9 if len(values) > 4 else 13
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                axes.text(
                    column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size,
                    color="white" if is_white[row, column] else "black",
                )  # fmt: skip
    return mesh
