"""Folds are those of scikit-learn, and test images stay apart."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from digits.common.errors import BadInput
from digits.data.folds import EXTRA, TEST, assign_folds, make_target
from digits.data.loaders import digits_8x8
from tests.small import IMAGES, LABELS

N_TRAIN = digits_8x8().n_train

every_target = pytest.mark.parametrize("target", ["digit", 5, 0])


def all_held_out(fold: NDArray[np.int8]) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(fold == number) for number in range(int(fold.max()) + 1)]


@every_target
@pytest.mark.parametrize("folds", [2, 3, 6, 10])
def test_folds_are_those_of_scikit_learn(target: int | str, folds: int) -> None:
    fold = assign_folds(LABELS, N_TRAIN, "canonical", folds, target, seed=42)
    y = LABELS[:N_TRAIN] if target == "digit" else LABELS[:N_TRAIN] == target
    expected = [held_out for _, held_out in StratifiedKFold(folds).split(IMAGES[:N_TRAIN], y)]
    assert fold.dtype == np.int8
    assert len(all_held_out(fold)) == folds
    for ours, theirs in zip(all_held_out(fold), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", [0, 42])
def test_canonical_test_images_are_the_last(seed: int) -> None:
    fold = assign_folds(LABELS, N_TRAIN, "canonical", 6, "digit", seed)
    np.testing.assert_array_equal(fold == TEST, np.arange(len(LABELS)) >= N_TRAIN)


def test_shuffled_test_images_are_redrawn_as_many_and_stratified() -> None:
    fold = assign_folds(LABELS, N_TRAIN, "shuffled", 6, "digit", seed=0)
    test = fold == TEST
    assert test.sum() == len(LABELS) - N_TRAIN
    assert test[:N_TRAIN].any() and (~test)[N_TRAIN:].any()
    by_digit = np.bincount(LABELS[test], minlength=10) / np.bincount(LABELS)
    np.testing.assert_allclose(by_digit, test.mean(), atol=1 / np.bincount(LABELS).min())


@every_target
def test_shuffled_folds_are_those_of_scikit_learn_over_what_was_drawn(target: int | str) -> None:
    fold = assign_folds(LABELS, N_TRAIN, "shuffled", 4, target, seed=0)
    train = np.flatnonzero(fold != TEST)
    y = make_target(LABELS[train], target)
    for ours, (_, theirs) in zip(
        all_held_out(fold), StratifiedKFold(4).split(train, y), strict=True
    ):
        np.testing.assert_array_equal(ours, train[theirs])


def test_shuffled_is_drawn_by_the_seed() -> None:
    drawn = [assign_folds(LABELS, N_TRAIN, "shuffled", 6, "digit", seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert ((drawn[0] == TEST) != (drawn[2] == TEST)).sum() > 100


@pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
def test_shuffled_target_leaves_the_test_images_the_same(strategy: str) -> None:
    """What the model is asked does not move an image between training and test."""
    digit, five = (
        assign_folds(LABELS, N_TRAIN, strategy, 6, target, seed=3) for target in ("digit", 5)
    )
    np.testing.assert_array_equal(digit == TEST, five == TEST)


@pytest.mark.parametrize(
    ("rare", "target", "named"),
    [
        (7, "digit", "only 4 training images are labelled 7"),
        (7, 7, "only 4 training images are labelled 7"),
    ],
)
@pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
def test_more_folds_than_images_of_a_class_is_bad_input(
    strategy: str, rare: int, target: int | str, named: str
) -> None:
    rows = np.concatenate(
        [np.flatnonzero(LABELS[:500] != rare), np.flatnonzero(LABELS[:500] == rare)[:5]]
    )
    labels = np.concatenate([LABELS[rows], LABELS[rows[-1:]]])
    n_train = len(rows) - 1 if strategy == "canonical" else round(len(labels) * 0.7)
    assert assign_folds(labels, n_train, strategy, 4, target, seed=0).max() == 3
    with pytest.raises(BadInput, match=rf"^split\.folds is 5, but {named}"):
        assign_folds(labels, n_train, strategy, 5, target, seed=0)


def test_too_few_images_that_are_something_else_is_bad_input() -> None:
    labels = np.array([5] * 20 + [3, 4, 5], np.uint8)
    with pytest.raises(
        BadInput,
        match=r"split\.folds is 3, but only 2 training images are labelled other than 5",
    ):
        assign_folds(labels, 22, "canonical", 3, 5, seed=0)


def test_a_digit_without_images_is_bad_input() -> None:
    labels = LABELS[LABELS != 9]
    with pytest.raises(BadInput, match="only 0 training images are labelled 9"):
        assign_folds(labels, len(labels) - 50, "canonical", 2, "digit", seed=0)


def test_the_target_is_the_digits_or_yes_and_no() -> None:
    np.testing.assert_array_equal(make_target(LABELS, "digit"), LABELS)
    yes = make_target(LABELS, 0)
    assert yes.dtype == bool and yes.sum() == (LABELS == 0).sum() > 0


@pytest.mark.parametrize("strategy", ["canonical", "shuffled"])
def test_extra_pictures_are_in_no_fold_and_move_no_other_image(strategy: str) -> None:
    without = assign_folds(LABELS, N_TRAIN, strategy, 6, "digit", seed=7)
    labels = np.concatenate([LABELS, np.full(30, 4, np.uint8)])
    fold = assign_folds(labels, N_TRAIN, strategy, 6, "digit", seed=7, n_extra=30)
    np.testing.assert_array_equal(fold[:-30], without)
    assert (fold[-30:] == EXTRA).all() and EXTRA < TEST


class TestWithoutTestImages:
    def test_canonical_is_bad_input(self) -> None:
        labels = np.concatenate([LABELS, LABELS[:5]])
        with pytest.raises(BadInput, match="canonical, but the data set has no test images of its"):
            assign_folds(labels, len(LABELS), "canonical", 6, "digit", seed=0, n_extra=5)

    def test_shuffled_draws_a_seventh_stratified(self) -> None:
        fold = assign_folds(LABELS, len(LABELS), "shuffled", 6, "digit", seed=0)
        test = fold == TEST
        assert test.sum() == round(len(LABELS) / 7)
        by_digit = np.bincount(LABELS[test], minlength=10) / np.bincount(LABELS)
        np.testing.assert_allclose(by_digit, 1 / 7, atol=0.01)

    @pytest.mark.parametrize(
        ("labels", "named"),
        [
            ([*range(10)] * 6, "9 of 60 images would be test images"),
            ([*range(9)] * 20 + [9], "and 1 of all are labelled 9"),
        ],
    )
    def test_too_few_to_draw_from_are_bad_input(self, labels: list[int], named: str) -> None:
        with pytest.raises(BadInput, match=f"^split.strategy is shuffled, but .*{named}"):
            assign_folds(np.array(labels, np.uint8), len(labels), "shuffled", 2, "digit", seed=0)
