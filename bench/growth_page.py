"""docs/benchmarks_growth.md and docs/growth.png, from the lines that bench.growth measured."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from digits.plots.style import BLUE, DPI, ORANGE

Lines = Sequence[Mapping[str, Any]]

# What is measured: its name in the tables, and on the axis.
MEASURES = {
    "seconds": ("Seconds", "seconds"),
    "processor_seconds": ("Processor seconds (of all threads)", "processor seconds"),
    "memory_mib": ("Memory at most, MiB", "MiB of memory, at most"),
    "disk_mib": ("Disk, MiB", "MiB of disk"),
}
DRAWN = ("seconds", "memory_mib", "disk_mib")
STYLES = {
    "augment": (BLUE, "o", "-"),
    "train": (ORANGE, "s", "--"),
    "evaluate": ("#555555", "D", ":"),
}


def exponent(rows: Sequence[float], values: Sequence[float]) -> float:
    """Return p of the power law `value = c * rows ** p` that fits best: least squares of the logs.

    Parameters
    ----------
    rows : sequence of float
        Two or more different numbers of images.
    values : sequence of float
        What was measured at each; more than 0.
    """
    return float(np.polyfit(np.log(rows), np.log(values), 1)[0])


def medians(lines: Lines, stage: str, measure: str) -> dict[int, float]:
    """The median of the runs of a stage, by the number of images."""
    sizes = sorted({line["rows"] for line in lines})
    return {
        rows: statistics.median(
            line[measure] for line in lines if (line["rows"], line["stage"]) == (rows, stage)
        )
        for rows in sizes
    }


def page(lines: Lines) -> str:
    """Write a table for each measure: its medians by stage and size, and the exponent."""
    loops = [line["loop_seconds"] for line in lines]
    first, sizes = lines[0], sorted({line["rows"] for line in lines})
    runs = [line for line in lines if (line["stage"], line["rows"]) == (first["stage"], sizes[0])]
    copies = sorted({line["copies"] for line in lines})
    parts = [
        "# Growth with the number of images",
        f"Written by `python -m bench.growth`. Half of the training images of {first['dataset']} "
        f"with {_listed(copies)} distorted copies of each: {_listed(sizes)} images. Each stage ran "
        "in a process of its own, without DVC, which keeps a second copy of what a stage writes in "
        "its cache where the disk cannot share one. `augment` writes the images; `train` reads "
        "them from the disk for one epoch of softmax regression on the pixels, once without the "
        "fold held out and once with all; `evaluate` reads the test images, whose number stays the "
        f"same. Medians of {len(runs)} runs on {first['cores']} cores of {first['processor']}, on "
        "which ten million additions in a Python loop took "
        f"{statistics.median(loops):.2f} s (median before each run; {min(loops):.2f} to "
        f"{max(loops):.2f}).",
        "The exponent is p where the value grows as images<sup>p</sup>, by least squares of the "
        "logarithms: 1 is as fast as the images, 0 is not at all. The time to start is in the "
        "seconds, so that p is less than 1 where the rest grows as the images do. Of the seconds "
        "of `augment`, p is that of the copies, as an original costs next to nothing. Memory is "
        "the most that the process held, with the pages of mapped files.",
        "![Seconds, memory and disk against images](growth.png)",
    ]
    for measure, (title, _) in MEASURES.items():
        parts += [f"## {title}", _table(lines, measure, sizes)]
    return "\n\n".join(parts) + "\n"


def _listed(numbers: Sequence[int]) -> str:
    *others, last = (f"{number:,}" for number in numbers)
    return f"{', '.join(others)} and {last}" if others else last


def _table(lines: Lines, measure: str, sizes: Sequence[int]) -> str:
    header = "".join(f" {rows:,} images |" for rows in sizes)
    table = [f"| stage |{header} exponent |", "|---" * (2 + len(sizes)) + "|"]
    for stage in STYLES:
        values = medians(lines, stage, measure)
        cells = "".join(f" {_number(value)} |" for value in values.values())
        table.append(f"| {stage} |{cells} {_exponent(lines, stage, measure)} |")
    return "\n".join(table)


def _exponent(lines: Lines, stage: str, measure: str) -> str:
    """Of a stage's medians; empty where fewer than two sizes were measured."""
    values = medians(lines, stage, measure)
    if stage == "augment" and measure.endswith("seconds"):
        made = {
            line["rows"]: line["rows"] * line["copies"] // (1 + line["copies"]) for line in lines
        }
        values = {made[rows]: value for rows, value in values.items() if made[rows]}
    if len(values) < 2:
        return ""
    return f"{exponent(list(values), list(values.values())):.2f}".replace("-0.00", "0.00")


def _number(value: float) -> str:
    """With two digits or more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def growth(lines: Lines) -> Figure:
    """Draw seconds, memory and disk against images, logarithmic, a line for each stage."""
    figure = Figure(figsize=(10, 4), dpi=DPI, layout="constrained")
    sizes = sorted({line["rows"] for line in lines})
    for axes, measure in zip(figure.subplots(1, len(DRAWN)), DRAWN, strict=True):
        for stage, (colour, marker, style) in STYLES.items():
            values = medians(lines, stage, measure)
            power = _exponent(lines, stage, measure)
            label = f"{stage}: exponent {power}" if power else stage
            axes.plot(*zip(*values.items(), strict=True), marker=marker, color=colour,
                      linestyle=style, label=label)  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="images", ylabel=MEASURES[measure][1])
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        low, high = axes.get_ylim()
        axes.set_ylim(low / 1.5, max(high, 12 * low) * 1.5)  # a decade and more, for the labels
        axes.margins(x=0.15)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    figure.suptitle("The stages with more and more images")
    return figure
