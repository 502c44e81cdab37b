"""Which pictures are said to hold no single digit: of hard digits, and of all else.

`python -m bench.no_digit [N] [train]` makes N pictures (200) of each kind from MNIST's test images,
once `dvc repro` has run, and prints a table: ten minutes in all. The thresholds of
`digits/pictures/single.py` were chosen on those made from its training images. The digits that are
easier to tell are those of `bench.pictures`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bench.pictures import measure_kind
from digits.common.errors import BadInput
from digits.data.dataset import open_raw
from digits.inference.reader import load_reader
from digits.pictures.handwriting import extract_digit
from tests.no_digit import TOUCHING, hard_digits, picture_of, shadow_edges, without_a_digit

SEED = 45


def main(n: int = 200, part: str = "test") -> None:
    """Print the tables."""
    raw = open_raw(Path("data/raw"))
    reader = load_reader(Path("models/model.skops"), None, "digit")
    rng = np.random.default_rng(SEED)
    first, last = (0, raw.n_train) if part == "train" else (raw.n_train, len(raw.labels))
    rows = rng.choice(np.arange(first, last), n, replace=False)
    images, y = raw.images[rows], raw.labels[rows]

    print(f"{'one digit, hard to tell':<40}{'right':>8}{'refused':>9}")
    shares = {}
    digits = hard_digits() | shadow_edges()
    for kind, make in tqdm(digits.items(), "digits", disable=None, leave=False):
        right, refused, _ = measure_kind(reader, images, y, make, rng)
        shares[kind] = refused / n
        tqdm.write(f"{kind:<40}{right:>8.1%}{shares[kind]:>9.1%}")
    print(f"{'all but shadow edges':<48}{_mean(shares, shadow_edges()):>9.1%}")

    print(f"\n{'no single digit':<48}{'refused':>9}")
    shares = {}
    others = without_a_digit(raw.images[first:last])
    for kind, make_other in tqdm(others.items(), "others", disable=None, leave=False):
        shares[kind] = float(np.mean([_is_refused(picture_of(make_other(rng))) for _ in range(n)]))
        tqdm.write(f"{kind:<48}{shares[kind]:>9.1%}")
    print(f"{'all but touching digits':<48}{_mean(shares, TOUCHING):>9.1%}")
    print(f"{'all':<48}{_mean(shares, ()):>9.1%}")


def _mean(shares: dict[str, float], without: Iterable[str]) -> float:
    left_out = set(without)
    return float(np.mean([share for kind, share in shares.items() if kind not in left_out]))


def _is_refused(picture: bytes) -> bool:
    try:
        extract_digit(picture, 28)
    except BadInput:
        return True
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 200, *sys.argv[2:])
