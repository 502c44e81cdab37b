"""From the `augment` section to derived images, in chunks."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.common.resources import all_threads, threads
from digits.data.transforms import affine, elastic, rotation, scaling, shear, shift

CHUNK = 2_500  # images transformed at a time

# (images, rng=generator) -> images, both (n, height, width)
Copy = Callable[..., NDArray]


def copies(settings: Mapping[str, Any]) -> list[Copy]:
    """One function for each copy that the settings ask for: shifts, rotations, scales, shears, elastic, in this order."""
    matrices = [
        *map(rotation, settings["rotations"]),
        *map(scaling, settings["scales"]),
        *map(shear, settings["shears"]),
    ]
    distort = settings["elastic"]
    return [
        *(_fixed(partial(shift, right=right, down=down)) for right, down in settings["shifts"]),
        *(_fixed(partial(affine, matrix=matrix)) for matrix in matrices),
        *[partial(elastic, **{name: value for name, value in distort.items() if name != "copies"})]
        * distort["copies"],
    ]


def _fixed(transform: Callable[[NDArray], NDArray]) -> Copy:
    return lambda images, rng: transform(images)


def derived(images: NDArray, rows: NDArray, how: list[Copy], seed: int) -> Iterator[NDArray]:
    """The originals `images[rows]`, then one copy of all of them after the other, in chunks.

    What is random draws from a generator seeded by `seed`, the copy's place in the list and that of the chunk in the copy: the
    pictures are the same on any number of threads.
    """
    chunks = [
        (number, start) for number in range(1 + len(how)) for start in range(0, len(rows), CHUNK)
    ]
    transforms = [_fixed(lambda images: images), *how]

    def chunk(number: int, start: int) -> NDArray:
        return transforms[number](
            images[rows[start : start + CHUNK]], rng=np.random.default_rng([seed, number, start])
        )

    with (
        all_threads(),
        tqdm(
            total=len(rows) * (1 + len(how)),
            desc="augmenting",
            unit="image",
            unit_scale=True,
            disable=None,
        ) as bar,
    ):
        # joblib's own generator does not wait for whoever takes its results: they would pile up in memory.
        for first in range(0, len(chunks), ahead := 2 * threads()):
            for done in joblib.Parallel()(
                joblib.delayed(chunk)(*which) for which in chunks[first : first + ahead]
            ):
                yield done
                bar.update(len(done))
