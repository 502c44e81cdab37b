"""What the pictures say, read from the figures themselves, and that it can be read."""

import itertools
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
from matplotlib.text import Text
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

from digits.figures import (
    confusion_counts,
    error_shares,
    loss_by_seconds,
    rates_by_digit,
    reliability,
    robustness,
    roc,
    save_png,
    thresholds,
    training_size,
)
from digits.galleries import confident_mistakes, confused_pair, gallery

ROOT = Path(__file__).resolve().parent.parent
DIGITS = [str(digit) for digit in range(10)]
YES_NO = ["not 5", "5"]


def ten_digits(n: int = 2000, errors: float = 0.1) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels, and predictions of which a share is drawn at random."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, n).astype(np.uint8)
    return y, np.where(rng.random(n) < errors, rng.integers(0, 10, n), y).astype(np.uint8)


def numbered_images(n: int) -> NDArray[np.uint8]:
    """Images with a little ink, of which each has its number in the first pixels."""
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 6:22, 10:18] = np.random.default_rng(0).integers(0, 256, (n, 16, 8))
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) // 256, np.arange(n) % 256
    return images


def numbers(axes: Axes) -> list[int]:
    """Of the `numbered_images` shown, in order."""
    return [int(array[0, 0]) * 256 + int(array[0, 1]) for array in (np.asarray(image.get_array()) for image in axes.images)]


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
    return {name: (*roc_curve(yes[part], scores[part])[:2], roc_auc_score(yes[part], scores[part])) for name, part in parts.items()}


def mistakes(errors: float = 0.1, is_probability: bool = True) -> Figure:
    y, predicted = ten_digits(errors=errors)
    confidence = np.random.default_rng(1).random(2000) * (1 if is_probability else 1e5)
    return confident_mistakes(numbered_images(2000), np.arange(60_000, 62_000), y, predicted, confidence, DIGITS, is_probability)


def yes_no_mistakes() -> Figure:
    y, predicted = (values == 5 for values in ten_digits())
    return confident_mistakes(numbered_images(2000), np.arange(60_000, 62_000), y, predicted, np.ones(2000) * 0.999, YES_NO, True)


def compared(errors_a: float, errors_b: float, name: str = "a model", names: list[str] = DIGITS) -> Figure:
    y, a = ten_digits(errors=errors_a)
    b = ten_digits(errors=errors_b)[1]
    if len(names) == 2:
        y, a, b = ((values == 5).astype(np.uint8) for values in (y, a, b))
    return gallery(numbered_images(2000), np.arange(60_000, 62_000), y, a, b, "nearest neighbours", name, names)


def rates() -> Figure:
    rate = np.linspace(0, 0.009, 10)
    return rates_by_digit(DIGITS, rate, rate * 0.5, rate * 2 + 0.003, np.arange(900, 1000, 10))


MOVED = [("shift", 2, 0.9, 0.88, 0.92), ("shift", 0, 0.99, 0.98, 0.995), ("shift", 1, 0.97, 0.96, 0.98)]
TURNED = [("rotation", 0, 0.99, 0.98, 0.995), ("rotation", 15, 0.9, 0.89, 0.91), ("rotation", 30, 0.7, 0.69, 0.72)]
SIZES = [(n, 10_000, 1 - n**-0.4, 1 - 1.1 * n**-0.4, 1 - 0.9 * n**-0.4) for n in (60_000, 1000, 2000, 5000, 10_000, 20_000, 50_000)]


def reliable() -> Figure:
    probability = np.random.default_rng(0).beta(5, 2, 2000)
    return reliability(probability, np.random.default_rng(1).random(2000) < probability)


def yes_no() -> tuple[NDArray, NDArray]:
    y, predicted = ten_digits()
    return y == 5, predicted == 5


PICTURES: dict[str, Callable[[], Figure]] = {
    "counts": lambda: confusion_counts(*ten_digits(10_000), DIGITS),
    "counts yes/no": lambda: confusion_counts(*yes_no(), YES_NO),
    "counts no error": lambda: confusion_counts(*ten_digits(errors=0), DIGITS),
    "shares": lambda: error_shares(*ten_digits(), DIGITS),
    "shares few": lambda: error_shares(*ten_digits(10_000, 0.004), DIGITS),
    "shares yes/no": lambda: error_shares(*yes_no(), YES_NO),
    "shares no error": lambda: error_shares(*ten_digits(errors=0), DIGITS),
    "mistakes": mistakes,
    "mistakes scores": lambda: mistakes(is_probability=False),
    "mistakes few": lambda: mistakes(0.001),
    "mistakes none": lambda: mistakes(0),
    "mistakes yes/no": yes_no_mistakes,
    "pair": lambda: confused_pair(numbered_images(2000), *ten_digits(), DIGITS),
    "pair yes/no": lambda: confused_pair(numbered_images(2000), *yes_no(), YES_NO),
    "pair none": lambda: confused_pair(numbered_images(2000), *ten_digits(errors=0), DIGITS),
    "rates": rates,
    "reliability": reliable,
    "thresholds": lambda: thresholds(pr_curves(), 2.0),
    "thresholds usual": lambda: thresholds(pr_curves(), None),
    "roc": lambda: roc(roc_curves()),
    "robustness": lambda: robustness(MOVED + TURNED),
    "sizes": lambda: training_size(SIZES),
    "sizes one": lambda: training_size(SIZES[:1]),
    "sizes flat": lambda: training_size([(n, 480, 1.0, 0.992, 1.0) for n in (50, 60, 100, 200)]),
    "gallery": lambda: compared(0.1, 0.05),
    "gallery long name": lambda: compared(0.1, 0.05, "a committee of support vector machines with mirrored and moved images"),
    "gallery one side": lambda: compared(0.1, 0),
    "gallery other side": lambda: compared(0, 0.1),
    "gallery same": lambda: compared(0.1, 0.1),
    "gallery yes/no": lambda: compared(0.1, 0.05, "svm", YES_NO),
    "losses": lambda: loss_by_seconds({"one": [(0.1, 2.0), (0.2, 1.0)], "all": [(1.0, 2.0), (20.0, 1.0)]}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_all_texts_are_whole_and_apart(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Text] = []
    draw = Text.draw

    def record(self: Text, *args: object, **options: object) -> None:
        if self.get_visible() and self.get_text().strip():
            drawn.append(self)
        draw(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Text, "draw", record)
    figure = PICTURES[name]()
    figure.draw_without_rendering()
    boxes = {text: text.get_window_extent() for text in drawn}
    assert boxes
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, f"{text.get_text()!r} is cut off"
    for (one, a), (other, b) in itertools.combinations(boxes.items(), 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one.get_text()!r} lies on {other.get_text()!r}"


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    for file in ("one", "two"):
        save_png(PICTURES[name](), tmp_path / file)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert 1000 < (tmp_path / "one").stat().st_size < 80_000


def shown(axes: Axes) -> dict[tuple[int, int], str]:
    """What stands in each (row, column) of the heat map."""
    return {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}


def names(axes: Axes) -> tuple[list[str], list[str]]:
    return [label.get_text() for label in axes.get_yticklabels()], [label.get_text() for label in axes.get_xticklabels()]


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance by WCAG 2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
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
    assert axes.get_title().startswith(f"{np.count_nonzero(y != predicted)} errors among {len(y):,} test images")
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
    assert confusion_counts(np.array([0, 1]), np.array([0, 0]), YES_NO).axes[0].get_title().startswith("1 error among 2 ")


@pytest.mark.parametrize(("errors", "decimals"), [(0.5, 1), (0.004, 2)])
def test_shares_are_those_of_scikit_learn(errors: float, decimals: int) -> None:
    y, predicted = ten_digits(20_000, errors)
    figure = error_shares(y, predicted, DIGITS)
    for axes, normalize in zip(figure.axes[:2], ("true", "pred"), strict=True):
        shares = 100 * confusion_matrix(y, predicted, normalize=normalize)
        expected = {(i, j): f"{share:.{decimals}f}" for (i, j), share in np.ndenumerate(shares) if share and i != j}
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
    predicted = np.where(rng.random(4000) < 0.4, (y + rng.geometric(0.3, 4000)) % 10, y)  # all shades
    seen = set()
    for axes in draw_it(y, predicted, DIGITS).axes[:-1]:
        mesh = axes.collections[0]
        mesh.update_scalarmappable()
        cells = np.asarray(mesh.get_facecolor()).reshape(10, 10, 4)
        for text in axes.texts:
            column, row = (int(part) for part in text.get_position())
            behind = to_rgb(axes.get_facecolor()) if row == column else tuple(cells[row, column])
            light, dark = sorted([luminance(behind), luminance(to_rgb(text.get_color()))], reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 4.4
            seen.add(text.get_color())
    assert seen == {"white", "black"}


def test_surest_mistakes_come_first() -> None:
    y, predicted = ten_digits()
    confidence = np.random.default_rng(1).random(2000)
    (axes,) = mistakes().axes
    wrong = [int(i) for i in np.argsort(-confidence) if y[i] != predicted[i]]
    assert numbers(axes) == wrong[:40]
    expected = [f"#{60_000 + i}  {confidence[i]:.0%}".replace("%", " %") + f"\n{y[i]} → {predicted[i]}" for i in wrong[:40]]
    assert [text.get_text().replace(">99", "100") for text in axes.texts] == expected


def test_mistakes_have_scores_or_probabilities() -> None:
    def caption(value: float, is_probability: bool) -> str:
        images, row, value_ = numbered_images(1), np.array([1234]), np.array([value])
        return (
            confident_mistakes(images, row, np.array([4]), np.array([9]), value_, DIGITS, is_probability)
            .axes[0]
            .texts[0]
            .get_text()
        )

    assert caption(0.97, True) == "#1234  97 %\n4 → 9"
    assert caption(0.9999, True) == "#1234  >99 %\n4 → 9"
    assert caption(1.0, True) == "#1234  100 %\n4 → 9"
    assert caption(-1.2345, False) == "#1234  -1.23\n4 → 9"


def test_ink_is_dark() -> None:
    image = mistakes().axes[0].images[0]
    assert image.get_clim() == (0, 255)
    assert image.cmap(255)[0] == 0 and image.cmap(0)[0] == 1


def test_no_mistakes_are_said_in_a_sentence() -> None:
    figure = mistakes(0)
    assert not figure.axes
    assert figure.texts[0].get_text() == "None of the 2,000 images was read wrongly."


def test_most_confused_pair() -> None:
    y = np.repeat([4, 9, 4, 9, 1, 7], [30, 10, 3, 4, 5, 1])
    predicted = np.repeat([4, 9, 9, 4, 7, 1], [30, 10, 3, 4, 5, 1])  # 1 as 7 is the largest count, but 4 and 9 are confused more
    figure = confused_pair(numbered_images(53), y, predicted, DIGITS)
    expected = ["4 called 4: 30 (25 shown)", "4 called 9: 3", "9 called 4: 4", "9 called 9: 10"]
    assert [axes.get_title() for axes in figure.axes] == expected
    assert figure.get_suptitle() == "Most confused: 4 and 9, 7 times"
    parts = [range(25), range(40, 43), range(43, 47), range(30, 40)]
    assert [numbers(axes) for axes in figure.axes] == [list(part) for part in parts]


def test_no_pair_confused_is_said_in_a_sentence() -> None:
    assert (
        "No two classes were confused" in confused_pair(numbered_images(3), np.arange(3), np.arange(3), DIGITS).texts[0].get_text()
    )


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
    assert (ends[:, 0] <= accuracy).all() and (accuracy <= ends[:, 1]).all() and (ends >= 0).all() and (ends <= 1).all()
    n, edges = np.histogram(probability, np.linspace(0, 1, 11))
    drawn = {round(patch.get_x(), 6): patch.get_height() for patch in lower.patches if isinstance(patch, Rectangle)}
    assert drawn == {round(float(edge), 6): count for edge, count in zip(edges[:-1], n, strict=True) if count}
    assert lower.get_yscale() == "log"


def test_thresholds_are_drawn() -> None:
    given = pr_curves()
    (axes,) = thresholds(given, 2.0).axes
    lines = {str(line.get_label()): line for line in axes.lines}
    for name, style in (("validation", "--"), ("test", "-")):
        threshold, precision, recall = given[name]
        for what, values in (("precision", precision), ("recall", recall)):
            line = lines[f"{what}, {name}"]
            np.testing.assert_array_equal(line.get_xydata(), np.column_stack([threshold, values[:-1]]))
            assert line.get_linestyle() == style
    assert lines["chosen on validation"].get_xdata() == [2.0, 2.0]
    assert "chosen on validation" not in {line.get_label() for line in thresholds(given, None).axes[0].lines}
    assert axes.get_xlim()[0] < 2 < axes.get_xlim()[1]


def test_roc_has_areas_and_a_corner() -> None:
    given = roc_curves()
    whole, corner = roc(given).axes
    labels = [text.get_text() for text in whole.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels[:2] == [f"{name}: area {area:.5f}" for name, (_, _, area) in given.items()]
    for axes in (whole, corner):
        for line, (false, true, _) in zip(axes.lines, given.values(), strict=False):
            np.testing.assert_allclose(np.asarray(line.get_xydata()), 100 * np.column_stack([false, true]))
    assert whole.get_xlim()[1] == 100
    reached = [(100 * false < corner.get_xlim()[1]) & (100 * true > corner.get_ylim()[0]) for false, true, _ in given.values()]
    assert all(inside.any() for inside in reached), "every curve passes through the corner shown"


def test_a_perfect_roc_is_a_picture_too() -> None:
    perfect = (np.array([0.0, 0, 1]), np.array([0.0, 1, 1]), 1.0)
    roc({"validation": perfect, "test": perfect}).draw_without_rendering()


def test_robustness_is_in_order_and_percent() -> None:
    panels = robustness(MOVED + TURNED).axes
    for axes, rows in zip(panels, (MOVED, TURNED), strict=True):
        np.testing.assert_allclose(
            np.asarray(axes.lines[0].get_xydata()), np.array([(row[1], 100 * row[2]) for row in sorted(rows)])
        )
        (path,) = axes.collections[0].get_paths()
        for row in rows:
            for end in row[3:]:
                assert np.isclose(path.vertices, [row[1], 100 * end]).all(axis=1).any()
    assert panels[0].get_ylim() == panels[1].get_ylim()


def test_error_rates_by_training_size() -> None:
    (axes,) = training_size(SIZES).axes
    rows = sorted(SIZES)
    np.testing.assert_allclose(
        np.asarray(axes.lines[0].get_xydata()), np.array([(n, 100 * (1 - accuracy)) for n, _, accuracy, _, _ in rows])
    )
    (path,) = axes.collections[0].get_paths()
    for n, _, _, low, high in rows:
        for end in (low, high):
            assert np.isclose(path.vertices, [n, 100 * (1 - end)]).all(axis=1).any()
    assert axes.get_xscale() == "log" and "more data" in axes.get_title() and "10,000 held-out" in axes.get_title()


def test_gallery_has_what_was_fixed_and_what_was_broken() -> None:
    y, a = ten_digits(errors=0.1)
    b = ten_digits(errors=0.05)[1]
    panels = compared(0.1, 0.05).axes
    rng = [np.flatnonzero((a != y) & (b == y)), np.flatnonzero((a == y) & (b != y))]
    for axes, every, what in zip(panels, rng, ("fixed", "broken"), strict=True):
        assert numbers(axes) == every[:30].tolist()
        more = " (30 shown)" if len(every) > 30 else ""
        assert axes.get_title() == f"{what} by a model: {len(every)}{more}"
        captions = [text.get_text() for text in axes.texts if text.get_text() != "none"]
        assert captions == [f"#{60_000 + i}\n{y[i]}: {a[i]} → {b[i]}" for i in every[:30]]
    assert len(rng[0]) > 30


def test_gallery_says_that_a_side_is_empty() -> None:
    fixed, broken = compared(0.1, 0).axes
    assert len(fixed.images) == 30 and not broken.images
    assert [text.get_text() for text in broken.texts] == ["none"] and broken.get_title() == "broken by a model: 0"


def draw(path: Path) -> None:
    save_png(confusion_counts(*ten_digits(), DIGITS), path)


def test_same_errors_are_the_same_file(tmp_path: Path) -> None:
    """Also when another process drew it, which hashes strings differently."""
    draw(tmp_path / "one")
    code = "import pathlib, sys, test_figures; test_figures.draw(pathlib.Path(sys.argv[1]))"
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "two"], env=os.environ | environment, check=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_file_is_a_png_that_names_no_program(tmp_path: Path) -> None:
    save_png(confusion_counts(*ten_digits(), DIGITS), tmp_path / "errors.png.new")
    content = (tmp_path / "errors.png.new").read_bytes()
    assert content.startswith(b"\x89PNG") and b"Software" not in content and b"atplotlib" not in content
    with (tmp_path / "errors.png.new").open("rb") as file:
        picture = imread(file, format="png")
    assert picture.shape[:2] == (660, 770) and picture.std() > 0.05
