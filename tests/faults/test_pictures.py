"""Mangled pictures: a digit, or a sentence."""

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.inference.reader import Reader
from tests.drawn import enlarged
from tests.faults.tally import SEED, Tally, number
from tests.faults.test_model_files import damaged
from tests.reading import SVM, X

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("little_memory")]

FORMATS = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "GIF": "gif", "BMP": "bmp", "WEBP": "webp"}


def pictures(rng: random.Random) -> dict[str, bytes]:
    """A digit as a picture of each format."""
    drawn = 255 * (1 - np.pad(enlarged(X[rng.randrange(len(X))], 64), 8))
    contents = {}
    for name in FORMATS:
        file = BytesIO()
        Image.fromarray(drawn.astype(np.uint8)).convert("RGB").save(file, name)
        contents[name] = file.getvalue()
    return contents


def mangled(content: bytes, kind: str, rng: random.Random) -> tuple[str, bytes]:
    """A picture damaged anywhere, or where its size and its kind stand."""
    how = rng.choice(["anywhere", "anywhere", "head", "size"])
    if how == "anywhere":
        return damaged(content, rng)
    changed = bytearray(content)
    if how == "size" and kind == "PNG":  # with the right checksum
        size = [rng.choice([0, 1, 65_535, 100_000, 2**31 - 1]) for _ in range(2)]
        changed[16:24] = struct.pack(">II", *size)
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
        return "size", bytes(changed)
    for _ in range(rng.choice([1, 2, 8])):
        changed[rng.randrange(min(64, len(changed)))] = rng.choice([0, 1, 127, 128, 255])
    return "head", bytes(changed)


def test_mangled_pictures(tmp_path: Path, tally: Tally) -> None:
    rng = random.Random(SEED + 2)
    reader = Reader(SVM, None, "digit")
    for i in range(number(1000)):
        kind = rng.choice(list(FORMATS))
        how, content = mangled(pictures(rng)[kind], kind, rng)
        path = tmp_path / f"{i}.{FORMATS[kind]}"
        path.write_bytes(content)
        with tally.fault(f"{i}, {kind}, {how}"):
            answers = list(reader.read([path]))
            if not answers or any((each.error is None) == (each.digit is None) for each in answers):
                tally.wrong(f"{i}, {kind}, {how}: {answers}")
            for each in answers:
                if each.error and ("Error" in each.error or not each.error.endswith(".")):
                    tally.traceback(f"{i}, {kind}, {how}: {each.error}")
        path.unlink()
