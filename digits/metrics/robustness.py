"""Accuracy on images that are shifted or rotated."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.data.transforms import affine, rotation, shift
from digits.metrics.intervals import wilson_interval
from digits.metrics.predictions import Predictions, decide, decision_scores, has_probability


class Settings(Protocol):
    """What is measured: ``evaluate.robustness`` of params.yaml."""

    @property
    def images(self) -> int:
        """How many test images are taken at most; 0 for none."""

    @property
    def shifts(self) -> Sequence[int]:
        """Shifts, in pixels."""

    @property
    def rotations(self) -> Sequence[float]:
        """Rotations, in degrees."""


class Point(NamedTuple):
    """Accuracy, with its interval, on images shifted by pixels or rotated by degrees."""

    amount: float
    accuracy: float
    low: float
    high: float


def robustness(
    model: Pipeline,
    images: NDArray[np.uint8],
    predictions: Predictions,
    settings: Settings,
    confidence: float,
) -> dict[str, list[Point]]:
    """Accuracy of a model against shift and rotation, on evenly spaced test images.

    Parameters
    ----------
    model : Pipeline
        The fitted model.
    images : ndarray of shape (n, height, width), uint8
        The test images.
    predictions : Predictions
        The model's, of these images as they are.
    settings : Settings
        How many images, and by how much they are shifted and rotated.
    confidence : float
        Of the intervals, between 0 and 1.

    Returns
    -------
    dict
        The points of "shift" and those of "rotation", beginning with undisturbed images; without
        points where ``settings.images`` is 0.
    """
    n_taken = min(settings.images, len(images))
    if not n_taken:
        return {"shift": [], "rotation": []}
    taken = np.linspace(0, len(images), n_taken, endpoint=False, dtype=int)
    originals, labels = images[taken], predictions.labels[taken]

    def measure(amount: float, disturbed: NDArray[np.uint8]) -> Point:
        scores = decision_scores(model, disturbed.reshape(n_taken, -1), "disturbed images")
        return point(amount, decide(scores, has_probability(model)) == labels, confidence)

    undisturbed = point(0, predictions.correct[taken], confidence)
    shifts = [measure(pixels, shifted(originals, pixels)) for pixels in settings.shifts]
    rotations = [measure(degrees, rotated(originals, degrees)) for degrees in settings.rotations]
    return {"shift": [undisturbed, *shifts], "rotation": [undisturbed, *rotations]}


def shifted(images: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Images (n, height, width), of which a quarter each is shifted right, left, down and up.

    What leaves an image is lost.
    """
    directions = ((1, 0), (-1, 0), (0, 1), (0, -1))
    return _in_turn(
        images, [partial(shift, right=x * pixels, down=y * pixels) for x, y in directions]
    )


def rotated(images: NDArray[np.uint8], degrees: float) -> NDArray[np.uint8]:
    """Images (n, height, width), every other one rotated counterclockwise, the rest clockwise."""
    return _in_turn(images, [partial(affine, matrix=rotation(by)) for by in (degrees, -degrees)])


def _in_turn(images: NDArray, transforms: list[Callable[[NDArray], NDArray]]) -> NDArray:
    """Each image transformed once, by the transforms in turn."""
    # Several disturbed copies of one image would not be independent, and the interval too narrow.
    changed = images.copy()
    for start, transform in enumerate(transforms):
        changed[start :: len(transforms)] = transform(images[start :: len(transforms)])
    return changed


def point(amount: float, correct: NDArray[np.bool_], confidence: float) -> Point:
    """A point of the curve, given which images (n,) were read correctly."""
    hits, n = int(np.count_nonzero(correct)), len(correct)
    low, high = wilson_interval(hits, n, confidence)
    return Point(amount, *(round(value, 10) for value in (hits / n, low, high)))
