"""IDX files, made here by hand: read whole or refused."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.data.idx import FILES, parse_idx
from tests.idx_files import idx_file

# The same examples every time, however slow the machine.

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4) * 10
HEADER = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 3, 4)
RAW = HEADER + IMAGES.tobytes()
PAGE = b"<!DOCTYPE html><html><head><title>Not Found</title></head></html>"


def sentence(content: bytes, ndim: int = 3) -> str:
    with pytest.raises(BadInput) as caught:
        parse_idx(content, ndim, "some-file")
    assert str(caught.value).startswith("some-file ") and str(caught.value).endswith(".")
    return str(caught.value)


@pytest.mark.parametrize("packed", [RAW, gzip.compress(RAW, mtime=0)], ids=["raw", "gz"])
def test_images_are_read(packed: bytes) -> None:
    images = parse_idx(packed, 3, "some-file")
    assert images.dtype == np.uint8 and not images.flags.writeable
    np.testing.assert_array_equal(images, IMAGES)


@given(array=arrays(np.uint8, array_shapes(max_dims=4, max_side=5)), zipped=st.booleans())
def test_any_array_comes_back(array: NDArray[np.uint8], zipped: bool) -> None:
    content = gzip.compress(idx_file(array)) if zipped else idx_file(array)
    np.testing.assert_array_equal(parse_idx(content, array.ndim, "some-file"), array, strict=True)


@pytest.mark.parametrize("packed", [RAW, gzip.compress(RAW, mtime=0)], ids=["raw", "gz"])
def test_a_file_cut_anywhere_is_refused(packed: bytes) -> None:
    for length in range(len(packed)):
        sentence(packed[:length])


def test_a_damaged_gzip_is_refused_or_harmless() -> None:
    """Only the header's time stamp and the like may change; the images never do."""
    packed, refused = gzip.compress(RAW, mtime=0), 0
    for place in range(len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0xFF
        try:
            np.testing.assert_array_equal(parse_idx(bytes(damaged), 3, "some-file"), IMAGES)
        except BadInput:
            refused += 1
    # Of the header: four bytes of time, one of effort, one of system.
    assert refused >= len(packed) - 6


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["begins with b''"]),
        (PAGE, ["begins with b'<!DOCTYPE ht'", "3 dimension(s) as IDX"]),
        (gzip.compress(PAGE, mtime=0), ["begins with b'<!DOCTYPE ht'"]),
        (b"\1" + RAW[1:], ["begins with b'\\x01\\x00\\x08\\x03"]),
        (b"\0\0\x09" + RAW[3:], ["begins with b'\\x00\\x00\\t\\x03", "unsigned bytes"]),
        (b"\0\0\x0d" + RAW[3:], ["begins with", "unsigned bytes"]),
        (idx_file(IMAGES[0]), ["begins with b'\\x00\\x00\\x08\\x02", "3 dimension(s)"]),
        (idx_file(IMAGES[0, 0]), ["begins with b'\\x00\\x00\\x08\\x01", "3 dimension(s)"]),
        (
            HEADER[:4] + HEADER[4:].replace(b"\4", b"\5") + IMAGES.tobytes(),
            ["announces (2, 3, 5) values but holds 24"],
        ),
        (
            HEADER[:4] + struct.pack("<III", 2, 3, 4) + IMAGES.tobytes(),
            ["announces (33554432, 50331648, 67108864) values"],
        ),
        (RAW + b"\0", ["announces (2, 3, 4) values but holds 25"]),
        (gzip.compress(RAW, mtime=0) + b"rest", ["damaged gzip"]),
        (gzip.compress(RAW, mtime=0)[:-1], ["damaged gzip"]),
    ],
)
def test_the_sentence_says_what_came(content: bytes, parts: list[str]) -> None:
    message = sentence(content)
    assert [part for part in parts if part not in message] == []


def test_labels_are_no_images() -> None:
    labels = np.arange(10, dtype=np.uint8)
    np.testing.assert_array_equal(parse_idx(idx_file(labels), 1, "some-file"), labels, strict=True)
    assert "1 dimension(s)" in sentence(RAW, ndim=1)


def test_the_four_files_have_mnists_own_names() -> None:
    parts = {"train": "train", "test": "t10k"}
    kinds = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}
    assert {f"{a}_{b}": f"{parts[a]}-{kinds[b]}" for a in parts for b in kinds} == FILES
