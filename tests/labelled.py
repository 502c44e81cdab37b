"""A folder of labelled pictures, drawn from scikit-learn's digits that the small models never saw.

Digits of several sizes and colours, on white, coloured, grained, shaded and squared paper.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tests.drawn import Ink, Make, encoded, enlarged, grained, kinds, on_page, painted, shaded
from tests.reading import X, y

_OF_KINDS = (
    "blue on yellow",
    "anywhere on a page",
    "16 bits of grey",
    "palette (GIF)",
    "turned by EXIF",
    "black on nothing",
    "salt and pepper, 5 %",
)


def _squared(ink: Ink) -> bytes:
    """On squared paper."""
    paper = np.full((*ink.shape, 3), 255, np.float32)
    paper[::20] = paper[:, ::20] = (180, 200, 230)
    return encoded(ink[..., None] * np.array([20, 20, 90]) + (1 - ink[..., None]) * paper)


def makes() -> list[Make]:
    """How each kind of picture is made from an image."""
    of_kinds = kinds(10)

    def with_margin(make: Make) -> Make:
        return lambda image, rng: make(np.pad(image, 1), rng)

    return [
        *(with_margin(of_kinds[name]) for name in _OF_KINDS),
        lambda image, rng: encoded(
            painted(_margin(image, int(rng.integers(40, 200))), (150, 30, 40)), "JPEG", quality=90
        ),
        lambda image, rng: encoded(
            grained(
                shaded(painted(on_page(_margin(image, 90), rng, 300, 260), (40, 40, 60))), rng, 4
            )
        ),
        lambda image, rng: _squared(_margin(image, 120)),
    ]


def _margin(image: np.ndarray, side: int) -> Ink:
    return np.pad(enlarged(image, side), side // 4)


def draw_folder(folder: Path, numbers: Iterable[int]) -> list[Path]:
    """Draw some of the images held out, each as another kind of picture, in subfolders 0 to 9."""
    rng, ways = np.random.default_rng(18), makes()
    files = []
    for number in numbers:
        file = folder / str(y[number]) / f"{number}.png"  # what it is, its bytes say
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(ways[number % len(ways)](X[number], rng))
        files.append(file)
    return files
