"""Each step from a picture to the form of the data sets, on pictures made by hand, and files of every kind, good and bad."""

import contextlib
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from digits.common.errors import BadInput
from digits.inference.handwriting import fit_to, read_digit, thickened
from digits.inference.ink import (
    NoInk,
    clean,
    find_ink,
    without_frames,
    without_impulses,
    without_specks,
)
from digits.inference.photo import flattened, read_picture, thumbnail
from tests.drawn import encoded, enlarged, framed, grained, on_page, painted, peppered, shaded
from tests.imports import ROOT
from tests.small import IMAGES, LABELS

SMALL = IMAGES.reshape(-1, 8, 8)
FIVE = SMALL[int(np.flatnonzero(LABELS == 5)[0])]
RED, GREEN = (200, 60, 60), (30, 147, 60)


def pixels(picture: NDArray) -> NDArray[np.uint8]:
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def digit(number: int, side: int = 120) -> NDArray[np.float32]:
    """Ink with a margin."""
    return np.pad(enlarged(SMALL[number], side), side // 4)


def alike(a: NDArray, b: NDArray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def apart(a: NDArray, b: NDArray) -> float:
    """Mean difference of images, of which one may be moved by a pixel: halves are rounded either way."""
    return min(
        float(np.abs(np.roll(a.astype(int), (y, x), (0, 1)) - b).mean())
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )


def mnist_like(number: int) -> NDArray[np.uint8]:
    """An image in MNIST's form, made as those were, without the code under test: from black and white, reduced to 20 pixels."""
    drawn = enlarged(SMALL[number], 200) > 0.5
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    drawn = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shape = tuple(round(length * 20 / max(drawn.shape)) for length in drawn.shape[::-1])
    small = Image.fromarray(pixels(255 * drawn)).resize(shape, Image.Resampling.BOX)
    image = np.zeros((48, 48), np.uint8)
    image[14 : 14 + small.height, 14 : 14 + small.width] = np.asarray(small)
    down, right = (round(14 - (c - 10)) for c in ndimage.center_of_mass(image))
    return np.roll(image, (down, right), (0, 1))[10:38, 10:38]


@pytest.mark.parametrize("number", range(0, 200, 10))
def test_an_image_in_mnist_s_form_comes_out_as_it_was(number: int) -> None:
    image = mnist_like(number)
    once = read_digit(encoded(image), 28)
    again = read_digit(encoded(once), 28)
    assert np.abs(again.astype(int) - once).mean() < 2
    assert apart(once, image) < 6


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_20_high_or_wide_and_the_centre_of_mass_in_the_middle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ink = on_page(enlarged(SMALL[seed], int(rng.integers(40, 300))), rng, 400, 500)
    image = fit_to(ink, 28)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    assert image.dtype == np.uint8 and image.max() == 255
    assert ndimage.center_of_mass(image) == pytest.approx((14, 14), abs=0.51)
    high, wide = (np.ptp(np.flatnonzero((ink > 0.15).any(axis=axis))) + 1 for axis in (1, 0))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(wide / high, rel=0.12)


def test_images_of_another_size_are_filled_from_side_to_side() -> None:
    image = fit_to(digit(0), 8)
    assert image.shape == (8, 8) and image[0].any() and image[-1].any()
    assert alike(image, SMALL[0]) > 0.9


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((0, 0, 0), (255, 255, 255)),
        ((255, 255, 255), (0, 0, 0)),
        ((30, 60, 170), (250, 235, 140)),
        (RED, GREEN),
        (GREEN, RED),
    ],
)
def test_ink_is_what_differs_in_colour(ink: tuple[int, ...], paper: tuple[int, ...]) -> None:
    drawn = digit(3)
    assert alike(find_ink(pixels(painted(drawn, ink, paper))), drawn) > 0.98


def test_red_and_green_are_equally_bright() -> None:
    """Or the test above would prove little."""
    grey = np.asarray(Image.fromarray(pixels(painted(digit(3), RED, GREEN))).convert("L"))
    assert np.ptp(grey) <= 6


@pytest.mark.parametrize("share", [0.03, 0.15])
def test_salt_and_pepper_go_and_strokes_stay(share: float) -> None:
    given = pixels(painted(digit(2, 160)))
    found = without_impulses(pixels(peppered(given, np.random.default_rng(0), share)))
    assert (
        np.count_nonzero(np.abs(found.astype(int) - given).max(axis=2) > 60)
        < 0.05 * share * given[..., 0].size
    )


def test_a_picture_without_salt_and_pepper_is_not_filtered() -> None:
    line = np.full((100, 100, 3), 255, np.uint8)
    line[20:80, 50] = 0  # a median filter would take it away
    for picture in (line, pixels(painted(digit(2))), pixels(painted(enlarged(SMALL[2], 28)))):
        assert np.array_equal(without_impulses(picture), picture)


@pytest.mark.parametrize("thickness", [1, 3, 20])
@pytest.mark.parametrize("colour", [(0, 0, 0), (40, 90, 200), (255, 200, 0)])
def test_frames_go(thickness: int, colour: tuple[int, ...]) -> None:
    given = pixels(painted(digit(1), (20, 20, 20)))
    found = without_frames(pixels(framed(given, thickness, colour)))
    assert found.shape[0] >= 0.9 * given.shape[0] and found.shape[0] <= given.shape[0]
    assert (
        np.abs(found[[0, -1]].astype(int) - 255).max() < 10
        and np.abs(found[:, [0, -1]].astype(int) - 255).max() < 10
    )
    twice = framed(framed(given, thickness, colour), 15, (255, 255, 255))
    assert without_frames(pixels(twice)).shape == found.shape


def test_what_is_no_frame_stays() -> None:
    bar = np.full((100, 60, 3), 255, np.uint8)
    bar[10:-10, 12:-12] = 0  # a 1, thick
    half = np.full((60, 60, 3), 255, np.uint8)
    half[:10] = 0  # along one side only
    for picture in (bar, half, *(pixels(painted(digit(number))) for number in range(40))):
        assert without_frames(picture).shape == picture.shape


def test_specks_go_and_the_bar_of_a_5_stays() -> None:
    levels = np.zeros((100, 100), np.float32)
    levels[40:80, 40:48] = 1
    levels[30:34, 50:70] = 1  # a bar that hangs in the air
    five = levels.copy()
    levels[10, 10] = levels[50, 55] = 1  # dirt
    levels[2:8, 90:98] = 1  # larger, but far away
    assert np.array_equal(without_specks(levels), five)


def test_shadows_are_no_ink() -> None:
    drawn = digit(3)
    assert (
        alike(find_ink(pixels(shaded(painted(drawn, (40, 40, 60), (235, 230, 220))))), drawn) > 0.95
    )
    with pytest.raises(NoInk):
        find_ink(pixels(shaded(np.full((200, 300, 3), 230.0))))


@pytest.mark.parametrize("deviation", [5, 30])
def test_grain_becomes_0(deviation: float) -> None:
    rng = np.random.default_rng(0)
    drawn = digit(3)
    found = find_ink(
        clean(pixels(grained(painted(drawn, (60, 60, 60), (200, 200, 200)), rng, deviation)))
    )
    far = ndimage.distance_transform_edt(drawn == 0) > 6
    assert found[far].max() == 0 and alike(found, drawn) > 0.95


def test_thin_strokes_do_not_vanish() -> None:
    line = np.ones((200, 2), np.float32)
    assert fit_to(np.pad(line, 20), 28).sum() / 255 == pytest.approx(
        20 * 1.7, rel=0.25
    )  # 20 high, 1.7 wide
    thick = np.ones((200, 30), np.float32)
    assert np.array_equal(thickened(thick, 20), thick)


ORIENTATIONS = {
    1: (0, 0),
    2: (0, 1),
    3: (1, 1),
    4: (1, 0),
    5: (0, 0),
    6: (0, 1),
    7: (1, 1),
    8: (1, 0),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_says_which_side_is_up(orientation: int, kind: str) -> None:
    """By the standard's table: where the first row and the first column of what is stored belong."""
    stored = np.full((60, 90, 3), 255, np.uint8)
    stored[:20, :20] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_picture(encoded(stored, kind, exif=exif))
    assert found.shape[:2] == ((60, 90) if orientation <= 4 else (90, 60))
    row, column = ORIENTATIONS[orientation]
    corner = found[-20:] if row else found[:20]
    assert (corner[:, -20:] if column else corner[:, :20]).mean() < 20 and found.mean() > 200


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
def test_every_mode_is_the_same_picture(mode: str) -> None:
    grey = Image.fromarray(pixels(255 * (1 - digit(4))))
    kind = "TIFF" if mode in ("CMYK", "I", "F") else "PNG"
    if mode == "I;16":
        picture = Image.fromarray(
            np.asarray(grey).astype(np.uint16) * 40
        )  # 10,200 of 65,535: twelve bits or so
    else:
        picture = grey.convert("RGB").convert(mode) if mode == "CMYK" else grey.convert(mode)
    assert np.abs(
        read_digit(encoded(picture, kind), 28).astype(int) - read_digit(encoded(grey), 28)
    ).mean() < (20 if mode == "1" else 3)


def test_transparent_paper_is_what_the_ink_is_not() -> None:
    drawn = digit(5)
    for colour in (0, 255):
        alone = np.full((*drawn.shape, 4), colour, np.uint8)
        alone[..., 3] = pixels(255 * drawn)
        assert alike(find_ink(flattened(alone)), drawn) > 0.98
    card = np.dstack([pixels(painted(drawn)), np.full(drawn.shape, 255, np.uint8)])
    card[:12, :12] = 0  # a corner cut off
    assert (flattened(card)[:12, :12] == 255).all()


BLANK = {
    "white": np.full((100, 80, 3), 255, np.uint8),
    "tiny": np.zeros((1, 1, 3), np.uint8),
    "a row": np.full((1, 500, 3), 9, np.uint8),
    "grainy": pixels(grained(np.full((200, 200, 3), 128.0), np.random.default_rng(1), 20)),
    "nothing": np.zeros((50, 50, 4), np.uint8),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_blank_picture_is_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    path.write_bytes(encoded(Image.fromarray(BLANK[name])))
    with pytest.raises(
        BadInput, match=r"blank\.png holds no ink: allowed is a digit on paper"
    ) as caught:
        read_digit(path, 28)
    assert len(str(caught.value).splitlines()) == 1


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is so large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


WHOLE = encoded(painted(digit(0)))
BAD = {
    "empty": (b"", "is no picture"),
    "text": (b"seven\n" * 100, "is no picture"),
    "cut": (WHOLE[: len(WHOLE) // 2], "is damaged or unfinished"),
    "cut JPEG": (encoded(painted(digit(0)), "JPEG")[:900], "is damaged or unfinished"),
    "cut GIF": (encoded(painted(digit(0)), "GIF")[:900], "is damaged or unfinished"),
    "header alone": (WHOLE[:20], "is (no picture|damaged or unfinished)"),
    "bomb": (bomb(60_000, 60_000), "is too large: allowed are up to 179 million pixels"),
    "large": (
        bomb(9_000, 9_000),
        r"is too large: allowed are up to 64 million pixels, and it has 81 million \(9000 x 9000\)",
    ),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence(name: str, tmp_path: Path) -> None:
    content, sentence = BAD[name]
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(BadInput, match=rf"x\.png {sentence}") as caught:
            read_digit(path, 28)
    assert len(str(caught.value).splitlines()) == 1 and "allowed" in str(caught.value)


def test_flipped_bytes_are_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        whole = np.frombuffer(encoded(painted(digit(0, 40)), kind), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(broken), 6)] = rng.integers(0, 256, 6)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(BadInput):
                    assert read_digit(broken.tobytes(), 28).shape == (28, 28)


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no\.png is not there: allowed"):
        read_picture(tmp_path / "no.png")
    with pytest.raises(BadInput, match="is a folder without pictures"):
        read_picture(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(BadInput, match="is no file: allowed"):
            read_picture(tmp_path / "pipe.png")


def test_a_locked_file_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "x.png"
    path.write_bytes(WHOLE)
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BadInput, match=r"x\.png cannot be read \(Permission denied\): allowed"):
        read_picture(path)


@pytest.mark.parametrize(("kind", "mebibytes"), [("JPEG", 120), ("PNG", 420)])
def test_memory_is_bounded_for_a_picture_of_48_million_pixels(
    kind: str, mebibytes: int, tmp_path: Path
) -> None:
    page = Image.new("L", (8000, 6000), 255)
    page.paste(Image.fromarray(pixels(255 * (1 - digit(3, 900)))), (4000, 2000))
    page.save(tmp_path / "page", kind)
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from digits.handwriting import read_digit; from digits.machine import peak_memory\n"
        "before = peak_memory(); np.save(sys.argv[2], read_digit(Path(sys.argv[1]), 28)); print(peak_memory() - before)"
    )
    run = [sys.executable, "-c", code, str(tmp_path / "page"), str(tmp_path / "found.npy")]
    assert float(subprocess.check_output(run, cwd=ROOT, text=True)) < mebibytes
    assert (
        apart(np.load(tmp_path / "found.npy"), read_digit(encoded(255 * (1 - digit(3, 900))), 28))
        < 6
    )


def test_a_thumbnail_shows_the_picture_upright_and_small() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    small = thumbnail(encoded(np.full((600, 1200, 3), 77, np.uint8), "PNG", exif=exif))
    assert small.shape == (120, 60, 3) and (small == 77).all()
