"""What the diagrams say, read from the figures themselves, and that it can be read."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

from digits.plots.charts import (
    confusion_counts,
    error_shares,
    learning_curve,
    rates_by_digit,
    reliability,
    robustness,
    roc,
    save_png,
    thresholds,
)
from tests.imports import ROOT
from tests.pictures import (
    DIGITS,
    YES_NO,
    Draw,
    assert_can_be_read,
    assert_small_and_the_same_again,
    ten_digits,
    yes_no,
)


def curves() -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    yes = rng.random(2000) < 0.1
    return yes, rng.normal(size=2000) + 3 * yes


def pr_curves() -> dict[str, tuple[NDArray, NDArray, NDArray]]:
    yes, scores = curves()
    found = {}
    for name, part in (("validation", slice(0, 1000)), ("test", slice(1000, None))):
        precision, recall, threshold = precision_recall_curve(yes[part], scores[part])
        found[name] = (threshold, precision, recall)
    return found


def roc_curves() -> dict[str, tuple[NDArray, NDArray, float]]:
    yes, scores = curves()
    parts = {"validation": slice(0, 1000), "test": slice(1000, None)}
    return {
        name: (*roc_curve(yes[part], scores[part])[:2], roc_auc_score(yes[part], scores[part]))
        for name, part in parts.items()
    }


def rates() -> Figure:
    rate = np.linspace(0, 0.009, 10)
    return rates_by_digit(DIGITS, rate, rate * 0.5, rate * 2 + 0.003, np.arange(900, 1000, 10))


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


def reliable() -> Figure:
    probability = np.random.default_rng(0).beta(5, 2, 2000)
    return reliability(probability, np.random.default_rng(1).random(2000) < probability)


PICTURES: dict[str, Draw] = {
    "counts": lambda: confusion_counts(*ten_digits(10_000), DIGITS),
    "counts yes/no": lambda: confusion_counts(*yes_no(), YES_NO),
    "counts no error": lambda: confusion_counts(*ten_digits(errors=0), DIGITS),
    "shares": lambda: error_shares(*ten_digits(), DIGITS),
    "shares few": lambda: error_shares(*ten_digits(10_000, 0.004), DIGITS),
    "shares yes/no": lambda: error_shares(*yes_no(), YES_NO),
    "shares no error": lambda: error_shares(*ten_digits(errors=0), DIGITS),
    "rates": rates,
    "reliability": reliable,
    "thresholds": lambda: thresholds(pr_curves(), 2.0),
    "thresholds usual": lambda: thresholds(pr_curves(), None),
    "roc": lambda: roc(roc_curves()),
    "robustness": lambda: robustness(ROBUSTNESS),
    "learning curve": lambda: learning_curve(TRAIN_SIZES),
    "learning curve of one point": lambda: learning_curve(TRAIN_SIZES[:1]),
    "learning curve, flat": lambda: learning_curve(
        [PERFECT | {"train_size": n} for n in (50, 60, 100, 200)]
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_all_texts_are_whole_and_apart(name: str) -> None:
    assert_can_be_read(PICTURES[name])


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    assert_small_and_the_same_again(PICTURES[name], tmp_path)


def shown(axes: Axes) -> dict[tuple[int, int], str]:
    """What stands in each (row, column) of the heat map."""
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }


def names(axes: Axes) -> tuple[list[str], list[str]]:
    return [label.get_text() for label in axes.get_yticklabels()], [
        label.get_text() for label in axes.get_xticklabels()
    ]


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance by WCAG 2."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("names", [DIGITS, YES_NO], ids=len)
def test_counts_are_those_of_scikit_learn(names: list[str]) -> None:
    y, predicted = ten_digits(300) if names == DIGITS else yes_no()
    axes = confusion_counts(y, predicted, names).axes[0]
    counts = confusion_matrix(y, predicted)
    expected = {(i, j): str(count) for (i, j), count in np.ndenumerate(counts) if count or i == j}
    assert shown(axes) == expected
    assert len(expected) < 100
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("it was", "the model said")
    assert axes.get_title().startswith(
        f"{np.count_nonzero(y != predicted)} errors among {len(y):,} test images"
    )
    mesh = axes.collections[0].get_array()
    assert mesh is not None
    assert np.ma.getmaskarray(mesh).reshape(counts.shape).diagonal().all(), "what was right is grey"


def test_rows_are_the_truth_and_columns_what_the_model_said() -> None:
    axes = confusion_counts(np.array([3, 3, 3]), np.array([3, 8, 8]), DIGITS).axes[0]
    assert shown(axes)[3, 8] == "2" and (8, 3) not in shown(axes) and shown(axes)[3, 3] == "1"
    assert names(axes) == (DIGITS, DIGITS)
    top, bottom = axes.get_ylim()[::-1]
    assert top < bottom, "0 is on top"


def test_one_error_is_not_errors() -> None:
    assert (
        confusion_counts(np.array([0, 1]), np.array([0, 0]), YES_NO)
        .axes[0]
        .get_title()
        .startswith("1 error among 2 ")
    )


@pytest.mark.parametrize(("errors", "decimals"), [(0.5, 1), (0.004, 2)])
def test_shares_are_those_of_scikit_learn(errors: float, decimals: int) -> None:
    y, predicted = ten_digits(20_000, errors)
    figure = error_shares(y, predicted, DIGITS)
    for axes, normalize in zip(figure.axes[:2], ("true", "pred"), strict=True):
        shares = 100 * confusion_matrix(y, predicted, normalize=normalize)
        expected = {
            (i, j): f"{share:.{decimals}f}"
            for (i, j), share in np.ndenumerate(shares)
            if share and i != j
        }
        assert shown(axes) == expected


def test_shares_of_yes_and_no_and_of_classes_never_seen() -> None:
    y, predicted = np.arange(10_000) < 900, np.arange(10_000) < 901
    left, right, _ = error_shares(y, predicted, YES_NO).axes
    assert shown(left) == {(0, 1): "0.01"} and shown(right) == {(0, 1): "0.11"}
    assert names(left) == names(right) == (YES_NO, YES_NO)
    left, right, _ = error_shares(np.array([3, 3]), np.array([3, 8]), DIGITS).axes
    assert shown(left) == {(3, 8): "50.0"} and shown(right) == {(3, 8): "100.0"}


def test_nothing_but_zero_reads_as_zero() -> None:
    y = np.repeat([0, 1], [9000, 10])
    predicted = y.copy()
    predicted[[0, -1]] = 1, 0  # one of 9,000 and one of 10
    assert shown(error_shares(y, predicted, YES_NO).axes[0]) == {(0, 1): "<0.1", (1, 0): "10.0"}


@pytest.mark.parametrize("draw_it", [confusion_counts, error_shares])
def test_texts_stand_out_from_their_cells(draw_it: Callable[..., Figure]) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 4000)
    predicted = np.where(
        rng.random(4000) < 0.4, (y + rng.geometric(0.3, 4000)) % 10, y
    )  # all shades
    seen = set()
    for axes in draw_it(y, predicted, DIGITS).axes[:-1]:
        mesh = axes.collections[0]
        mesh.update_scalarmappable()
        cells = np.asarray(mesh.get_facecolor()).reshape(10, 10, 4)
        for text in axes.texts:
            column, row = (int(part) for part in text.get_position())
            behind = to_rgb(axes.get_facecolor()) if row == column else tuple(cells[row, column])
            light, dark = sorted(
                [luminance(behind), luminance(to_rgb(text.get_color()))], reverse=True
            )
            assert (light + 0.05) / (dark + 0.05) > 4.4
            seen.add(text.get_color())
    assert seen == {"white", "black"}


def bars(axes: Axes) -> tuple[NDArray, NDArray]:
    """Points (n, 2) of an errorbar, and the ends (n, 2) of its bars."""
    (container,) = (part for part in axes.containers if isinstance(part, ErrorbarContainer))
    ends = np.array([segment[:, 1] for segment in container.lines[2][0].get_segments()])
    return np.asarray(container.lines[0].get_xydata()), ends


def test_rates_have_their_intervals() -> None:
    (axes,) = rates().axes
    points, ends = bars(axes)
    rate, n = np.linspace(0, 0.9, 10), np.arange(900, 1000, 10)
    np.testing.assert_allclose(points, np.column_stack([range(10), rate]))
    np.testing.assert_allclose(ends, np.column_stack([rate * 0.5, rate * 2 + 0.3]))
    assert names(axes)[1] == [f"{digit}\n{count}" for digit, count in zip(DIGITS, n, strict=True)]
    overall = (rate * n).sum() / n.sum()
    assert axes.lines[0].get_ydata() == pytest.approx([overall, overall])
    assert axes.get_legend_handles_labels()[1][0] == f"all: {overall:.2f} %"


def test_reliability_is_that_of_scikit_learn() -> None:
    probability = np.random.default_rng(0).beta(5, 2, 2000)
    correct = np.random.default_rng(1).random(2000) < probability
    upper, lower = reliability(probability, correct, 10).axes
    points, ends = bars(upper)
    accuracy, mean = calibration_curve(correct, probability, n_bins=10)
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
    given = pr_curves()
    (axes,) = thresholds(given, 2.0).axes
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
        line.get_label() for line in thresholds(given, None).axes[0].lines
    }
    assert axes.get_xlim()[0] < 2 < axes.get_xlim()[1]


def test_roc_has_areas_and_a_corner() -> None:
    given = roc_curves()
    whole, corner = roc(given).axes
    labels = [text.get_text() for text in whole.get_legend().get_texts()]  # type: ignore[union-attr]
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
    roc({"validation": perfect, "test": perfect}).draw_without_rendering()


def test_robustness_is_in_order_and_percent() -> None:
    panels = robustness(ROBUSTNESS).axes
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


def draw(path: Path) -> None:
    save_png(confusion_counts(*ten_digits(), DIGITS), path)


def test_same_errors_are_the_same_file(tmp_path: Path) -> None:
    """Also when another process drew it, which hashes strings differently."""
    draw(tmp_path / "one")
    code = "import pathlib, sys, tests.plots.test_charts; tests.plots.test_charts.draw(pathlib.Path(sys.argv[1]))"
    environment = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "two"], env=os.environ | environment, check=True
    )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_file_is_a_png_that_names_no_program(tmp_path: Path) -> None:
    save_png(confusion_counts(*ten_digits(), DIGITS), tmp_path / "errors.png.new")
    content = (tmp_path / "errors.png.new").read_bytes()
    assert (
        content.startswith(b"\x89PNG")
        and b"Software" not in content
        and b"atplotlib" not in content
    )
    with (tmp_path / "errors.png.new").open("rb") as file:
        picture = imread(file, format="png")
    assert picture.shape[:2] == (660, 770) and picture.std() > 0.05
