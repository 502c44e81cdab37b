"""The grain of a picture."""

import numpy as np
from numpy.typing import NDArray


def grain_of(picture: NDArray) -> float:
    """The standard deviation of a picture's grain, from the differences of neighbouring pixels."""
    # Most of them lie on paper, and so does the median.
    difference = np.abs(np.diff(picture.astype(np.float32), axis=1))
    return float(np.median(difference)) * 1.4826 / np.sqrt(2) if difference.size else 0.0
