"""How well pictures of every kind are read, by the model in models/, and at what cost.

`python -m bench.pictures [N]` makes N pictures (200) of each kind from MNIST's test images, once
`dvc repro` has run, and prints a table. Then it reads a folder of 10,000: five minutes in all.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from digits.common.errors import BadInput
from digits.data.dataset import open_raw
from digits.inference.reader import Reader, load_reader
from digits.pictures.handwriting import extract_digit
from tests.drawn import Make, encoded, enlarged, kinds

FOLDER = 10_000
SEED = 45
# What `python -m digits predict` does, in a process of its own, which prints how much memory it
# took.
PROGRAM = """
import sys
from digits.__main__ import main
from digits.common.resources import peak_memory
code = main(["predict", *sys.argv[1:]])
print(f"{peak_memory():.0f}", file=sys.stderr)
sys.exit(code)
"""


def main(n: int = 200) -> None:
    """Print the tables."""
    raw = open_raw(Path("data/raw"))
    reader = load_reader(Path("models/model.skops"), Path("models/validation"), "digit")
    rng = np.random.default_rng(SEED)
    rows = rng.choice(np.arange(raw.n_train, len(raw.labels)), n, replace=False)
    images, y = raw.images[rows], raw.labels[rows]
    accuracy = count_right(reader, images, y) / n
    print(f"Of {n} test images the model reads {accuracy:.1%} right. Of pictures made from them:\n")
    print(f"{'kind':<34}{'right':>8}{'refused':>9}{'pixels away':>13}")
    refusals = []
    for kind, make in tqdm(kinds(images.shape[1]).items(), "kinds", disable=None, leave=False):
        right, refused, away = measure_kind(reader, images, y, make, rng)
        refusals.append(refused / n)
        tqdm.write(f"{kind:<34}{right:>8.1%}{refused:>9}{away:>13.1f}")
    print(f"Refused of all kinds: {np.mean(refusals):.2%}.")
    for count in (FOLDER // 10, FOLDER):
        seconds, memory = measure_cost(raw.images[-FOLDER:][:count])
        print(
            f"\n{count:,} pictures of 140 x 140: {seconds:.1f} s, "
            f"{count / seconds:,.0f} a second, {memory} MiB at most."
        )


def count_right(reader: Reader, images: NDArray[np.uint8], y: NDArray) -> int:
    """How many images (n, side, side) the model reads right."""
    return sum(digit == truth for (digit, _), truth in zip(reader.predict(images), y, strict=True))


def measure_kind(
    reader: Reader, images: NDArray[np.uint8], y: NDArray, make: Make, rng: np.random.Generator
) -> tuple[float, int, float]:
    """Read pictures that are made from images.

    Returns
    -------
    right : float
        The proportion that is read right.
    refused : int
        How many are refused.
    away : float
        The mean difference, of 255, between pixels of the image and of what the model sees.
    """
    seen, truth, away = [], [], []
    for image, label in zip(images, y, strict=True):
        try:
            seen.append(extract_digit(make(image, rng), reader.side))
        except BadInput:
            continue
        truth.append(label)
        away.append(np.abs(seen[-1].astype(int) - image).mean())
    right = count_right(reader, np.stack(seen), np.array(truth))
    return right / len(images), len(images) - len(seen), float(np.mean(away))


def measure_cost(images: NDArray[np.uint8]) -> tuple[float, str]:
    """Seconds and MiB that `digits predict` takes for a folder of pictures, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            picture = encoded(255 * (1 - enlarged(image, 5 * image.shape[0])))
            (Path(folder) / f"{number}.png").write_bytes(picture)
        command = [sys.executable, "-c", PROGRAM, folder]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return time.perf_counter() - start, done.stderr.split()[-1]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
