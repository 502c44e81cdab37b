"""How well pictures of every kind are read, by the model in models/, and at what cost.

`python -m bench.pictures [PICTURES]` makes so many of each kind (200) from MNIST's test images, once `dvc repro` has run, and
prints a table; then it reads a folder of 10,000 (some five minutes in all).
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
from digits.inference.handwriting import read_digit
from digits.inference.reader import Reader, load_reader
from tests.drawn import Make, encoded, enlarged, kinds

FOLDER = 10_000
SEED = 42
# What `python -m digits predict` does, in a process of its own, which then says how much memory it took.
PROGRAM = """
import sys
from digits.__main__ import main
from digits.common.resources import peak_memory
code = main(["predict", *sys.argv[1:]])
print(f"{peak_memory():.0f}", file=sys.stderr)
sys.exit(code)
"""


def main(each: int = 200) -> None:
    """Print the tables."""
    raw = open_raw(Path("data/raw"))
    reader = load_reader(Path("models/model.skops"), Path("models/validation"), "digit")
    rng = np.random.default_rng(SEED)
    some = rng.choice(np.arange(raw.n_train, len(raw.labels)), each, replace=False)
    images, y = raw.images[some], raw.labels[some]
    itself = np.mean(
        [digit == truth for (digit, _), truth in zip(reader.said(images), y, strict=True)]
    )
    print(
        f"Of {each} test images the model reads {itself:.1%} right. Of pictures made from them:\n"
    )
    print(f"{'kind':<34}{'right':>8}{'refused':>9}{'pixels away':>13}")
    for kind, make in tqdm(kinds(images.shape[1]).items(), "kinds", disable=None, leave=False):
        right, refused, away = measured(reader, images, y, make, rng)
        tqdm.write(f"{kind:<34}{right:>8.1%}{refused:>9}{away:>13.1f}")
    for count in (FOLDER // 10, FOLDER):
        seconds, memory = cost(raw.images[-FOLDER:][:count])
        print(
            f"\n{count:,} pictures of 140 x 140: {seconds:.1f} s, {count / seconds:,.0f} a second, {memory} MiB at most."
        )


def measured(
    reader: Reader, images: NDArray[np.uint8], y: NDArray, make: Make, rng: np.random.Generator
) -> tuple[float, int, float]:
    """Of pictures made from images: the share read right, how many were refused, how far (in the mean, of 255) they came out."""
    found, truth, away = [], [], []
    for image, label in zip(images, y, strict=True):
        try:
            found.append(read_digit(make(image, rng), reader.side))
        except BadInput:
            continue
        truth.append(label)
        away.append(np.abs(found[-1].astype(int) - image).mean())
    right = sum(
        digit == label
        for (digit, _), label in zip(reader.said(np.stack(found)), truth, strict=True)
    )
    return right / len(images), len(images) - len(found), float(np.mean(away))


def cost(images: NDArray[np.uint8]) -> tuple[float, str]:
    """Seconds and MiB that the command takes for a folder of pictures, start and all."""
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            (Path(folder) / f"{number}.png").write_bytes(
                encoded(255 * (1 - enlarged(image, 5 * image.shape[0])))
            )
        start = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, check=True
        )
        return time.perf_counter() - start, run.stderr.split()[-1]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
