"""The digit of a picture in the form of the data sets, against those and their description."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from digits.common.errors import BadInput
from digits.pictures.handwriting import extract_digit, normalize, thicken
from tests.drawn import (
    IMAGES_8X8,
    alike,
    apart,
    digit,
    encoded,
    enlarged,
    grained,
    on_page,
    to_uint8,
)
from tests.imports import ROOT


def mnist_like(number: int) -> NDArray[np.uint8]:
    """An image in MNIST's form, made without the code under test."""
    drawn = enlarged(IMAGES_8X8[number], 200) > 0.5
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    drawn = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shape = tuple(round(length * 20 / max(drawn.shape)) for length in drawn.shape[::-1])
    small = Image.fromarray(to_uint8(255 * drawn)).resize(shape, Image.Resampling.BOX)
    image = np.zeros((48, 48), np.uint8)
    image[14 : 14 + small.height, 14 : 14 + small.width] = np.asarray(small)
    down, right = (round(14 - (c - 10)) for c in ndimage.center_of_mass(image))
    return np.roll(image, (down, right), (0, 1))[10:38, 10:38]


@pytest.mark.parametrize("number", range(0, 200, 10))
def test_an_image_in_mnist_s_form_comes_out_as_it_was(number: int) -> None:
    image = mnist_like(number)
    once = extract_digit(encoded(image), 28)
    again = extract_digit(encoded(once), 28)
    assert np.abs(again.astype(int) - once).mean() < 2
    assert apart(once, image) < 6


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_20_high_or_wide_and_the_centre_of_mass_in_the_middle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ink = on_page(enlarged(IMAGES_8X8[seed], int(rng.integers(40, 300))), rng, 400, 500)
    image = normalize(ink, 28)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    assert image.dtype == np.uint8 and image.max() == 255
    assert ndimage.center_of_mass(image) == pytest.approx((14, 14), abs=0.51)
    high, wide = (np.ptp(np.flatnonzero((ink > 0.15).any(axis=axis))) + 1 for axis in (1, 0))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(wide / high, rel=0.12)


def test_images_of_another_size_are_filled_from_side_to_side() -> None:
    image = normalize(digit(0), 8)
    assert image.shape == (8, 8) and image[0].any() and image[-1].any()
    assert alike(image, IMAGES_8X8[0]) > 0.9


def test_thin_strokes_do_not_vanish() -> None:
    line = np.ones((200, 2), np.float32)
    assert normalize(np.pad(line, 20), 28).sum() / 255 == pytest.approx(
        20 * 1.7, rel=0.25
    )  # 20 high, 1.7 wide
    thick = np.ones((200, 30), np.float32)
    assert np.array_equal(thicken(thick, 20), thick)


BLANK = {
    "white": np.full((100, 80, 3), 255, np.uint8),
    "tiny": np.zeros((1, 1, 3), np.uint8),
    "a row": np.full((1, 500, 3), 9, np.uint8),
    "grainy": to_uint8(grained(np.full((200, 200, 3), 128.0), np.random.default_rng(1), 20)),
    "nothing": np.zeros((50, 50, 4), np.uint8),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_blank_picture_is_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    path.write_bytes(encoded(Image.fromarray(BLANK[name])))
    with pytest.raises(
        BadInput, match=r"blank\.png holds no ink: allowed is a digit on paper"
    ) as caught:
        extract_digit(path, 28)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("kind", "mebibytes"), [("JPEG", 120), ("PNG", 420)])
def test_memory_is_bounded_for_a_picture_of_48_million_pixels(
    kind: str, mebibytes: int, tmp_path: Path
) -> None:
    page = Image.new("L", (8000, 6000), 255)
    page.paste(Image.fromarray(to_uint8(255 * (1 - digit(3, 900)))), (4000, 2000))
    page.save(tmp_path / "page", kind)
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from digits.pictures.handwriting import extract_digit\n"
        "from digits.common.resources import peak_memory\n"
        "before = peak_memory(); np.save(sys.argv[2], extract_digit(Path(sys.argv[1]), 28))\n"
        "print(peak_memory() - before)"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "page"), str(tmp_path / "found.npy")]
    assert float(subprocess.check_output(run, cwd=ROOT, text=True)) < mebibytes
    assert (
        apart(
            np.load(tmp_path / "found.npy"), extract_digit(encoded(255 * (1 - digit(3, 900))), 28)
        )
        < 6
    )
