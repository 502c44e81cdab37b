"""Charts: each function returns a matplotlib Figure, drawn without a screen; `digits.galleries` shows the images themselves."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from operator import itemgetter
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import confusion_matrix

from digits.metrics.calibration import calibration_bins, calibration_error
from digits.metrics.intervals import wilson_interval

DPI = 110

_COLOURS = sns.color_palette("colorblind")

_DASHES = {"validation": "--", "test": "-"}


def confusion_counts(y: NDArray, predicted: NDArray, names: Sequence[str]) -> Figure:
    """The confusion matrix in images; what was right is grey, as its counts would drown the others' colours.

    Parameters: `y` and `predicted` (n,), values 0..len(names)-1; `names` of the classes, as shown.
    """
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    errors = int(counts.sum() - counts.trace())
    texts = [
        [str(count) if count or row == column else "" for column, count in enumerate(line)]
        for row, line in enumerate(counts)
    ]
    figure = Figure(figsize=(7, 6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    mesh = _heat_map(axes, counts, texts, names, _largest(counts))
    figure.colorbar(
        mesh, ax=axes, label="images", ticks=MaxNLocator(integer=True, min_n_ticks=1), shrink=0.8
    )
    axes.set(xlabel="the model said", ylabel="it was")
    axes.set_title(
        f"{errors:,} error{'s' * (errors != 1)} among {len(y):,} test images (grey: right)"
    )
    return figure


def error_shares(y: NDArray, predicted: NDArray, names: Sequence[str]) -> Figure:
    """What of each class is taken for another, and what of each answer is really another, in percent.

    Parameters as of `confusion_counts`.
    """
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    shares = {
        "By row: of the images of a class,\nthe share taken for each other class": 100
        * counts
        / np.maximum(counts.sum(axis=1, keepdims=True), 1),
        "By column: of the images called a class,\nthe share that was really each other class": 100
        * counts
        / np.maximum(counts.sum(axis=0), 1),
    }
    figure = Figure(figsize=(11.5, 5.6), dpi=DPI, layout="constrained")
    largest = max(map(_largest, shares.values()))
    panels = figure.subplots(1, 2)
    for axes, (title, share) in zip(panels, shares.items(), strict=True):
        mesh = _heat_map(axes, share, _percents(share, largest), names, largest)
        axes.set(xlabel="the model said", ylabel="it was")
        axes.set_title(title, fontsize=11)
    figure.colorbar(mesh, ax=panels, label="percent", shrink=0.8)
    return figure


def rates_by_digit(
    names: Sequence[str],
    rates: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    n: NDArray[np.integer],
) -> Figure:
    """The error rate of each class with its interval, and a line at that of all images.

    Parameters: `rates`, `low` and `high` (classes,), shares between 0 and 1; `n` (classes,), the images of each.
    """
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    overall = 100 * float(np.average(rates, weights=n))
    place = np.arange(len(names))
    bars = 100 * np.maximum(
        [rates - low, high - rates], 0
    )  # rounding may put an end on the wrong side of a rate of 0 or 1
    axes.axhline(overall, color="0.35", linewidth=1, linestyle="--", label=f"all: {overall:.2f} %")
    axes.errorbar(
        place,
        100 * rates,
        yerr=bars,
        fmt="o",
        color=_COLOURS[0],
        capsize=4,
        label="each, with its interval",
    )
    axes.set_xticks(place, [f"{name}\n{count:,}" for name, count in zip(names, n, strict=True)])
    axes.set(
        xlim=(-0.6, len(names) - 0.4),
        xlabel="what it was, and how many images",
        ylabel="error rate (%)",
    )
    axes.set_ylim(0, max(100 * float(high.max()), 0.1) * 1.2)  # room for the legend
    axes.set_title("How often each is read wrongly")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left", ncols=2)
    return figure


def reliability(
    probability: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = 10
) -> Figure:
    """Whether answers given with a probability of 90 % are right in 90 of 100 cases, with Wilson's 95 % interval.

    Parameters: `probability` (n,) of the predicted class; `correct` (n,).
    """
    mean, accuracy, n = calibration_bins(probability, correct, bins).T
    intervals = [
        wilson_interval(round(share * count), int(count), 0.95)
        for share, count in zip(accuracy, n, strict=True)
    ]
    bars = np.abs(np.array(intervals).T - accuracy)
    figure = Figure(figsize=(5.5, 6.5), dpi=DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="as often right as it says")
    upper.errorbar(
        mean, accuracy, yerr=bars, fmt="o", color=_COLOURS[0], capsize=3, label="observed"
    )
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share that was right")
    upper.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    upper.set_title(
        f"Expected calibration error {100 * calibration_error(probability, correct):.2f} %, {len(correct):,} images"
    )
    edges = np.linspace(0, 1, bins + 1)
    filled = edges[np.searchsorted(edges[1:-1], mean)]
    lower.bar(filled, n, width=1 / bins, align="edge", color="0.75", edgecolor="0.2")
    lower.set(
        yscale="log",
        ylim=(0.5, 2 * n.max()),
        xlabel="probability the model gave its answer",
        ylabel="images",
    )
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for axis in (upper.xaxis, upper.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def thresholds(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    chosen: float | None,
) -> Figure:
    """Precision and recall when everything that scores at least a threshold counts as a yes.

    Parameters: `curves` "validation" and "test": thresholds (m,) ascending, precision and recall (m + 1,), as scikit-learn returns
    them; `chosen` the threshold in use, if it is not the usual one.
    """
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    ends = []
    for name, (threshold, precision, recall) in curves.items():
        m = len(threshold)
        for what, values, colour in (
            ("precision", precision, _COLOURS[0]),
            ("recall", recall, _COLOURS[1]),
        ):
            width = 1.2 if what == "precision" else 2.4  # told apart without colours
            axes.plot(
                threshold,
                values[:m],
                color=colour,
                linestyle=_DASHES[name],
                linewidth=width,
                label=f"{what}, {name}",
            )
        # Outside, nothing happens: all or almost none are a yes.
        ends += [threshold[np.flatnonzero(recall[:m] >= share)[-1]] for share in (0.02, 0.999)]
    if chosen is not None:
        axes.axvline(chosen, color="0.2", linestyle=":", label="chosen on validation")
        ends.append(chosen)
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    axes.set(
        xlim=(min(ends) - margin, max(ends) + margin),
        ylim=(0, 1.03),
        xlabel="threshold",
        ylabel="precision or recall (%)",
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=None))
    axes.grid(alpha=0.3)
    axes.set_title("What a threshold buys, and what it costs")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def roc(curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], float]]) -> Figure:
    """The ROC curve, and beside it the corner where a good one bends.

    Parameters: `curves` "validation" and "test": false and true positive rates (m,) each, and the area under the curve.
    """
    figure = Figure(figsize=(9.5, 5), dpi=DPI, layout="constrained")
    whole, corner = figure.subplots(1, 2)
    for (name, (false, true, area)), colour in zip(
        curves.items(), (_COLOURS[1], _COLOURS[0]), strict=False
    ):
        for axes in (whole, corner):
            axes.plot(
                100 * false,
                100 * true,
                color=colour,
                linestyle=_DASHES[name],
                linewidth=1.8,
                label=f"{name}: area {area:.5f}",
            )
    bend = max(float(np.maximum(false, 1 - true).min()) for false, true, _ in curves.values())
    size = 100 * next(
        size for size in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1) if size >= min(2 * bend, 1)
    )
    whole.plot([0, 100], [0, 100], color="0.5", linestyle=":", label="by chance")
    whole.plot([0, size, size], [100 - size, 100 - size, 100], color="0.2", linewidth=0.8)
    whole.set(xlim=(-1, 100), ylim=(0, 101), title="ROC curve")
    corner.set(
        xlim=(-size / 100, size), ylim=(100 - size, 100 + size / 100), title="its upper left corner"
    )
    for axes in (whole, corner):
        axes.set(
            xlabel="false positives (% of all no)",
            ylabel="true positives (% of all yes)",
            box_aspect=1,
        )
        axes.grid(alpha=0.3)
    whole.legend(loc="lower right")
    return figure


def robustness(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Accuracy, with its interval, when the test images are shifted or rotated.

    Parameters
    ----------
    curves : dict
        Points of "shift" (pixels) and of "rotation" (degrees): amount, accuracy, low and high, the
        last three between 0 and 1.
    """
    figure = Figure(figsize=(9, 4.2), dpi=DPI, layout="constrained")
    units = {"shift": "moved by (pixels)", "rotation": "turned by (degrees)"}
    for axes, (kind, label), colour in zip(
        figure.subplots(1, 2, sharey=True), units.items(), _COLOURS, strict=False
    ):
        _band(axes, np.array(sorted(curves[kind], key=itemgetter(0))), colour)
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.axes[0].set_ylabel("accuracy (%)")
    figure.suptitle("How well moved and turned images are read (band: the interval)", fontsize=12)
    return figure


def learning_curve(rows: Sequence[Mapping[str, float]]) -> Figure:
    """The error rate, with its interval, after learning from fewer images.

    Parameters
    ----------
    rows : sequence of dict
        ``train_size``, the number of images learned from; ``n``, the number held out;
        ``accuracy``, ``low`` and ``high``, between 0 and 1.
    """
    columns = ("train_size", "n", "accuracy", "low", "high")
    table = sorted([row[column] for column in columns] for row in rows)
    size, held_out, accuracy, low, high = np.array(table, np.float64).T
    rate, lower, upper = 100 * (1 - accuracy), 100 * (1 - high), 100 * (1 - low)
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    _band(axes, np.column_stack([size, 1 - accuracy, 1 - high, 1 - low]), _COLOURS[0])
    axes.errorbar(
        size,
        rate,
        yerr=np.maximum([rate - lower, upper - rate], 0),
        fmt="none",
        ecolor=_COLOURS[0],
        capsize=4,
    )
    margin = max(size[-1] / size[0], 3) ** 0.08
    axes.set(xscale="log", xlim=(size[0] / margin, size[-1] * margin), ylim=(0, 1.1 * upper.max()))
    axes.set(xlabel="training images (logarithmic)", ylabel="error rate (%)")
    axes.xaxis.set_minor_locator(NullLocator())
    apart = np.log(size[-1] / size[0]) / 12  # labels nearer than that would touch
    ticks: list[float] = []
    for tick, here, top in list(zip(size, rate, upper, strict=True))[::-1]:
        if not ticks or np.log(ticks[-1] / tick) > apart:
            ticks.append(tick)
            # To the upper right is room, as the curve falls.
            axes.annotate(
                f"{here:.2f}", (tick, top), (3, 3), textcoords="offset points", fontsize=9
            )
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    title = f"Would more data help? Errors on {held_out[0]:,.0f} held-out images,\nby how many others were learned from"
    axes.set_title(f"{title} (band: 95 % interval)", fontsize=12)
    return figure


def _band(axes: Axes, rows: NDArray[np.float64], colour: tuple[float, float, float]) -> None:
    """A line through the second column of rows (m, 4) against the first, within the interval of the others; percent."""
    amount, value, low, high = rows.T
    axes.fill_between(amount, 100 * low, 100 * high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(amount, 100 * value, marker="o", color=colour, markersize=5)
    axes.grid(alpha=0.3)


def _largest(table: NDArray) -> float:
    """The largest entry off the diagonal, or 1: a colour scale needs a width."""
    return float(np.where(np.eye(len(table), dtype=bool), 0, table).max()) or 1.0


def _percents(share: NDArray[np.float64], largest: float) -> list[list[str]]:
    """Entries off the diagonal with two digits of the largest; nothing for 0, and nothing else reads as 0."""
    decimals = max(int(np.ceil(-np.log10(largest))) + 1, 1)
    least = 10.0**-decimals

    def text(value: float) -> str:
        if value == 0:
            return ""
        return f"{value:.{decimals}f}" if value >= least / 2 else f"<{least:.{decimals}f}"

    return [
        ["" if row == column else text(value) for column, value in enumerate(line)]
        for row, line in enumerate(share)
    ]


def _heat_map(
    axes: Axes,
    values: NDArray,
    texts: Sequence[Sequence[str]],
    names: Sequence[str],
    largest: float,
) -> QuadMesh:
    """Values (classes, classes) as colours but on the diagonal, which is grey, and `texts` over them."""
    right = np.eye(len(values), dtype=bool)
    sns.heatmap(
        values, mask=right, cmap="Blues", vmin=0, vmax=largest, cbar=False, square=True, linewidths=0.5, linecolor="0.8",
        xticklabels=names, yticklabels=names, ax=axes,
    )  # fmt: skip
    mesh: QuadMesh = axes.collections[0]  # type: ignore[assignment]
    axes.set_facecolor("0.88")
    axes.tick_params(length=0)
    axes.tick_params(rotation=0)
    size = 9 if len(values) > 4 else 13
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            # White or black, whichever stands out more: seaborn turns to white on too light a blue.
            linear = np.asarray(mesh.to_rgba(values[row, column]))[:3] ** 2.2
            dark = row != column and linear @ [0.2126, 0.7152, 0.0722] < 0.18
            if text:
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    text,
                    ha="center",
                    va="center",
                    fontsize=size,
                    color="white" if dark else "black",
                )
    return mesh


def save_png(figure: Figure, path: Path) -> None:
    """Write a PNG, whatever the file's name, without the name of the program that drew it: the same picture is the same file.

    At most 256 colours, which nobody sees and which makes the file a third as large.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
            path, "png", optimize=True
        )
