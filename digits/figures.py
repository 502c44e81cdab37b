"""Pictures: each function returns a matplotlib Figure, drawn without a screen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix


def errors_heat_map(y: NDArray, predicted: NDArray, names: list[str]) -> Figure:
    """The confusion matrix without what was right: which digits are taken for which, in images.

    Parameters: `y` and `predicted` (n,), values 0..len(names)-1; `names` of the classes, as shown.
    """
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    right = np.eye(len(names), dtype=bool)
    errors = int(counts[~right].sum())
    figure = Figure(figsize=(7, 6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    sns.heatmap(
        counts, mask=right, annot=True, fmt="d", cmap="Blues", square=True, linewidths=0.5, linecolor="0.9",
        xticklabels=names, yticklabels=names, vmin=0, vmax=max(int(counts[~right].max()), 1),
        cbar_kws={"label": "images", "ticks": MaxNLocator(integer=True)}, ax=axes,
    )  # fmt: skip
    axes.set_facecolor("0.93")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    axes.set_xlabel("the model said")
    axes.set_ylabel("it was")
    axes.set_title(f"The {errors} errors among {len(y):,} test images")
    return figure


def loss_by_seconds(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Figure:
    """Loss against seconds of learning, a line for each name; every point is an epoch."""
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for (name, points), marker, colour in zip(curves.items(), "o.x+", sns.color_palette("colorblind"), strict=False):
        seconds, losses = zip(*points, strict=True)
        label = f"{name}: {len(points)} epochs, {seconds[-1]:,.1f} s"
        axes.plot(seconds, losses, marker=marker, color=colour, markersize=5, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("seconds of learning (logarithmic)")
    axes.set_ylabel("cross entropy on images learned from")
    axes.set_title("The same loss: one step after every few images, or one after all of them")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG, whatever the file's name, without the name of the program that drew it: the same picture is the same file."""
    figure.savefig(path, format="png", metadata={"Software": None})
