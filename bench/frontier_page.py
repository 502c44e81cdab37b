"""docs/benchmarks.md and docs/frontier.png, from the lines that bench.frontier measured."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from bench.ways import NETWORK, NOTEBOOK, OURS, STOCK, WAYS, settings_of
from digits.plots.style import BLUE, DPI, ORANGE

STYLES = {  # by group: the name in the legend, colour, marker
    OURS: ("this pipeline", BLUE, "o"),
    NETWORK: ("a small network in Keras, by epoch", ORANGE, "."),
    STOCK: ("scikit-learn's own classes", "#555555", "s"),
    NOTEBOOK: ("the notebook's way", "#cc78bc", "D"),
}
# Where a name may stand: how many points right of and above its point, and its alignment.
PLACES = [
    (x, y, horizontal, vertical)
    for far in (8, 14, 24, 36)
    for x, y, horizontal, vertical in (
        (far, 0, "left", "center"),
        (-far, 0, "right", "center"),
        (0, far, "center", "bottom"),
        (0, -far, "center", "top"),
        (far, far, "left", "bottom"),
        (far, -far, "left", "top"),
        (-far, far, "right", "bottom"),
        (-far, -far, "right", "top"),
    )
]


@dataclass(frozen=True)
class Row:
    """A way and all its runs; of numbers the median."""

    name: str
    runs: Sequence[Mapping[str, Any]]

    def median(self, key: str) -> float:
        """Of all runs."""
        return statistics.median(run[key] for run in self.runs)

    @property
    def group(self) -> str:
        """Whose way it is."""
        return WAYS[self.name].group

    @property
    def point(self) -> tuple[float, float]:
        """Seconds of training, and errors; none at all would have no place on the axis."""
        return self.median("seconds"), max(self.median("errors"), 1)

    @property
    def curve(self) -> Sequence[tuple[float, float]]:
        """The same after each epoch, if the way has any."""
        return self.runs[0].get("curve", [])


def rows_of(lines: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Group the lines by way, in the order of WAYS."""
    rows = [Row(name, [line for line in lines if line["way"] == name]) for name in WAYS]
    return [row for row in rows if row.runs]


def page(rows: Sequence[Row]) -> str:
    """Write the table of all ways, what each is, the networks by epoch, and the settings."""
    runs = [run for row in rows for run in row.runs]
    loops = [run["loop_seconds"] for run in runs]
    images = runs[0]["images"]
    software = ", ".join(sorted({run["software"] for run in runs}))
    parts = [
        "# Validation errors against seconds of training",
        f"Written by `make bench`. Each way learned from {images:,} of MNIST's training images "
        f"(folds 0 to 4) and was scored on {images // 5:,} others (fold 5). The test images were "
        "not read. Each ran in a process of its own, one after the other, on all cores: "
        f"{runs[0]['cores']} of {runs[0]['processor']}, on which ten million additions in a Python "
        f"loop took {statistics.median(loops):.2f} s (median before each run; {min(loops):.2f} to "
        f"{max(loops):.2f}). {software}.",
        "![Errors against seconds](frontier.png)",
        _table(rows),
        "Seconds of training are the median, with the fastest and the slowest of several runs; "
        "what takes more than a minute ran once. Of this pipeline they hold the copies and "
        "features of all images, those of fold 5 too, as in its stages. Of a network they hold "
        "the making of its graph, and not its scoring after each epoch. Loading the images and "
        "importing the libraries is not counted. Nearest neighbours learn by keeping the images: "
        "their work is the scoring. MiB is the most memory that the process held. Two ways whose "
        "errors differ by less than some 15 of 10,000 may be equally good.",
    ]
    missing = [name for name in WAYS if name not in {row.name for row in rows}]
    if missing:
        parts.append(f"Not measured: {', '.join(missing)}.")
    if curves := [row for row in rows if row.curve]:
        parts += ["## The networks by epoch", _epochs(curves)]
        parts.append("The learning rate falls to 0 until the last epoch: `bench/network.py`.")
    parts += [
        "## The settings of this pipeline",
        "What differs from `base` in [ladder.yaml](../ladder.yaml).",
        _settings([row for row in rows if row.group == OURS]),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| way | what it is | errors | seconds of training | runs | seconds of scoring | MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for group in STYLES:
        for row in sorted((row for row in rows if row.group == group), key=lambda row: row.point):
            seconds = [run["seconds"] for run in row.runs]
            spread = f" ({_number(min(seconds))} to {_number(max(seconds))})"
            lines.append(
                f"| {row.name} | {WAYS[row.name].what} | {row.median('errors'):.0f} "
                f"| {_number(row.median('seconds'))}{spread if len(seconds) > 1 else ''} "
                f"| {len(seconds)} | {_number(row.median('scoring_seconds'))} "
                f"| {row.median('memory_mib'):,.0f} |"
            )
    return "\n".join(lines)


def _epochs(rows: Sequence[Row]) -> str:
    lines = [
        "| epoch | " + " | ".join(f"{row.name}: seconds | errors" for row in rows) + " |",
        "|---" * (1 + 2 * len(rows)) + "|",
    ]
    for epoch in range(max(len(row.curve) for row in rows)):
        cells = [
            f"{row.curve[epoch][0]:.1f} | {row.curve[epoch][1]}"
            if epoch < len(row.curve)
            else " | "
            for row in rows
        ]
        lines.append(f"| {epoch + 1} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _settings(rows: Sequence[Row]) -> str:
    lines = ["| way | settings |", "|---|---|"]
    for row in rows:
        settings = "<br>".join(f"`{key}: {value}`" for key, value in settings_of(row.name).items())
        lines.append(f"| {row.name} | {settings} |")
    return "\n".join(lines)


def _number(seconds: float) -> str:
    """With two digits or more."""
    return (
        f"{seconds:,.0f}"
        if seconds >= 10
        else f"{seconds:.1f}"
        if seconds >= 1
        else (f"{seconds:.2g}")
    )


def frontier(rows: Sequence[Row]) -> Figure:
    """Draw errors against seconds, a point for each way and a line for each network."""
    figure = Figure(figsize=(9, 5.5), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    for group, (label, colour, marker) in STYLES.items():
        of_group = [row for row in rows if row.group == group]
        for number, row in enumerate(of_group):
            points = row.curve or [row.point]
            axes.plot(
                *zip(*points, strict=True),
                color=colour,
                marker=marker,
                markersize=7,
                linewidth=1.2,
                linestyle="-" if number == 0 else "--",
                label=label if number == 0 else None,
            )
    axes.step(
        *zip(*best_of([row for row in rows if row.group == OURS]), strict=True),
        where="post",
        color=BLUE,
        alpha=0.4,
        zorder=1,
    )
    images = rows[0].runs[0]["images"]
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("seconds of training (logarithmic)")
    axes.set_ylabel(f"errors on {images // 5:,} images held out (logarithmic)")
    axes.set_title(f"MNIST, {images:,} images to learn from, on {rows[0].runs[0]['cores']} cores")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.08)
    axes.set_xlim(right=axes.get_xlim()[1] * 2)  # room for names
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    _write_names(axes, rows)
    return figure


def best_of(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """The points with fewer errors than any that took less time."""
    best: list[tuple[float, float]] = []
    for seconds, errors in sorted(row.point for row in rows):
        if not best or errors < best[-1][1]:
            best.append((seconds, errors))
    return best


def _write_names(axes: Axes, rows: Sequence[Row]) -> None:
    """Write each name beside its point, where it lies on no other name and no point."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    inside = axes.get_window_extent()
    taken = []
    for row in rows:
        for x, y in axes.transData.transform(row.curve or [row.point]):
            taken.append(Bbox.from_bounds(x - 5, y - 5, 10, 10))
    for row in sorted(rows, key=lambda row: row.point):
        end = row.curve[-1] if row.curve else row.point
        colour = STYLES[row.group][1]
        for x, y, horizontal, vertical in PLACES:
            text = axes.annotate(
                row.name,
                end,
                (x, y),
                textcoords="offset points",
                ha=horizontal,
                va=vertical,
                color=colour,
                fontsize=9,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
            box = text.get_window_extent().padded(1)
            is_free = not any(box.overlaps(other) for other in taken)
            if (
                is_free
                and box.x0 > inside.x0
                and box.x1 < inside.x1
                and (inside.y0 < box.y0 and box.y1 < inside.y1)
            ):
                break
            text.remove()
        else:
            continue  # no place is free: the table has it
        taken.append(box)
