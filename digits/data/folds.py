"""Who may see what: test images, and the folds of the training images."""

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput

TEST = -1  # in fold.npy


def make_target(labels: NDArray, target: int | str) -> NDArray:
    """What the model is to say: the digits themselves, or for a digit d whether each is d (bool)."""
    return labels if target == "digit" else labels == target


def assign_folds(
    labels: NDArray[np.uint8], n_train: int, strategy: str, folds: int, target: int | str, seed: int
) -> NDArray[np.int8]:
    """Say who may see what.

    Parameters: `labels` (n,) of the whole data set, its first `n_train` meant for training; `strategy` canonical (keeps that) or
    shuffled (redraws as many, stratified by digit, with `seed`); `folds` how many; `target` what the folds are stratified by.
    Returns: int8 (n,): TEST, or the fold 0..folds-1 in which a training image is held out. The folds are those of scikit-learn's
    unshuffled `StratifiedKFold`, so that a cross-validation here is the same as one by `cross_val_score(cv=folds)`.
    Raises BadInput when a class (each of the ten digits, or yes and no) has fewer training images than there are folds.
    """
    from sklearn.model_selection import (  # half a second that `augment` does without
        StratifiedKFold,
        train_test_split,
    )

    rows = np.arange(len(labels))
    train = rows[:n_train]
    if strategy == "shuffled":
        train = np.sort(
            train_test_split(rows, train_size=n_train, stratify=labels, random_state=seed)[0]
        )
    y = make_target(labels[train], target)
    counts = np.bincount(y, minlength=10 if target == "digit" else 2)
    if counts.min() < folds:
        rarest = (
            counts.argmin()
            if target == "digit"
            else f"{target if counts.argmin() else f'other than {target}'}"
        )
        raise BadInput(
            f"split.folds is {folds}, but only {counts.min()} training images are labelled {rarest}: "
            "every class needs at least one image for each fold."
        )
    fold = np.full(len(labels), TEST, dtype=np.int8)
    for number, (_, held_out) in enumerate(StratifiedKFold(folds).split(np.zeros(len(y)), y)):
        fold[train[held_out]] = number
    return fold
