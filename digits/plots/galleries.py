"""Galleries of the test images that a model predicts wrongly."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from digits.metrics.predictions import Predictions
from digits.plots.style import DPI
from digits.plots.tiles import TILE, draw_grid, grid_height, sentence


def confident_mistakes(
    images: NDArray[np.uint8],
    predictions: Predictions,
    certainty: NDArray[np.float64],
    names: Sequence[str],
    is_probability: bool,
) -> Figure:
    """The mistakes that the model is most certain of, at most 40 of them.

    Parameters
    ----------
    images : ndarray of shape (n, height, width), uint8
        255 being ink.
    predictions : Predictions
        Of these images.
    certainty : ndarray of shape (n,), float64
        Of each prediction; larger is more certain.
    names : sequence of str
        The classes, as shown.
    is_probability : bool
        Whether ``certainty`` is a probability, or another score.
    """
    y, predicted = predictions.labels.astype(int), predictions.predicted.astype(int)
    wrong = np.flatnonzero(y != predicted)
    if len(wrong) == 0:
        return sentence(f"None of the {len(y):,} images was read wrongly.")
    shown = wrong[np.argsort(-certainty[wrong], kind="stable")][:40]
    captions = [
        f"#{predictions.rows[i]}  {_certainty_text(certainty[i], is_probability)}\n"
        f"{names[y[i]]} → {names[predicted[i]]}"
        for i in shown
    ]
    columns = 8
    lines = -(-len(shown) // columns)
    size = (columns * TILE + 0.2, grid_height(images, lines) + 0.4)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    draw_grid(figure.add_subplot(), images[shown], captions, columns, lines)
    unit = "its probability" if is_probability else "its score"
    several = f"The {len(shown)} surest of {len(wrong):,} mistakes"
    which = several if len(wrong) > 1 else "The only mistake"
    figure.suptitle(f"{which}: number, {unit}; what it was → what the model said", fontsize=11)
    return figure


def confused_pair(
    images: NDArray[np.uint8], predictions: Predictions, names: Sequence[str]
) -> Figure:
    """The two classes most often confused: up to 25 images each, predicted correctly and not.

    Rows are what is true, columns what is predicted, as in the figure in chapter 3 of Géron's
    "Hands-On Machine Learning".

    Parameters
    ----------
    images, predictions, names
        As of `confident_mistakes`.
    """
    y, predicted = predictions.labels.astype(int), predictions.predicted.astype(int)
    counts = confusion_matrix(y, predicted, labels=range(len(names)))
    confusions = np.triu(counts + counts.T, 1)
    if not confusions.any():
        return sentence(f"No two classes were confused in {len(y):,} images.")
    first, second = divmod(int(confusions.argmax()), len(names))
    times = int(confusions[first, second])
    figure = Figure(figsize=(6.4, 7), dpi=DPI, layout="constrained")
    title = f"{names[first]} and {names[second]}, {times:,} time{'s' * (times != 1)}"
    figure.suptitle(f"Most confused: {title}", fontsize=12)
    panels = figure.subplots(2, 2)
    for row, truth in enumerate((first, second)):
        for column, answer in enumerate((first, second)):
            axes = panels[row, column]
            members = np.flatnonzero((y == truth) & (predicted == answer))
            draw_grid(axes, images[members[:25]], None, 5, 5)
            more = " (25 shown)" if len(members) > 25 else ""
            title = f"{names[truth]} called {names[answer]}: {len(members):,}{more}"
            axes.set_title(title, fontsize=10)
            if truth != answer:  # mistakes are framed
                axes.set_frame_on(True)
                axes.patch.set(visible=False)
                for spine in axes.spines.values():
                    spine.set(visible=True, color="0.3", linestyle="--")
    return figure


def _certainty_text(value: float, is_probability: bool) -> str:
    if not is_probability:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return ">99 %" if 0.995 <= value < 1 else f"{100 * value:.0f} %"
