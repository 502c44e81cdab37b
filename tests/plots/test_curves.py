"""Curves: what the figures show, and that it can be read."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from sklearn import calibration
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from digits.plots.curves import (
    calibration_curve,
    learning_curve,
    robustness_curves,
    roc_curves,
    threshold_curves,
)
from tests.figures import (
    Draw,
    assert_can_be_read,
    assert_small_and_the_same_again,
    error_bars,
)


def labels_and_scores() -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    yes = rng.random(2000) < 0.1
    return yes, rng.normal(size=2000) + 3 * yes


def thresholds_of_parts() -> dict[str, tuple[NDArray, NDArray, NDArray]]:
    yes, scores = labels_and_scores()
    found = {}
    for name, part in (("validation", slice(0, 1000)), ("test", slice(1000, None))):
        precision, recall, threshold = precision_recall_curve(yes[part], scores[part])
        found[name] = (threshold, precision, recall)
    return found


def rates_of_parts() -> dict[str, tuple[NDArray, NDArray, float]]:
    yes, scores = labels_and_scores()
    parts = {"validation": slice(0, 1000), "test": slice(1000, None)}
    return {
        name: (*roc_curve(yes[part], scores[part])[:2], roc_auc_score(yes[part], scores[part]))
        for name, part in parts.items()
    }


ROBUSTNESS = {
    "shift": [(2, 0.9, 0.88, 0.92), (0, 0.99, 0.98, 0.995), (1, 0.97, 0.96, 0.98)],
    "rotation": [(0, 0.99, 0.98, 0.995), (15, 0.9, 0.89, 0.91), (30, 0.7, 0.69, 0.72)],
}
TRAIN_SIZES = [
    {
        "train_size": n,
        "n": 10_000,
        "accuracy": 1 - n**-0.4,
        "low": 1 - 1.1 * n**-0.4,
        "high": 1 - 0.9 * n**-0.4,
    }
    for n in (60_000, 1000, 2000, 5000, 10_000, 20_000, 50_000)
]
PERFECT = {"n": 480, "accuracy": 1.0, "low": 0.992, "high": 1.0}


def calibrated() -> Figure:
    probability = np.random.default_rng(0).beta(5, 2, 2000)
    return calibration_curve(probability, np.random.default_rng(1).random(2000) < probability, 0.95)


FIGURES: dict[str, Draw] = {
    "calibration": calibrated,
    "thresholds": lambda: threshold_curves(thresholds_of_parts(), 2.0),
    "thresholds usual": lambda: threshold_curves(thresholds_of_parts(), None),
    "roc": lambda: roc_curves(rates_of_parts()),
    "robustness": lambda: robustness_curves(ROBUSTNESS),
    "learning curve": lambda: learning_curve(TRAIN_SIZES),
    "learning curve of one point": lambda: learning_curve(TRAIN_SIZES[:1]),
    "learning curve, flat": lambda: learning_curve(
        [PERFECT | {"train_size": n} for n in (50, 60, 100, 200)]
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_all_texts_are_whole_and_apart(name: str) -> None:
    assert_can_be_read(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    assert_small_and_the_same_again(FIGURES[name], tmp_path)


def test_calibration_is_that_of_scikit_learn() -> None:
    probability = np.random.default_rng(0).beta(5, 2, 2000)
    correct = np.random.default_rng(1).random(2000) < probability
    upper, lower = calibration_curve(probability, correct, 0.95, 10).axes
    points, ends = error_bars(upper)
    _, narrower = error_bars(calibration_curve(probability, correct, 0.5, 10).axes[0])
    assert (ends[:, 0] < narrower[:, 0]).all() and (narrower[:, 1] < ends[:, 1]).all()
    accuracy, mean = calibration.calibration_curve(correct, probability, n_bins=10)
    np.testing.assert_allclose(points, np.column_stack([mean, accuracy]))
    assert (
        (ends[:, 0] <= accuracy).all()
        and (accuracy <= ends[:, 1]).all()
        and (ends >= 0).all()
        and (ends <= 1).all()
    )
    n, edges = np.histogram(probability, np.linspace(0, 1, 11))
    drawn = {
        round(patch.get_x(), 6): patch.get_height()
        for patch in lower.patches
        if isinstance(patch, Rectangle)
    }
    assert drawn == {
        round(float(edge), 6): count for edge, count in zip(edges[:-1], n, strict=True) if count
    }
    assert lower.get_yscale() == "log"


def test_thresholds_are_drawn() -> None:
    given = thresholds_of_parts()
    (axes,) = threshold_curves(given, 2.0).axes
    lines = {str(line.get_label()): line for line in axes.lines}
    for name, style in (("validation", "--"), ("test", "-")):
        threshold, precision, recall = given[name]
        for what, values in (("precision", precision), ("recall", recall)):
            line = lines[f"{what}, {name}"]
            np.testing.assert_array_equal(
                line.get_xydata(), np.column_stack([threshold, values[:-1]])
            )
            assert line.get_linestyle() == style
    assert lines["chosen on validation"].get_xdata() == [2.0, 2.0]
    assert "chosen on validation" not in {
        line.get_label() for line in threshold_curves(given, None).axes[0].lines
    }
    assert axes.get_xlim()[0] < 2 < axes.get_xlim()[1]


def test_roc_has_areas_and_a_corner() -> None:
    given = rates_of_parts()
    whole, corner = roc_curves(given).axes
    legend = whole.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:2] == [f"{name}: area {area:.5f}" for name, (_, _, area) in given.items()]
    for axes in (whole, corner):
        for line, (false, true, _) in zip(axes.lines, given.values(), strict=False):
            np.testing.assert_allclose(
                np.asarray(line.get_xydata()), 100 * np.column_stack([false, true])
            )
    assert whole.get_xlim()[1] == 100
    reached = [
        (100 * false < corner.get_xlim()[1]) & (100 * true > corner.get_ylim()[0])
        for false, true, _ in given.values()
    ]
    assert all(inside.any() for inside in reached), "every curve passes through the corner shown"


def test_a_perfect_roc_is_a_picture_too() -> None:
    perfect = (np.array([0.0, 0, 1]), np.array([0.0, 1, 1]), 1.0)
    roc_curves({"validation": perfect, "test": perfect}).draw_without_rendering()


def test_robustness_is_in_order_and_percent() -> None:
    panels = robustness_curves(ROBUSTNESS).axes
    for axes, rows in zip(panels, ROBUSTNESS.values(), strict=True):
        np.testing.assert_allclose(
            np.asarray(axes.lines[0].get_xydata()),
            np.array([(row[0], 100 * row[1]) for row in sorted(rows)]),
        )
        (path,) = axes.collections[0].get_paths()
        for row in rows:
            for end in row[2:]:
                assert np.isclose(path.vertices, [row[0], 100 * end]).all(axis=1).any()
    assert panels[0].get_ylim() == panels[1].get_ylim()


def test_error_rates_by_training_size() -> None:
    (axes,) = learning_curve(TRAIN_SIZES).axes
    rows = sorted(TRAIN_SIZES, key=lambda row: row["train_size"])
    np.testing.assert_allclose(
        np.asarray(axes.lines[0].get_xydata()),
        np.array([(row["train_size"], 100 * (1 - row["accuracy"])) for row in rows]),
    )
    (path,) = axes.collections[0].get_paths()
    for row in rows:
        for end in (row["low"], row["high"]):
            point = [row["train_size"], 100 * (1 - end)]
            assert np.isclose(path.vertices, point).all(axis=1).any()
    assert (
        axes.get_xscale() == "log"
        and "more data" in axes.get_title()
        and "10,000 held-out" in axes.get_title()
    )
