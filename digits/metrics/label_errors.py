"""MNIST's test labels that human raters did not confirm, and accuracy without them."""

import numpy as np
from numpy.typing import NDArray

from digits.metrics.classification import proportion_metric, rounded
from digits.metrics.predictions import Predictions

FIRST_TEST_ROW = 60_000  # of data/raw, where MNIST's test images begin

# Test image: the digit that most of five raters saw in it, None where they did not agree on
# another. Fewer than three of them saw the label. The votes are in mturk/mnist_mturk.json of
# https://github.com/cleanlab/label-errors (Northcutt, Athalye and Mueller 2021).
RATERS: dict[int, int | None] = {
    947: 9, 1621: 6, 1901: 4, 2130: None, 2462: 0, 2597: 3, 2654: None, 3520: None,
    3558: 0, 5937: 3, 6651: 6, 6783: 6, 8527: None, 9679: None, 9729: 6,
}  # fmt: skip


def is_disputed(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the label of each row (n,) of data/raw is disputed, if the data set is MNIST."""
    return np.isin(rows - FIRST_TEST_ROW, list(RATERS))


def agreement_with_raters(rows: NDArray[np.int64], predicted: NDArray[np.uint8]) -> tuple[int, int]:
    """Count the predictions that are what the raters saw.

    Parameters
    ----------
    rows : ndarray of shape (n,), int64
        Rows of data/raw.
    predicted : ndarray of shape (n,), uint8
        The digit predicted for each row.

    Returns
    -------
    agreed : int
        How many predictions are the digit that the raters agreed on.
    n : int
        On how many of the rows the raters agreed.
    """
    known = {FIRST_TEST_ROW + image: digit for image, digit in RATERS.items() if digit is not None}
    agrees = [
        int(digit) == known[row]
        for row, digit in zip(rows.tolist(), predicted, strict=True)
        if row in known
    ]
    return sum(agrees), len(agrees)


def without_disputed(predictions: Predictions, confidence: float) -> dict[str, float | int]:
    """Accuracy without the disputed labels, and how the model reads the images they belong to.

    Parameters
    ----------
    predictions : Predictions
        Of MNIST's test images.
    confidence : float
        Of the interval, between 0 and 1.

    Returns
    -------
    dict
        ``disputed`` counts the labels left out, ``accuracy_undisputed`` is the accuracy without
        them and has its interval. For ten digits also ``disputed_raters_agree``, on how many
        disputed images the raters agreed; ``disputed_as_raters``, how many of those the model reads
        as they do; ``disputed_as_label``, how many disputed images it reads as they are labelled.

    References
    ----------
    Northcutt, Athalye and Mueller (2021), "Pervasive Label Errors in Test Sets Destabilize Machine
    Learning Benchmarks", NeurIPS Datasets and Benchmarks, arXiv:2103.14749.
    """
    disputed = is_disputed(predictions.rows)
    hits, n = np.count_nonzero(predictions.correct & ~disputed), np.count_nonzero(~disputed)
    values: dict[str, float | int] = {"disputed": int(disputed.sum())}
    values |= proportion_metric("accuracy_undisputed", hits, n, confidence)
    if not predictions.is_yes_no:  # the raters were not asked for a yes or no
        agreed, known = agreement_with_raters(predictions.rows, predictions.predicted)
        values |= {
            "disputed_raters_agree": known,
            "disputed_as_raters": agreed,
            "disputed_as_label": int((predictions.correct & disputed).sum()),
        }
    return rounded(values)
