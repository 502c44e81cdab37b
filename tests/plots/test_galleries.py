"""Galleries of mistakes: which images they show, and what is said of each."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digits.plots.galleries import confident_mistakes, confused_pair
from tests.figures import (
    DIGITS,
    YES_NO,
    Draw,
    assert_can_be_read,
    assert_small_and_the_same_again,
    numbered_images,
    numbers,
    predictions_of,
    ten_digits,
    yes_no,
)


def mistakes(errors: float = 0.1, is_probability: bool = True) -> Figure:
    y, predicted = ten_digits(errors=errors)
    confidence = np.random.default_rng(1).random(2000) * (1 if is_probability else 1e5)
    predictions = predictions_of(y, predicted)
    return confident_mistakes(
        numbered_images(2000), predictions, confidence, DIGITS, is_probability
    )


def yes_no_mistakes() -> Figure:
    predictions, certainty = predictions_of(*yes_no()), np.ones(2000) * 0.999
    return confident_mistakes(numbered_images(2000), predictions, certainty, YES_NO, True)


def pair(y: NDArray, predicted: NDArray, names: list[str]) -> Figure:
    return confused_pair(numbered_images(len(y)), predictions_of(y, predicted), names)


FIGURES: dict[str, Draw] = {
    "mistakes": mistakes,
    "mistakes scores": lambda: mistakes(is_probability=False),
    "mistakes few": lambda: mistakes(0.001),
    "mistakes none": lambda: mistakes(0),
    "mistakes yes/no": yes_no_mistakes,
    "pair": lambda: pair(*ten_digits(), DIGITS),
    "pair yes/no": lambda: pair(*yes_no(), YES_NO),
    "pair none": lambda: pair(*ten_digits(errors=0), DIGITS),
}


@pytest.mark.parametrize("name", FIGURES)
def test_all_texts_are_whole_and_apart(name: str) -> None:
    assert_can_be_read(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_files_are_small_and_the_same_again(name: str, tmp_path: Path) -> None:
    assert_small_and_the_same_again(FIGURES[name], tmp_path)


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
        predictions = predictions_of(np.array([4]), np.array([9]), first_row=1234)
        certainty = np.array([value])
        figure = confident_mistakes(
            numbered_images(1), predictions, certainty, DIGITS, is_probability
        )
        return figure.axes[0].texts[0].get_text()

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
    # 1 as 7 is the largest count, but 4 and 9 are confused more.
    predicted = np.repeat([4, 9, 9, 4, 7, 1], [30, 10, 3, 4, 5, 1])
    figure = pair(y, predicted, DIGITS)
    expected = ["4 called 4: 30 (25 shown)", "4 called 9: 3", "9 called 4: 4", "9 called 9: 10"]
    assert [axes.get_title() for axes in figure.axes] == expected
    assert figure.get_suptitle() == "Most confused: 4 and 9, 7 times"
    parts = [range(25), range(40, 43), range(43, 47), range(30, 40)]
    assert [numbers(axes) for axes in figure.axes] == [list(part) for part in parts]


def test_no_pair_confused_is_said_in_a_sentence() -> None:
    figure = pair(np.arange(3), np.arange(3), DIGITS)
    assert "No two classes were confused" in figure.texts[0].get_text()
