"""From the `augment` section to derived images, in chunks."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.files import CHUNK
from digits.transforms import affine, elastic, rotation, scaling, shear, shift

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
        *[partial(elastic, alpha=distort["alpha"], sigma=distort["sigma"])] * distort["copies"],
    ]


def _fixed(transform: Callable[[NDArray], NDArray]) -> Copy:
    return lambda images, rng: transform(images)


def derived(images: NDArray, rows: NDArray, how: list[Copy], seed: int) -> Iterator[NDArray]:
    """The originals `images[rows]`, then one copy of all of them after the other, in chunks of at most CHUNK images.

    Each copy draws from its own generator, seeded by `seed` and its place in the list, so the pictures do not depend on CHUNK.
    """
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    with tqdm(total=len(rows) * (1 + len(how)), desc="augmenting", unit="image", unit_scale=True, disable=None) as bar:
        for number, copy in enumerate([_fixed(lambda images: images), *how]):
            rng = np.random.default_rng([seed, number])
            for chunk in chunks:
                yield copy(images[chunk], rng=rng)
                bar.update(len(chunk))
