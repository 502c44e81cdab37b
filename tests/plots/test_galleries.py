"""What the pictures of images show and say of each, read from the figures themselves."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.plots.galleries import confident_mistakes, confused_pair, gallery
from tests.pictures import (
    DIGITS,
    YES_NO,
    Draw,
    assert_can_be_read,
    assert_small_and_the_same_again,
    ten_digits,
    yes_no,
)


def numbered_images(n: int) -> NDArray[np.uint8]:
    """Images with a little ink, of which each has its number in the first pixels."""
    images = np.zeros((n, 28, 28), np.uint8)
    images[:, 6:22, 10:18] = np.random.default_rng(0).integers(0, 256, (n, 16, 8))
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) // 256, np.arange(n) % 256
    return images


def numbers(axes: Axes) -> list[int]:
    """Of the `numbered_images` shown, in order."""
    return [
        int(array[0, 0]) * 256 + int(array[0, 1])
        for array in (np.asarray(image.get_array()) for image in axes.images)
    ]


def mistakes(errors: float = 0.1, is_probability: bool = True) -> Figure:
    y, predicted = ten_digits(errors=errors)
    confidence = np.random.default_rng(1).random(2000) * (1 if is_probability else 1e5)
    return confident_mistakes(
        numbered_images(2000),
        np.arange(60_000, 62_000),
        y,
        predicted,
        confidence,
        DIGITS,
        is_probability,
    )


def yes_no_mistakes() -> Figure:
    y, predicted = yes_no()
    return confident_mistakes(
        numbered_images(2000),
        np.arange(60_000, 62_000),
        y,
        predicted,
        np.ones(2000) * 0.999,
        YES_NO,
        True,
    )


def compared(
    errors_a: float, errors_b: float, name: str = "a model", names: list[str] = DIGITS
) -> Figure:
    y, a = ten_digits(errors=errors_a)
    b = ten_digits(errors=errors_b)[1]
    if len(names) == 2:
        y, a, b = ((values == 5).astype(np.uint8) for values in (y, a, b))
    return gallery(
        numbered_images(2000), np.arange(60_000, 62_000), y, a, b, "nearest neighbours", name, names
    )


PICTURES: dict[str, Draw] = {
    "mistakes": mistakes,
    "mistakes scores": lambda: mistakes(is_probability=False),
    "mistakes few": lambda: mistakes(0.001),
    "mistakes none": lambda: mistakes(0),
    "mistakes yes/no": yes_no_mistakes,
    "pair": lambda: confused_pair(numbered_images(2000), *ten_digits(), DIGITS),
    "pair yes/no": lambda: confused_pair(numbered_images(2000), *yes_no(), YES_NO),
    "pair none": lambda: confused_pair(numbered_images(2000), *ten_digits(errors=0), DIGITS),
    "gallery": lambda: compared(0.1, 0.05),
    "gallery long name": lambda: compared(
        0.1, 0.05, "a committee of support vector machines with mirrored and moved images"
    ),
    "gallery one side": lambda: compared(0.1, 0),
    "gallery other side": lambda: compared(0, 0.1),
    "gallery same": lambda: compared(0.1, 0.1),
    "gallery yes/no": lambda: compared(0.1, 0.05, "svm", YES_NO),
}


@pytest.mark.parametrize("name", PICTURES)
def test_all_texts_are_whole_and_apart(name: str) -> None:
    assert_can_be_read(PICTURES[name])


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    assert_small_and_the_same_again(PICTURES[name], tmp_path)


def test_surest_mistakes_come_first() -> None:
    y, predicted = ten_digits()
    confidence = np.random.default_rng(1).random(2000)
    (axes,) = mistakes().axes
    wrong = [int(i) for i in np.argsort(-confidence) if y[i] != predicted[i]]
    assert numbers(axes) == wrong[:40]
    expected = [
        f"#{60_000 + i}  {confidence[i]:.0%}".replace("%", " %") + f"\n{y[i]} → {predicted[i]}"
        for i in wrong[:40]
    ]
    assert [text.get_text().replace(">99", "100") for text in axes.texts] == expected


def test_mistakes_have_scores_or_probabilities() -> None:
    def caption(value: float, is_probability: bool) -> str:
        images, row, value_ = numbered_images(1), np.array([1234]), np.array([value])
        return (
            confident_mistakes(
                images, row, np.array([4]), np.array([9]), value_, DIGITS, is_probability
            )
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
    predicted = np.repeat(
        [4, 9, 9, 4, 7, 1], [30, 10, 3, 4, 5, 1]
    )  # 1 as 7 is the largest count, but 4 and 9 are confused more
    figure = confused_pair(numbered_images(53), y, predicted, DIGITS)
    expected = ["4 called 4: 30 (25 shown)", "4 called 9: 3", "9 called 4: 4", "9 called 9: 10"]
    assert [axes.get_title() for axes in figure.axes] == expected
    assert figure.get_suptitle() == "Most confused: 4 and 9, 7 times"
    parts = [range(25), range(40, 43), range(43, 47), range(30, 40)]
    assert [numbers(axes) for axes in figure.axes] == [list(part) for part in parts]


def test_no_pair_confused_is_said_in_a_sentence() -> None:
    assert (
        "No two classes were confused"
        in confused_pair(numbered_images(3), np.arange(3), np.arange(3), DIGITS).texts[0].get_text()
    )


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
    assert [text.get_text() for text in broken.texts] == [
        "none"
    ] and broken.get_title() == "broken by a model: 0"
