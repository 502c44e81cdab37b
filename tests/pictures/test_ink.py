"""Ink told from paper, noise, frames, shadows and dirt, on pictures made by hand."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from digits.pictures.ink import (
    NoInk,
    clean,
    find_ink,
    remove_frames,
    remove_impulses,
    remove_specks,
)
from tests.drawn import (
    IMAGES_8X8,
    alike,
    digit,
    enlarged,
    framed,
    grained,
    painted,
    peppered,
    shaded,
    to_uint8,
)

RED, GREEN = (200, 60, 60), (30, 147, 60)


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
    assert alike(find_ink(to_uint8(painted(drawn, ink, paper))), drawn) > 0.98


def test_red_and_green_are_equally_bright() -> None:
    """Or the test above would prove little."""
    grey = np.asarray(Image.fromarray(to_uint8(painted(digit(3), RED, GREEN))).convert("L"))
    assert np.ptp(grey) <= 6


@pytest.mark.parametrize("share", [0.03, 0.15])
def test_salt_and_pepper_go_and_strokes_stay(share: float) -> None:
    given = to_uint8(painted(digit(2, 160)))
    found = remove_impulses(to_uint8(peppered(given, np.random.default_rng(0), share)))
    assert (
        np.count_nonzero(np.abs(found.astype(int) - given).max(axis=2) > 60)
        < 0.05 * share * given[..., 0].size
    )


def test_a_picture_without_salt_and_pepper_is_not_filtered() -> None:
    line = np.full((100, 100, 3), 255, np.uint8)
    line[20:80, 50] = 0  # a median filter would take it away
    for picture in (
        line,
        to_uint8(painted(digit(2))),
        to_uint8(painted(enlarged(IMAGES_8X8[2], 28))),
    ):
        assert np.array_equal(remove_impulses(picture), picture)


@pytest.mark.parametrize("thickness", [1, 3, 20])
@pytest.mark.parametrize("colour", [(0, 0, 0), (40, 90, 200), (255, 200, 0)])
def test_frames_go(thickness: int, colour: tuple[int, ...]) -> None:
    given = to_uint8(painted(digit(1), (20, 20, 20)))
    found = remove_frames(to_uint8(framed(given, thickness, colour)))
    assert found.shape[0] >= 0.9 * given.shape[0] and found.shape[0] <= given.shape[0]
    assert (
        np.abs(found[[0, -1]].astype(int) - 255).max() < 10
        and np.abs(found[:, [0, -1]].astype(int) - 255).max() < 10
    )
    twice = framed(framed(given, thickness, colour), 15, (255, 255, 255))
    assert remove_frames(to_uint8(twice)).shape == found.shape


def test_what_is_no_frame_stays() -> None:
    bar = np.full((100, 60, 3), 255, np.uint8)
    bar[10:-10, 12:-12] = 0  # a 1, thick
    half = np.full((60, 60, 3), 255, np.uint8)
    half[:10] = 0  # along one side only
    for picture in (bar, half, *(to_uint8(painted(digit(number))) for number in range(40))):
        assert remove_frames(picture).shape == picture.shape


def test_specks_go_and_the_bar_of_a_5_stays() -> None:
    levels = np.zeros((100, 100), np.float32)
    levels[40:80, 40:48] = 1
    levels[30:34, 50:70] = 1  # a bar that hangs in the air
    five = levels.copy()
    levels[10, 10] = levels[50, 55] = 1  # dirt
    levels[2:8, 90:98] = 1  # larger, but far away
    assert np.array_equal(remove_specks(levels), five)


def test_the_parts_of_a_broken_stroke_stay_and_a_blot_beside_them_goes() -> None:
    levels = np.zeros((120, 120), np.float32)
    for top in range(10, 100, 18):
        levels[top : top + 15, 50:53] = 1  # the last is far from the first
    broken = levels.copy()
    levels[40:44, 80:84] = 1
    assert np.array_equal(remove_specks(levels), broken)


def test_shadows_are_no_ink() -> None:
    drawn = digit(3)
    assert (
        alike(find_ink(to_uint8(shaded(painted(drawn, (40, 40, 60), (235, 230, 220))))), drawn)
        > 0.95
    )
    with pytest.raises(NoInk):
        find_ink(to_uint8(shaded(np.full((200, 300, 3), 230.0))))


@pytest.mark.parametrize("deviation", [5, 30])
def test_grain_becomes_0(deviation: float) -> None:
    rng = np.random.default_rng(0)
    drawn = digit(3)
    found = find_ink(
        clean(to_uint8(grained(painted(drawn, (60, 60, 60), (200, 200, 200)), rng, deviation)))
    )
    far = ndimage.distance_transform_edt(drawn == 0) > 6
    assert found[far].max() == 0 and alike(found, drawn) > 0.95
