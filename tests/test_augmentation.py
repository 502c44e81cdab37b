"""Which copies there are, in which order, and that they depend on nothing but the settings and the seed."""

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from digits import augmentation
from digits.augmentation import copies, derived
from digits.datasets import digits_8x8
from digits.files import CHUNK, open_array, write_chunks
from digits.transforms import affine, elastic, rotation, scaling, shear, shift

NOTHING: dict[str, Any] = {
    "shifts": [], "rotations": [], "scales": [], "shears": [], "elastic": {"copies": 0, "alpha": 34.0, "sigma": 4.0}, "seed": 42,
}  # fmt: skip
EVERYTHING: dict[str, Any] = {
    "shifts": [[-1, 0], [2, -3]], "rotations": [-10, 15.5], "scales": [0.9], "shears": [0.2, -0.1],
    "elastic": {"copies": 3, "alpha": 12.0, "sigma": 2.0}, "seed": 42,
}  # fmt: skip
ROWS = np.array([3, 4, 8, 11, 20, 21, 22, 30, 40, 41, 77])  # not consecutive: there are test images in between


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return digits_8x8().images[:100]


def all_of(images: NDArray, settings: dict[str, Any], seed: int) -> NDArray:
    """(1 + copies, rows, height, width)."""
    chunks = list(derived(images, ROWS, copies(settings), seed))
    return np.concatenate(chunks).reshape(-1, len(ROWS), *images.shape[1:])


def test_no_settings_give_the_originals_alone(images: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(all_of(images, NOTHING, seed=0), [images[ROWS]])


def test_originals_come_first_and_copies_in_the_order_of_the_sections(images: NDArray[np.uint8]) -> None:
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
    pictures = all_of(images, EVERYTHING, seed=5)
    assert pictures.dtype == np.uint8
    assert len(pictures) == len(expected) + 3 == 1 + len(copies(EVERYTHING))
    np.testing.assert_array_equal(pictures[: len(expected)], expected)


def test_settings_reach_the_elastic_distortion(images: NDArray[np.uint8]) -> None:
    none = all_of(images, NOTHING | {"elastic": {"copies": 2, "alpha": 0.0, "sigma": 2.0}}, seed=0)
    np.testing.assert_array_equal(none, [images[ROWS]] * 3)
    for alpha, sigma in ((2.0, 2.0), (8.0, 2.0), (8.0, 4.0)):
        settings = NOTHING | {"elastic": {"copies": 1, "alpha": alpha, "sigma": sigma}}
        expected = elastic(images[ROWS], alpha, sigma, np.random.default_rng([0, 1]))
        np.testing.assert_array_equal(all_of(images, settings, seed=0)[1], expected)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 10, 11, 12])
def test_pictures_do_not_depend_on_the_size_of_chunks(
    monkeypatch: pytest.MonkeyPatch, images: NDArray[np.uint8], chunk: int
) -> None:
    whole = all_of(images, EVERYTHING, seed=1)
    monkeypatch.setattr(augmentation, "CHUNK", chunk)
    chunks = list(derived(images, ROWS, copies(EVERYTHING), seed=1))
    assert max(map(len, chunks)) <= chunk
    np.testing.assert_array_equal(np.concatenate(chunks), whole.reshape(-1, 8, 8))


def test_same_seed_same_pictures(images: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(all_of(images, EVERYTHING, seed=9), all_of(images, EVERYTHING, seed=9))


def test_only_elastic_copies_depend_on_the_seed(images: NDArray[np.uint8]) -> None:
    one, other = all_of(images, EVERYTHING, seed=0), all_of(images, EVERYTHING, seed=1)
    np.testing.assert_array_equal(one[:-3], other[:-3])
    assert (one[-3:] != other[-3:]).any(axis=(2, 3)).all()


def test_elastic_copies_differ_from_each_other_and_from_neighbouring_seeds(images: NDArray[np.uint8]) -> None:
    fields = {copy.tobytes() for seed in (0, 1, 2) for copy in all_of(images, EVERYTHING, seed)[-3:]}
    assert len(fields) == 3 * 3


def test_an_elastic_copy_is_the_transform_with_a_generator_of_its_own(images: NDArray[np.uint8]) -> None:
    settings = NOTHING | {"shifts": [[1, 0]], "elastic": {"copies": 2, "alpha": 12.0, "sigma": 2.0}}
    pictures = all_of(images, settings, seed=6)
    for number in (2, 3):
        expected = elastic(images[ROWS], 12.0, 2.0, np.random.default_rng([6, number]))
        np.testing.assert_array_equal(pictures[number], expected)


def test_memory_stays_flat_as_copies_grow(tmp_path: Path) -> None:
    """235 MB of copies of 10,000 images go through memory a chunk of 8 MB at a time."""
    n, n_copies = CHUNK, 29
    images = np.lib.format.open_memmap(tmp_path / "raw.npy", mode="w+", dtype=np.uint8, shape=(n, 28, 28))
    how = copies(NOTHING | {"shifts": [[1 + number % 5, number // 5] for number in range(n_copies)]})
    process, used = psutil.Process(), []

    def watched() -> Any:
        for chunk in derived(images, np.arange(n), how, seed=0):
            used.append(process.memory_info().rss / 2**20)
            yield chunk

    write_chunks(tmp_path / "images.npy", watched(), n * (1 + n_copies))
    assert open_array(tmp_path / "images.npy", np.uint8, (n * 30, 28, 28)).nbytes > 235e6
    assert max(used[2:]) - used[2] < 60
