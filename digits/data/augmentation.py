"""Augmentation: copies of the training images, as the section `augment` asks for."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.common.arrays import ArrayFile, read_rows
from digits.common.resources import all_threads, n_threads
from digits.data.transforms import affine, elastic, rotation, scaling, shear, shift

CHUNK = 2_500  # images transformed at a time

# (images, rng=generator) -> images, both of shape (n, height, width)
Transform = Callable[..., NDArray]


def make_transforms(settings: Mapping[str, Any]) -> list[Transform]:
    """Return a function for each copy of the images.

    Parameters
    ----------
    settings : mapping
        The section `augment` of params.yaml.

    Returns
    -------
    list of callables
        Shifts, rotations, scales, shears, elastic distortions, in this order. Each takes images
        (n, height, width) and `rng`, and returns images of the same shape.
    """
    matrices = [
        *map(rotation, settings["rotations"]),
        *map(scaling, settings["scales"]),
        *map(shear, settings["shears"]),
    ]
    distortion = {key: value for key, value in settings["elastic"].items() if key != "copies"}
    return [
        *(_fixed(partial(shift, right=right, down=down)) for right, down in settings["shifts"]),
        *(_fixed(partial(affine, matrix=matrix)) for matrix in matrices),
        *[partial(elastic, **distortion)] * settings["elastic"]["copies"],
    ]


def _fixed(transform: Callable[[NDArray], NDArray]) -> Transform:
    return lambda images, rng: transform(images)


def augment_in_chunks(
    images: NDArray | ArrayFile, rows: NDArray, transforms: list[Transform], seed: int
) -> Iterator[NDArray]:
    """Yield the originals, then one transformed copy of all of them after the other.

    Parameters
    ----------
    images : ndarray or ArrayFile of shape (n, height, width), uint8
        In memory or in a file.
    rows : ndarray of shape (m,), int
        Which of them are the originals.
    transforms : list of callables
        One for each copy, as `make_transforms` returns them.
    seed : int
        Each chunk of each copy draws from a generator of its own, seeded by this, the copy's place
        in the list and the chunk's place in the copy. So the images are the same on any number of
        threads.

    Yields
    ------
    ndarray of shape (CHUNK or fewer, height, width), uint8
    """
    all_transforms = [_fixed(lambda images: images), *transforms]
    chunks = [
        (number, start)
        for number in range(len(all_transforms))
        for start in range(0, len(rows), CHUNK)
    ]

    def transform(number: int, start: int) -> NDArray:
        originals = read_rows(images, rows[start : start + CHUNK])
        return all_transforms[number](originals, rng=np.random.default_rng([seed, number, start]))

    total = len(rows) * len(all_transforms)
    with (
        all_threads(),
        # The same threads to the end: what new ones leave in memory adds up.
        joblib.Parallel() as parallel,
        tqdm(total=total, desc="augmenting", unit="image", unit_scale=True, disable=None) as bar,
    ):
        # joblib's own generator does not wait for whoever takes its results: they would pile up
        # in memory.
        ahead = 2 * n_threads()
        for first in range(0, len(chunks), ahead):
            jobs = [joblib.delayed(transform)(*chunk) for chunk in chunks[first : first + ahead]]
            for transformed in parallel(jobs):
                yield transformed
                bar.update(len(transformed))
