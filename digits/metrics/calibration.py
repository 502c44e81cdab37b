"""Probabilities from scores, and how well probabilities are calibrated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax

# Natural logarithm of the largest slope tried for scores of standard deviation 1, and of its
# inverse.
_MAX_LOG_SLOPE = 12.0


@dataclass(frozen=True)
class Calibration:
    """Turns scores into probabilities: those of the logits ``slope * score + offset``.

    For several classes ``offset`` is 0.
    """

    slope: float
    offset: float


def fit_calibration(scores: NDArray[np.floating], y_index: NDArray) -> Calibration:
    """Fit the calibration under which the truth of held-out images is most likely.

    For several classes this is temperature scaling (Guo et al. 2017), the slope being 1 / T. For a
    yes/no target it is Platt's (1999), with his targets that are slightly less than 1 and more than
    0: without them the slope would have no limit for scores that separate yes and no.

    Parameters
    ----------
    scores : ndarray of shape (n, classes) or (n,), float
        Of images that the model did not learn from; for a yes/no target larger meaning yes.
    y_index : ndarray of shape (n,), int or bool
        What is true: the column of ``scores``, or whether it is a yes.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks", ICML,
    arXiv:1706.04599.

    Platt (1999), "Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized
    Likelihood Methods", in Advances in Large Margin Classifiers.
    """
    scale = float(scores.std()) or 1.0  # the search needs no knowledge of the scores' unit
    scaled = scores.astype(np.float64) / scale
    if scores.ndim == 1:
        slope, offset = _fit_platt(scaled, y_index.astype(bool))
        return Calibration(slope / scale, offset)
    truth = y_index.astype(np.intp)[:, None]

    def log_loss(log_slope: float) -> float:
        log_probability = log_softmax(scaled * np.exp(log_slope), axis=1)
        return -float(np.take_along_axis(log_probability, truth, axis=1).mean())

    bounds = (-_MAX_LOG_SLOPE, _MAX_LOG_SLOPE)
    best = minimize_scalar(log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return Calibration(float(np.exp(best.x)) / scale, 0.0)


def _fit_platt(scores: NDArray[np.float64], yes: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of the most likely logistic curve through scores (n,) and `yes` (n,)."""
    positives = np.count_nonzero(yes)
    target = np.where(yes, (positives + 1) / (positives + 2), 1 / (len(yes) - positives + 2))

    def log_loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The loss and its gradient."""
        logit = parameters[0] * scores + parameters[1]
        error = expit(logit) - target
        loss = np.logaddexp(0, logit) - target * logit
        return float(loss.mean()), np.array([(error * scores).mean(), error.mean()])

    best = minimize(log_loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9})
    slope, offset = best.x
    return float(slope), float(offset)


def probabilities(scores: NDArray[np.floating], calibration: Calibration) -> NDArray[np.float64]:
    """Turn scores into probabilities.

    Parameters
    ----------
    scores : ndarray of shape (n, classes) or (n,), float
        For a yes/no target larger meaning yes.
    calibration : Calibration
        Fitted on scores of the same model.

    Returns
    -------
    ndarray of the shape of ``scores``, float64
        The probability of each class, or that of a yes.
    """
    logits = scores.astype(np.float64) * calibration.slope + calibration.offset
    calibrated: NDArray[np.float64] = expit(logits) if logits.ndim == 1 else softmax(logits, axis=1)
    return calibrated


def calibration_bins(
    probability: NDArray[np.floating], correct: NDArray[np.bool_], bins: int
) -> NDArray[np.float64]:
    """Accuracy by probability, in bins of equal width between 0 and 1.

    Parameters
    ----------
    probability : ndarray of shape (n,), float
        Of the predicted class.
    correct : ndarray of shape (n,), bool
        Whether the prediction is correct.
    bins : int
        How many there are. A probability on an edge belongs to the bin below it.

    Returns
    -------
    ndarray of shape (bins that are not empty, 3), float64
        Mean probability, accuracy and number of images, ascending.
    """
    edges = np.linspace(0, 1, bins + 1)
    bin_of_image = np.searchsorted(edges[1:-1], probability)
    n = np.bincount(bin_of_image, minlength=bins)
    filled = n > 0
    sums = [
        np.bincount(bin_of_image, weights, minlength=bins)[filled]
        for weights in (probability, correct)
    ]
    return np.column_stack([*(total / n[filled] for total in sums), n[filled]])


def calibration_error(
    probability: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = 15
) -> float:
    """The expected calibration error.

    It is the difference of accuracy and mean probability in each bin, as a mean over the images.

    Parameters
    ----------
    probability, correct, bins
        As of `calibration_bins`; 15 bins as Guo et al. (2017) have.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning", AAAI.
    """
    mean, accuracy, n = calibration_bins(probability, correct, bins).T
    return float(n @ np.abs(accuracy - mean) / n.sum())
