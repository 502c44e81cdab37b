"""Picture files of every kind, good and bad, decoded."""

import contextlib
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from digits.common.errors import BadInput
from digits.pictures.handwriting import extract_digit
from digits.pictures.ink import find_ink
from digits.pictures.photo import flatten_transparency, read_picture, thumbnail
from tests.drawn import alike, digit, encoded, painted, to_uint8

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
    """By the standard's table: where the first row and column of what is stored belong."""
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
    grey = Image.fromarray(to_uint8(255 * (1 - digit(4))))
    kind = "TIFF" if mode in ("CMYK", "I", "F") else "PNG"
    if mode == "I;16":
        picture = Image.fromarray(
            np.asarray(grey).astype(np.uint16) * 40
        )  # 10,200 of 65,535: twelve bits or so
    else:
        picture = grey.convert("RGB").convert(mode) if mode == "CMYK" else grey.convert(mode)
    assert np.abs(
        extract_digit(encoded(picture, kind), 28).astype(int) - extract_digit(encoded(grey), 28)
    ).mean() < (20 if mode == "1" else 3)


def test_transparent_paper_is_what_the_ink_is_not() -> None:
    drawn = digit(5)
    for colour in (0, 255):
        alone = np.full((*drawn.shape, 4), colour, np.uint8)
        alone[..., 3] = to_uint8(255 * drawn)
        assert alike(find_ink(flatten_transparency(alone)), drawn) > 0.98
    page = to_uint8(painted(drawn))
    for ink_reaches in (1, 8, 25):  # cut out with so much paper around it
        near = binary_dilation(drawn > 0.02, iterations=ink_reaches)
        for paper in (page, 255 - page):
            cut_out = np.dstack([paper, np.where(near, 255, 0).astype(np.uint8)])
            assert alike(find_ink(flatten_transparency(cut_out)), drawn) > 0.98
    card = np.dstack([to_uint8(painted(drawn)), np.full(drawn.shape, 255, np.uint8)])
    card[:12, :12] = 0  # a corner cut off
    assert (flatten_transparency(card)[:12, :12] == 255).all()


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
            extract_digit(path, 28)
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
                    assert extract_digit(broken.tobytes(), 28).shape == (28, 28)


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


def test_a_thumbnail_shows_the_picture_upright_and_small() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    small = thumbnail(encoded(np.full((600, 1200, 3), 77, np.uint8), "PNG", exif=exif))
    assert small.shape == (120, 60, 3) and (small == 77).all()
