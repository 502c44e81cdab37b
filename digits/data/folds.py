"""Train/test split and cross-validation folds."""

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput

# In fold.npy, beside the numbers of the folds: a test image, and an extra picture, from which
# every fit learns.
TEST, EXTRA = -1, -2

_TEST_SHARE = 1 / 7  # of a data set without test images of its own: as much as MNIST has


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
    labels: NDArray[np.uint8],
    n_train: int,
    strategy: str,
    folds: int,
    target: int | str,
    seed: int,
    n_extra: int = 0,
) -> NDArray[np.int8]:
    """Assign each image to the test set or to a fold.

    The folds are those of scikit-learn's unshuffled `StratifiedKFold`, so a cross-validation over
    them is the same as one by `cross_val_score(cv=folds)`.

    Extra pictures are in no fold: every fit learns from them, and none is ever scored. So
    validation is on the same images as without them, and the two are compared image by image. In
    folds, they would shift what is measured from the data set to a person's own hand. How well that
    hand is read, `python -m digits evaluate` says, on pictures that were not learned from.

    Parameters
    ----------
    labels : ndarray of shape (n,), uint8
        Of the whole data set.
    n_train : int
        How many images, from the first on, are meant for training: all, where none is for tests.
    strategy : {"canonical", "shuffled"}
        Keep them for training, or redraw as many, stratified by digit; where none is for tests, six
        sevenths, as MNIST has them.
    folds : int
        How many folds of the training images.
    target : int or "digit"
        What the folds are stratified by: a digit or not, or all ten.
    seed : int
        Of the redraw.
    n_extra : int, default=0
        How many images, the last, are extra pictures.

    Returns
    -------
    ndarray of shape (n,), int8
        TEST, EXTRA, or the fold 0..folds-1 in which a training image is held out.

    Raises
    ------
    BadInput
        When a class (each of the ten digits, or yes and no) has fewer training images than there
        are folds, or when there are no test images and none can be drawn.
    """
    n = len(labels) - n_extra
    if strategy == "shuffled":
        train = _draw(labels[:n], n_train, seed)
    elif n_train == n:
        raise BadInput(
            "split.strategy is canonical, but the data set has no test images of its own: allowed "
            "is shuffled, which draws a seventh of them, or a folder with train and test."
        )
    else:
        train = np.arange(n_train)
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
    fold[n:] = EXTRA
    return fold


def _draw(labels: NDArray[np.uint8], n_train: int, seed: int) -> NDArray[np.intp]:
    """Draw the rows for training, ascending."""
    n = len(labels)
    n_test = n - n_train or round(n * _TEST_SHARE)
    digits, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2 or n_test < len(digits):
        raise BadInput(
            f"split.strategy is shuffled, but {n_test} of {n} images would be test images, and "
            f"{counts.min()} of all are labelled {digits[counts.argmin()]}: every digit needs one "
            "in training and one in the test set."
        )
    from sklearn.model_selection import train_test_split  # a second that others need not wait

    train, _ = train_test_split(
        np.arange(n), train_size=n - n_test, stratify=labels, random_state=seed
    )
    return np.sort(train)


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
