"""Confusion matrices and error rates: what the figures show, and that it can be read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from digits.plots.confusion_matrix import confusion_counts, confusion_percentages, error_rates
from tests.figures import (
    DIGITS,
    YES_NO,
    Draw,
    assert_can_be_read,
    assert_small_and_the_same_again,
    error_bars,
    ten_digits,
    tick_labels,
    yes_no,
)


def rates() -> Figure:
    rate = np.linspace(0, 0.009, 10)
    return error_rates(DIGITS, rate, rate * 0.5, rate * 2 + 0.003, np.arange(900, 1000, 10))


FIGURES: dict[str, Draw] = {
    "counts": lambda: confusion_counts(*ten_digits(10_000), DIGITS),
    "counts yes/no": lambda: confusion_counts(*yes_no(), YES_NO),
    "counts no error": lambda: confusion_counts(*ten_digits(errors=0), DIGITS),
    "percentages": lambda: confusion_percentages(*ten_digits(), DIGITS),
    "percentages few": lambda: confusion_percentages(*ten_digits(10_000, 0.004), DIGITS),
    "percentages yes/no": lambda: confusion_percentages(*yes_no(), YES_NO),
    "percentages no error": lambda: confusion_percentages(*ten_digits(errors=0), DIGITS),
    "rates": rates,
}


@pytest.mark.parametrize("name", FIGURES)
def test_all_texts_are_whole_and_apart(name: str) -> None:
    assert_can_be_read(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    assert_small_and_the_same_again(FIGURES[name], tmp_path)


def shown(axes: Axes) -> dict[tuple[int, int], str]:
    """What stands in each (row, column) of the heat map."""
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }


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
    assert tick_labels(axes) == (DIGITS, DIGITS)
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
    figure = confusion_percentages(y, predicted, DIGITS)
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
    left, right, _ = confusion_percentages(y, predicted, YES_NO).axes
    assert shown(left) == {(0, 1): "0.01"} and shown(right) == {(0, 1): "0.11"}
    assert tick_labels(left) == tick_labels(right) == (YES_NO, YES_NO)
    left, right, _ = confusion_percentages(np.array([3, 3]), np.array([3, 8]), DIGITS).axes
    assert shown(left) == {(3, 8): "50.0"} and shown(right) == {(3, 8): "100.0"}


def test_nothing_but_zero_reads_as_zero() -> None:
    y = np.repeat([0, 1], [9000, 10])
    predicted = y.copy()
    predicted[[0, -1]] = 1, 0  # one of 9,000 and one of 10
    assert shown(confusion_percentages(y, predicted, YES_NO).axes[0]) == {
        (0, 1): "<0.1",
        (1, 0): "10.0",
    }


@pytest.mark.parametrize("draw_it", [confusion_counts, confusion_percentages])
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


def test_rates_have_their_intervals() -> None:
    (axes,) = rates().axes
    points, ends = error_bars(axes)
    rate, n = np.linspace(0, 0.9, 10), np.arange(900, 1000, 10)
    np.testing.assert_allclose(points, np.column_stack([range(10), rate]))
    np.testing.assert_allclose(ends, np.column_stack([rate * 0.5, rate * 2 + 0.3]))
    assert tick_labels(axes)[1] == [
        f"{digit}\n{count}" for digit, count in zip(DIGITS, n, strict=True)
    ]
    overall = (rate * n).sum() / n.sum()
    assert axes.lines[0].get_ydata() == pytest.approx([overall, overall])
    assert axes.get_legend_handles_labels()[1][0] == f"all: {overall:.2f} %"
