"""Curves: calibration, thresholds, ROC, robustness and the learning curve."""

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from digits.metrics.calibration import calibration_bins, calibration_error
from digits.metrics.intervals import wilson_interval
from digits.plots.style import BLUE, DPI, ORANGE

_DASHES = {"validation": "--", "test": "-"}


def calibration_curve(
    probability: NDArray[np.float64],
    correct: NDArray[np.bool_],
    confidence: float,
    bins: int = 10,
) -> Figure:
    """Accuracy against the probability of the predicted class, with Wilson's intervals.

    Parameters
    ----------
    probability : ndarray of shape (n,), float64
        Of the predicted class.
    correct : ndarray of shape (n,), bool
        Whether the prediction is correct.
    confidence : float
        Of the intervals, between 0 and 1.
    bins : int, default=10
        Of equal width, between 0 and 1.
    """
    mean, accuracy, n = calibration_bins(probability, correct, bins).T
    intervals = [
        wilson_interval(round(share * count), int(count), confidence)
        for share, count in zip(accuracy, n, strict=True)
    ]
    bars = np.abs(np.array(intervals).T - accuracy)
    figure = Figure(figsize=(5.5, 6.5), dpi=DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="as often right as it says")
    upper.errorbar(mean, accuracy, yerr=bars, fmt="o", color=BLUE, capsize=3, label="observed")
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share that was right")
    upper.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    error = 100 * calibration_error(probability, correct)
    upper.set_title(f"Expected calibration error {error:.2f} %, {len(correct):,} images")
    edges = np.linspace(0, 1, bins + 1)
    filled = edges[np.searchsorted(edges[1:-1], mean)]
    lower.bar(filled, n, width=1 / bins, align="edge", color="0.75", edgecolor="0.2")
    lower.set(yscale="log", ylim=(0.5, 2 * n.max()))
    lower.set(xlabel="probability the model gave its answer", ylabel="images")
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for axis in (upper.xaxis, upper.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def threshold_curves(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
    chosen: float | None,
) -> Figure:
    """Precision and recall against the threshold from which on a score is a yes.

    Parameters
    ----------
    curves : dict
        Of "validation" and "test", as `digits.metrics.curves.threshold_curves` returns them:
        thresholds (m,), ascending, precision and recall (m + 1,).
    chosen : float or None
        The threshold chosen on validation.
    """
    figure = Figure(figsize=(8, 4.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    ends = []
    for part, (threshold, precision, recall) in curves.items():
        m = len(threshold)
        dashes = _DASHES[part]
        # Told apart without colours by their widths.
        axes.plot(
            threshold, precision[:m], color=BLUE, linestyle=dashes, linewidth=1.2,
            label=f"precision, {part}",
        )  # fmt: skip
        axes.plot(
            threshold, recall[:m], color=ORANGE, linestyle=dashes, linewidth=2.4,
            label=f"recall, {part}",
        )  # fmt: skip
        # Outside, nothing happens: all or almost none are a yes.
        ends += [threshold[np.flatnonzero(recall[:m] >= level)[-1]] for level in (0.02, 0.999)]
    if chosen is not None:
        axes.axvline(chosen, color="0.2", linestyle=":", label="chosen on validation")
        ends.append(chosen)
    margin = 0.05 * (max(ends) - min(ends)) or 1.0
    axes.set(xlim=(min(ends) - margin, max(ends) + margin), ylim=(0, 1.03))
    axes.set(xlabel="threshold", ylabel="precision or recall (%)")
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=None))
    axes.grid(alpha=0.3)
    axes.set_title("What a threshold buys, and what it costs")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def roc_curves(
    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64], float]],
) -> Figure:
    """The ROC curve, and beside it the corner where a good one bends.

    Parameters
    ----------
    curves : dict
        Of "validation" and "test", as `digits.metrics.curves.roc_curves` returns them: false
        positive rates (m,), true positive rates (m,) and the area under the curve.
    """
    figure = Figure(figsize=(9.5, 5), dpi=DPI, layout="constrained")
    whole, corner = figure.subplots(1, 2)
    for (part, (false, true, area)), colour in zip(curves.items(), (ORANGE, BLUE), strict=False):
        for axes in (whole, corner):
            axes.plot(
                100 * false, 100 * true, color=colour, linestyle=_DASHES[part], linewidth=1.8,
                label=f"{part}: area {area:.5f}",
            )  # fmt: skip
    bend = max(float(np.maximum(false, 1 - true).min()) for false, true, _ in curves.values())
    sizes = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
    size = 100 * next(size for size in sizes if size >= min(2 * bend, 1))
    whole.plot([0, 100], [0, 100], color="0.5", linestyle=":", label="by chance")
    whole.plot([0, size, size], [100 - size, 100 - size, 100], color="0.2", linewidth=0.8)
    whole.set(xlim=(-1, 100), ylim=(0, 101), title="ROC curve")
    corner.set(xlim=(-size / 100, size), ylim=(100 - size, 100 + size / 100))
    corner.set(title="its upper left corner")
    for axes in (whole, corner):
        axes.set(xlabel="false positives (% of all no)", ylabel="true positives (% of all yes)")
        axes.set(box_aspect=1)
        axes.grid(alpha=0.3)
    whole.legend(loc="lower right")
    return figure


def robustness_curves(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Accuracy, with its interval, when the test images are shifted or rotated.

    Parameters
    ----------
    curves : dict
        Points of "shift" (pixels) and of "rotation" (degrees): amount, accuracy, low and high, the
        last three between 0 and 1.
    """
    figure = Figure(figsize=(9, 4.2), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, kind, colour, label in (
        (left, "shift", BLUE, "moved by (pixels)"),
        (right, "rotation", ORANGE, "turned by (degrees)"),
    ):
        _band(axes, np.array(sorted(curves[kind], key=itemgetter(0))), colour)
        axes.set_xlabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    left.set_ylabel("accuracy (%)")
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
    _band(axes, np.column_stack([size, 1 - accuracy, 1 - high, 1 - low]), BLUE)
    bars = np.maximum([rate - lower, upper - rate], 0)
    axes.errorbar(size, rate, yerr=bars, fmt="none", ecolor=BLUE, capsize=4)
    margin = max(size[-1] / size[0], 3) ** 0.08
    axes.set(xscale="log", xlim=(size[0] / margin, size[-1] * margin), ylim=(0, 1.1 * upper.max()))
    axes.set(xlabel="training images (logarithmic)", ylabel="error rate (%)")
    axes.xaxis.set_minor_locator(NullLocator())
    apart = np.log(size[-1] / size[0]) / 12  # labels nearer than that would touch
    ticks: list[float] = []
    for x, y, top in list(zip(size, rate, upper, strict=True))[::-1]:
        if not ticks or np.log(ticks[-1] / x) > apart:
            ticks.append(x)
            # To the upper right is room, as the curve falls.
            axes.annotate(f"{y:.2f}", (x, top), (3, 3), textcoords="offset points", fontsize=9)
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.set_title(
        f"Would more data help? Errors on {held_out[0]:,.0f} held-out images,\n"
        "by how many others were learned from (band: 95 % interval)",
        fontsize=12,
    )
    return figure


def _band(axes: Axes, points: NDArray[np.float64], colour: str) -> None:
    """Draw a line through the second column of points (m, 4) within the interval of the others."""
    amount, value, low, high = points.T
    axes.fill_between(amount, 100 * low, 100 * high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(amount, 100 * value, marker="o", color=colour, markersize=5)
    axes.grid(alpha=0.3)
