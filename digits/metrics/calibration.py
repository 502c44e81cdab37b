"""Probabilities from scores, learned on held-out images, and how far a model's probabilities are from how often it is right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax

_WIDEST = 12.0  # natural logarithm of the largest slope tried for scores with a standard deviation of 1, and of its inverse


@dataclass(frozen=True)
class Calibration:
    """What turns scores into probabilities: of `slope * score + offset`; for several classes `offset` is 0."""

    slope: float
    offset: float


def fit_calibration(scores: NDArray[np.floating], y_index: NDArray) -> Calibration:
    """The calibration under which the truth of held-out images is most likely.

    For several classes temperature scaling, slope being 1 / T: Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern
    Neural Networks", ICML, arXiv:1706.04599. For a yes/no target Platt (1999), "Probabilistic Outputs for Support Vector Machines",
    in Advances in Large Margin Classifiers, with his targets slightly short of 0 and 1: without them, the slope would have no limit
    for scores which separate yes and no.

    Parameters: `scores` float (n, classes), or (n,), larger meaning yes; `y_index` (n,), the column of the truth, or
    whether it is a yes (bool or 0 and 1). The model must not have learned from these images.
    """
    scale = float(scores.std()) or 1.0  # the search needs no knowledge of the scores' unit
    scaled = scores.astype(np.float64) / scale
    if scores.ndim == 1:
        slope, offset = _platt(scaled, y_index.astype(bool))
        return Calibration(slope / scale, offset)
    truth = y_index.astype(np.intp)[:, None]

    def log_loss(log_slope: float) -> float:
        return -float(
            np.take_along_axis(
                log_softmax(scaled * np.exp(log_slope), axis=1), truth, axis=1
            ).mean()
        )

    found = minimize_scalar(
        log_loss, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-8}
    )
    return Calibration(float(np.exp(found.x)) / scale, 0.0)


def _platt(scores: NDArray[np.float64], yes: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of the most likely logistic curve through scores (n,) and `yes` (n,)."""
    positives = np.count_nonzero(yes)
    target = np.where(yes, (positives + 1) / (positives + 2), 1 / (len(yes) - positives + 2))

    def log_loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """And its gradient."""
        logit = parameters[0] * scores + parameters[1]
        wrong = expit(logit) - target
        loss = np.logaddexp(0, logit) - target * logit
        return float(loss.mean()), np.array([(wrong * scores).mean(), wrong.mean()])

    slope, offset = minimize(
        log_loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9}
    ).x
    return float(slope), float(offset)


def probabilities(scores: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Probabilities of the classes (n, classes) from scores of that shape, or those of a yes (n,) from scores (n,)."""
    logits = scores.astype(np.float64) * calibration.slope + calibration.offset
    answer: NDArray[np.float64] = expit(logits) if logits.ndim == 1 else softmax(logits, axis=1)
    return answer


def calibration_bins(
    probability: NDArray[np.floating], correct: NDArray[np.bool_], bins: int
) -> NDArray[np.float64]:
    """What probabilities were worth, in bins of equal width between 0 and 1.

    Parameters: `probability` (n,) of the predicted class; `correct` (n,). Returns: float64 (filled bins, 3), ascending: the mean
    probability, the share that was right, the number of images. A probability on an edge belongs to the bin below it.
    """
    edges = np.linspace(0, 1, bins + 1)
    which = np.searchsorted(edges[1:-1], probability)
    n = np.bincount(which, minlength=bins)
    filled = n > 0
    sums = [
        np.bincount(which, weights, minlength=bins)[filled] for weights in (probability, correct)
    ]
    return np.column_stack([*(total / n[filled] for total in sums), n[filled]])


def calibration_error(
    probability: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = 15
) -> float:
    """The expected calibration error: how far accuracy and mean probability are apart, over the bins, weighted by their images.

    Parameters as of `calibration_bins`. Naeini, Cooper and Hauskrecht (2015), AAAI; 15 bins as in Guo et al. (2017).
    """
    mean, accuracy, n = calibration_bins(probability, correct, bins).T
    return float(n @ np.abs(accuracy - mean) / n.sum())
