"""Copies of the images come in order and depend on nothing but the settings and the seed."""

import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.common.arrays import open_array, write_chunks
from digits.data import augmentation
from digits.data.augmentation import augment_in_chunks, make_transforms
from digits.data.loaders import digits_8x8
from digits.data.transforms import affine, elastic, rotation, scaling, shear, shift

STILL = {
    "copies": 0,
    "alpha": 0.0,
    "sigma": 2.0,
    "rotation": 0.0,
    "scale": 0.0,
    "shear": 0.0,
    "shift": 0.0,
}
NOTHING: dict[str, Any] = {
    "shifts": [],
    "rotations": [],
    "scales": [],
    "shears": [],
    "elastic": STILL,
    "seed": 42,
}
EVERYTHING: dict[str, Any] = {
    "shifts": [[-1, 0], [2, -3]],
    "rotations": [-10, 15.5],
    "scales": [0.9],
    "shears": [0.2, -0.1],
    "elastic": {
        "copies": 3,
        "alpha": 12.0,
        "sigma": 2.0,
        "rotation": 10.0,
        "scale": 0.1,
        "shear": 0.1,
        "shift": 1.0,
    },
    "seed": 42,
}
# Not consecutive: there are test images in between.
ROWS = np.array([3, 4, 8, 11, 20, 21, 22, 30, 40, 41, 77])


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return digits_8x8().images[:100]


def all_of(images: NDArray, settings: dict[str, Any], seed: int) -> NDArray:
    """(1 + copies, rows, height, width)."""
    chunks = list(augment_in_chunks(images, ROWS, make_transforms(settings), seed))
    return np.concatenate(chunks).reshape(-1, len(ROWS), *images.shape[1:])


def test_no_settings_give_the_originals_alone(images: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(all_of(images, NOTHING, seed=0), [images[ROWS]])


def test_originals_come_first_and_copies_in_the_order_of_the_sections(
    images: NDArray[np.uint8],
) -> None:
    originals = images[ROWS]
    expected = [
        originals,
        shift(originals, -1, 0),
        shift(originals, 2, -3),
        affine(originals, rotation(-10)),
        affine(originals, rotation(15.5)),
        affine(originals, scaling(0.9)),
        affine(originals, shear(0.2)),
        affine(originals, shear(-0.1)),
    ]
    augmented = all_of(images, EVERYTHING, seed=5)
    assert augmented.dtype == np.uint8
    assert len(augmented) == len(expected) + 3 == 1 + len(make_transforms(EVERYTHING))
    np.testing.assert_array_equal(augmented[: len(expected)], expected)


@pytest.mark.parametrize(
    "setting",
    [
        {"alpha": 8.0},
        {"alpha": 8.0, "sigma": 4.0},
        {"rotation": 20.0},
        {"scale": 0.3},
        {"shear": 0.3},
        {"shift": 2.0},
    ],
    ids=str,
)
def test_settings_reach_the_elastic_distortion(
    images: NDArray[np.uint8], setting: dict[str, float]
) -> None:
    augmented = all_of(images, NOTHING | {"elastic": STILL | {"copies": 1} | setting}, seed=0)
    expected = elastic(
        images[ROWS],
        rng=np.random.default_rng([0, 1, 0]),
        **({"alpha": 0.0, "sigma": 2.0} | setting),
    )
    np.testing.assert_array_equal(augmented, [images[ROWS], expected])
    assert (expected != images[ROWS]).any(axis=(1, 2)).all()


def test_a_distortion_of_no_strength_repeats_the_originals(images: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(
        all_of(images, NOTHING | {"elastic": STILL | {"copies": 2}}, seed=0), [images[ROWS]] * 3
    )


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 10, 11, 12])
def test_every_chunk_of_every_copy_draws_from_a_generator_of_its_own(
    monkeypatch: pytest.MonkeyPatch, images: NDArray[np.uint8], chunk: int
) -> None:
    monkeypatch.setattr(augmentation, "CHUNK", chunk)
    transforms = make_transforms(
        NOTHING | {"shifts": [[1, 0]], "elastic": STILL | {"copies": 2, "alpha": 12.0}}
    )
    expected = [
        [
            images[rows],
            shift(images[rows], 1, 0),
            *(elastic(images[rows], 12, 2, np.random.default_rng([6, n, start])) for n in (2, 3)),
        ]
        for start in range(0, len(ROWS), chunk)
        for rows in [ROWS[start : start + chunk]]
    ]
    augmented = list(augment_in_chunks(images, ROWS, transforms, seed=6))
    assert [len(part) for part in augmented] == [len(parts[0]) for parts in expected] * 4
    np.testing.assert_array_equal(
        np.concatenate(augmented),
        np.concatenate([part for parts in zip(*expected, strict=True) for part in parts]),
    )


@pytest.mark.parametrize("chunk", [1, 2, 4, 11])
def test_copies_do_not_depend_on_the_threads(
    monkeypatch: pytest.MonkeyPatch, images: NDArray[np.uint8], chunk: int
) -> None:
    monkeypatch.setattr(augmentation, "CHUNK", chunk)
    augmented = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("DIGITS_THREADS", threads)
        augmented.append(all_of(images, EVERYTHING, seed=1))
    np.testing.assert_array_equal(augmented[1:], [augmented[0]] * 2)


def test_same_seed_same_copies(images: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(
        all_of(images, EVERYTHING, seed=9), all_of(images, EVERYTHING, seed=9)
    )


def test_only_elastic_copies_depend_on_the_seed(images: NDArray[np.uint8]) -> None:
    one, other = all_of(images, EVERYTHING, seed=0), all_of(images, EVERYTHING, seed=1)
    np.testing.assert_array_equal(one[:-3], other[:-3])
    assert (one[-3:] != other[-3:]).any(axis=(2, 3)).all()


def test_elastic_copies_differ_from_each_other_and_from_neighbouring_seeds(
    images: NDArray[np.uint8],
) -> None:
    fields = {
        copy.tobytes() for seed in (0, 1, 2) for copy in all_of(images, EVERYTHING, seed)[-3:]
    }
    assert len(fields) == 3 * 3


def test_no_more_is_computed_than_is_soon_needed(
    monkeypatch: pytest.MonkeyPatch, images: NDArray[np.uint8]
) -> None:
    """However slowly the augmented are written, they do not pile up in memory."""
    monkeypatch.setattr(augmentation, "CHUNK", 1)
    monkeypatch.setenv("DIGITS_THREADS", "2")
    computed = []

    def copy(images: NDArray, rng: np.random.Generator) -> NDArray:
        computed.append(rng)
        return images

    augmented = augment_in_chunks(images, ROWS, [copy] * 9, seed=0)
    for _ in range(len(ROWS) + 1):
        next(augmented)
    time.sleep(0.3)
    ahead = len(computed)
    assert sum(map(len, augmented)) == 9 * len(ROWS) - 1
    assert 1 <= ahead < 20


def test_memory_stays_flat_as_copies_grow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arrays held at once, counted by Python itself: what the system counts varies with load."""
    monkeypatch.setattr(augmentation, "CHUNK", 250)
    monkeypatch.setenv("DIGITS_THREADS", "2")
    images = np.zeros((1_000, 28, 28), np.uint8)

    def peak(n_copies: int) -> int:
        shifts = [[1 + number % 5, number // 5] for number in range(n_copies)]
        transforms = make_transforms(NOTHING | {"shifts": shifts})
        chunks = augment_in_chunks(images, np.arange(1_000), transforms, seed=0)
        tracemalloc.start()
        try:
            write_chunks(tmp_path / "images.npy", chunks, 1_000 * (1 + n_copies))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(4), peak(20)
    written = open_array(tmp_path / "images.npy", np.uint8, (21_000, 28, 28))
    assert many - few < written.nbytes / 4


def test_distorting_many_images_takes_little_memory() -> None:
    """Beside the result: what a batch takes, however many images there are."""
    images = np.zeros((2_000, 28, 28), np.uint8)
    tracemalloc.start()
    try:
        elastic(images, 12, 4, np.random.default_rng(0), 10, 0.1, 0.1, 1)
        affine(images, rotation(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < images.nbytes + 10e6
