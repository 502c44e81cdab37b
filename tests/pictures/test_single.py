"""A picture of one digit is told from all else, and from the lines of its paper."""

import numpy as np
import pytest
from PIL import Image

from digits.common.errors import BadInput
from digits.pictures.handwriting import extract_digit
from digits.pictures.ruling import remove_ruling
from tests.drawn import digit, encoded, grained, kinds, painted, to_uint8
from tests.no_digit import TOUCHING, hard_digits, picture_of, without_a_digit
from tests.small import IMAGES

# As large as MNIST's, so that the margins are as there.
DIGITS = np.stack(
    [
        np.pad(np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BICUBIC)), 4)
        for image in IMAGES[:60].reshape(-1, 8, 8)
    ]
)
OTHERS, HARD = without_a_digit(DIGITS), hard_digits()


def is_refused(picture: bytes) -> bool:
    try:
        extract_digit(picture, 28)
    except BadInput as error:
        return "holds no single digit, as " in str(error) or "holds no ink" in str(error)
    return False


@pytest.mark.parametrize("kind", [kind for kind in OTHERS if kind not in TOUCHING])
def test_what_is_no_single_digit_is_named(kind: str) -> None:
    rng = np.random.default_rng(0)
    n = 2 if "form" in kind or "page" in kind else 8
    refused = [is_refused(picture_of(OTHERS[kind](rng))) for _ in range(n)]
    assert sum(refused) >= n - 1, refused


@pytest.mark.parametrize("kind", HARD)
def test_a_digit_that_seems_several_is_one(kind: str) -> None:
    rng = np.random.default_rng(0)
    assert sum(is_refused(HARD[kind](image, rng)) for image in DIGITS[:12]) <= 1


def test_a_digit_of_every_kind_is_one() -> None:
    rng = np.random.default_rng(0)
    refused = [is_refused(make(DIGITS[n], rng)) for make in kinds(28).values() for n in range(4)]
    assert sum(refused) <= 0.02 * len(refused)


def test_a_stroke_that_a_thin_pen_broke_is_one() -> None:
    """An upright in two parts beside a curve, as of a 4: they were two pieces of one size."""
    page = np.zeros((300, 300), np.float32)
    page[40:150, 90:93] = page[147:150, 93:180] = 1
    page[40:260, 190:193] = 1
    page[147:150, 185:188] = 1
    assert not is_refused(picture_of(painted(page)))
    page[:, 180:] = np.roll(page[:, 180:], 60, axis=1)  # too far apart for one stroke
    assert is_refused(picture_of(painted(page)))


def test_a_large_form_is_named_whatever_is_printed_on_it() -> None:
    """A scan of 4962 x 7014 with boxes of digits and black marks was a black rectangle, a 1."""
    page = np.zeros((7014 // 6, 4962 // 6), np.float32)
    page[40:64, 30:70] = page[40:64, -70:-30] = page[-64:-40, 30:70] = 1
    for top in range(120, 1100, 34):
        for left in range(40, 760, 36):
            page[top : top + 30, left : left + 32] = 0.5
            page[top + 1 : top + 29, left + 1 : left + 31] = 0
            page[top + 3 : top + 23, left + 4 : left + 24] = (
                DIGITS[(top + left) % 60][4:24, 4:24] / 255
            )
    large = Image.fromarray(to_uint8(255 * (1 - page))).resize((4962, 7014))
    file = encoded(large)
    assert is_refused(file)


@pytest.mark.parametrize("kind", [kind for kind in HARD if "rows" in kind or "squares" in kind])
def test_the_lines_of_the_paper_go(kind: str) -> None:
    rng = np.random.default_rng(0)
    for image in DIGITS[:6]:
        plain = extract_digit(HARD["on plain paper"](image, rng), 28).astype(int)
        assert np.abs(extract_digit(HARD[kind](image, rng), 28) - plain).mean() < 8


def test_a_lone_line_across_the_picture_goes_and_the_bar_of_a_digit_stays() -> None:
    plain = to_uint8(painted(digit(2, 160)))
    lined = plain.copy()
    lined[40:42] = np.minimum(lined[40:42], 120)
    assert np.abs(remove_ruling(lined).astype(int) - plain).mean() < 1
    bar = np.full((150, 100, 3), 255, np.uint8)
    bar[20:23] = bar[:, 96:99] = 0  # a 7 with a thin pen, cut close
    assert np.array_equal(remove_ruling(bar), bar)


def test_pictures_without_lines_are_not_touched() -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        plain = to_uint8(painted(digit(number)))
        assert remove_ruling(plain) is plain or np.array_equal(remove_ruling(plain), plain)
        rough = to_uint8(grained(painted(digit(number)), rng, 20))
        assert np.array_equal(remove_ruling(rough), rough)


def test_a_picture_whose_paper_cannot_be_told_is_no_traceback() -> None:
    """The light was computed from too few pixels: LinAlgError."""
    rng = np.random.default_rng(5)
    for _ in range(30):
        is_refused(picture_of(OTHERS["a solid area"](rng)))
        is_refused(picture_of(OTHERS["a chequerboard"](rng)))
