"""Train/test split and cross-validation folds."""

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput

TEST = -1  # in fold.npy


def make_target(labels: NDArray, target: int | str) -> NDArray:
    """Return what the model has to predict.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
        The digits of the images.
    target : int or "digit"
        A digit, or "digit" for all ten.

    Returns
    -------
    ndarray of shape (n,), bool or uint8
        Whether each label is that digit, or the labels themselves.
    """
    return labels if target == "digit" else labels == target


def name_classes(target: int | str) -> list[str]:
    """Return the names of the classes of a target, as shown, in the order of the classes."""
    if target == "digit":
        return [str(digit) for digit in range(10)]
    return [f"not {target}", f"{target}"]


def assign_folds(
    labels: NDArray[np.uint8], n_train: int, strategy: str, folds: int, target: int | str, seed: int
) -> NDArray[np.int8]:
    """Assign each image to the test set or to a fold.

    The folds are those of scikit-learn's unshuffled `StratifiedKFold`, so a cross-validation over
    them is the same as one by `cross_val_score(cv=folds)`.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
        Of the whole data set.
    n_train : int
        How many images, from the first on, are meant for training.
    strategy : {"canonical", "shuffled"}
        Keep them for training, or redraw as many, stratified by digit.
    folds : int
        How many folds of the training images.
    target : int or "digit"
        What the folds are stratified by: a digit or not, or all ten.
    seed : int
        Of the redraw.

    Returns
    -------
    ndarray of shape (n,), int8
        TEST, or the fold 0..folds-1 in which a training image is held out.

    Raises
    ------
    BadInput
        When a class (each of the ten digits, or yes and no) has fewer training images than there
        are folds.
    """
    rows = np.arange(len(labels))
    train = rows[:n_train]
    if strategy == "shuffled":
        from sklearn.model_selection import train_test_split  # a second that others need not wait

        drawn, _ = train_test_split(rows, train_size=n_train, stratify=labels, random_state=seed)
        train = np.sort(drawn)
    y = make_target(labels[train], target)
    counts = np.bincount(y, minlength=10 if target == "digit" else 2)
    if counts.min() < folds:
        rarest = str(counts.argmin())
        if target != "digit":
            rarest = f"{target}" if counts.argmin() else f"other than {target}"
        raise BadInput(
            f"split.folds is {folds}, but only {counts.min()} training images are labelled "
            f"{rarest}: every class needs at least one image for each fold."
        )
    fold = np.full(len(labels), TEST, dtype=np.int8)
    fold[train] = _stratify(y, folds)
    return fold


def _stratify(y: NDArray, folds: int) -> NDArray[np.int8]:
    """Return the fold that holds out each image: those of scikit-learn's `StratifiedKFold`.

    That class takes a second to import, which is longer than all other work of `split`.
    """
    fold = np.empty(len(y), np.int8)
    # By order of appearance, as scikit-learn numbers them.
    _, first, label = np.unique(y, return_index=True, return_inverse=True)
    label = np.argsort(np.argsort(first))[label]
    in_order = np.sort(label)
    for number in range(len(first)):
        # A class's images are consecutive in the sorted labels: dealt out one to a fold in turn,
        # they say how many each fold holds out.
        n_held_out = [np.count_nonzero(in_order[k::folds] == number) for k in range(folds)]
        fold[label == number] = np.repeat(np.arange(folds), n_held_out)
    return fold
