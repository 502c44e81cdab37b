"""MNIST's test labels that human raters did not confirm: some of a good model's errors are not its own."""

import numpy as np
from numpy.typing import NDArray

FIRST_TEST_ROW = 60_000  # of data/raw, where MNIST's test images begin

# Test image: the digit that most of five raters saw in it, None where they did not agree on another. Fewer than three of them saw
# the label. Northcutt, Athalye & Mueller (2021), "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks";
# the votes are in mturk/mnist_mturk.json of https://github.com/cleanlab/label-errors.
RATERS: dict[int, int | None] = {
    947: 9, 1621: 6, 1901: 4, 2130: None, 2462: 0, 2597: 3, 2654: None, 3520: None,
    3558: 0, 5937: 3, 6651: 6, 6783: 6, 8527: None, 9679: None, 9729: 6,
}  # fmt: skip


def is_disputed(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each row of data/raw (n,), MNIST being there, has a disputed label."""
    return np.isin(rows - FIRST_TEST_ROW, list(RATERS))


def agreement_with_raters(rows: NDArray[np.int64], predicted: NDArray[np.uint8]) -> tuple[int, int]:
    """How many digits predicted for these rows (n,) are what the raters saw in them, and of how many the raters agreed."""
    known = {FIRST_TEST_ROW + image: digit for image, digit in RATERS.items() if digit is not None}
    said = [
        int(digit) == known[row]
        for row, digit in zip(rows.tolist(), predicted, strict=True)
        if row in known
    ]
    return sum(said), len(said)
