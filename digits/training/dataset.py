"""Open the augmented images as a training set."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.common.arrays import open_array, open_array_file
from digits.data.folds import TEST, make_target
from digits.training.fit import TrainingSet


def open_training_set(
    folder: Path, fold: NDArray[np.int8], target: int | str, copies: str
) -> tuple[TrainingSet, tuple[int, int]]:
    """Open the images, labels and sources in a folder; the images stay in their file.

    Parameters
    ----------
    folder : Path
        With images.npy uint8 (m, height, width), labels.npy uint8 (m,) and source.npy int32 (m,),
        the originals first.
    fold : ndarray of shape (n,), int8
        As `assign_folds` returns it.
    target : int or "digit"
        What is to be learned: each digit, or whether it is this one.
    copies : str
        With "none", the copies do not belong to the training set.

    Returns
    -------
    TrainingSet
        What may be learned from.
    (height, width)
        Of the images, in pixels.

    Raises
    ------
    BadInput
        When a file is missing, or holds something else.
    """
    images = open_array_file(folder / "images.npy", np.uint8, (None, None, None))
    labels = open_array(folder / "labels.npy", np.uint8, (len(images),))
    source = open_array(folder / "source.npy", np.int32, (len(images),))
    n_originals = int(np.count_nonzero(fold != TEST))
    n = n_originals if copies == "none" else len(images)
    _, height, width = images.shape
    X = images.reshape(n, height * width)
    y = make_target(labels[:n], target)
    return TrainingSet(X, y, np.asarray(source[:n]), n_originals), (height, width)
