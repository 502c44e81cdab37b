"""Which pictures are said to hold no single digit: of digits, and of all else.

`python -m bench.no_digit [N] [train]` makes N pictures (200) of each kind and prints a table, once
`dvc repro` has run: ten minutes in all. They are made from MNIST's test images; the thresholds of
`digits/inference/single.py` were chosen on those made from its training images.
"""

import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.pictures import measure_kind
from digits.common.errors import BadInput
from digits.data.dataset import open_raw
from digits.inference.handwriting import extract_digit
from digits.inference.reader import load_reader
from tests.drawn import kinds
from tests.no_digit import hard_digits, picture_of, without_a_digit

SEED = 43


def main(n: int = 200, part: str = "test") -> None:
    """Print the tables."""
    raw = open_raw(Path("data/raw"))
    reader = load_reader(Path("models/model.skops"), None, "digit")
    rng = np.random.default_rng(SEED)
    first, last = (0, raw.n_train) if part == "train" else (raw.n_train, len(raw.labels))
    rows = rng.choice(np.arange(first, last), n, replace=False)
    images, y = raw.images[rows], raw.labels[rows]

    print(f"{'one digit':<40}{'right':>8}{'refused':>9}")
    refusals = []
    digits = kinds(images.shape[1]) | hard_digits()
    for kind, make in tqdm(digits.items(), "digits", disable=None, leave=False):
        right, refused, _ = measure_kind(reader, images, y, make, rng)
        refusals.append(refused / n)
        tqdm.write(f"{kind:<40}{right:>8.1%}{refused / n:>9.1%}")
    print(f"{'all':<48}{np.mean(refusals):>9.1%}\n\n{'no single digit':<48}{'refused':>9}")
    refusals = []
    others = without_a_digit(raw.images[first:last])
    for kind, make_other in tqdm(others.items(), "others", disable=None, leave=False):
        share = np.mean([_is_refused(picture_of(make_other(rng))) for _ in range(n)])
        refusals.append(float(share))
        tqdm.write(f"{kind:<48}{refusals[-1]:>9.1%}")
    print(f"{'all':<48}{np.mean(refusals):>9.1%}")


def _is_refused(picture: bytes) -> bool:
    try:
        extract_digit(picture, 28)
    except BadInput:
        return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 200, *sys.argv[2:])
