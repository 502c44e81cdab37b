"""The disputed labels: which rows they are of, and how answers are counted against the raters'."""

import numpy as np
import pytest

from digits.metrics.classification import proportion_metric
from digits.metrics.label_errors import (
    FIRST_TEST_ROW,
    RATERS,
    agreement_with_raters,
    is_disputed,
    without_disputed,
)
from digits.metrics.predictions import Predictions

AGREED = {image: digit for image, digit in RATERS.items() if digit is not None}


def test_are_fifteen_of_the_ten_thousand_test_images() -> None:
    assert len(RATERS) == 15 and len(AGREED) == 10
    assert list(RATERS) == sorted(RATERS) and min(RATERS) >= 0 and max(RATERS) < 10_000
    assert all(0 <= digit <= 9 for digit in AGREED.values())


def test_rows_are_those_of_the_test_images_in_the_data() -> None:
    found = np.flatnonzero(is_disputed(np.arange(70_000)))
    np.testing.assert_array_equal(found, FIRST_TEST_ROW + np.array(list(RATERS)))
    assert FIRST_TEST_ROW == 60_000
    np.testing.assert_array_equal(
        is_disputed(np.array([60_947, 947, 60_948, 69_729])), [True, False, False, True]
    )
    assert not is_disputed(np.arange(0)).any()


def test_answers_are_counted_where_the_raters_agreed() -> None:
    rows = np.arange(60_000, 70_000)
    predicted = np.full(10_000, 11, np.uint8)
    assert agreement_with_raters(rows, predicted) == (0, 10)
    for image, digit in AGREED.items():
        predicted[image] = digit
    assert agreement_with_raters(rows, predicted) == (10, 10)
    order = np.random.default_rng(0).permutation(10_000)
    assert agreement_with_raters(rows[order], predicted[order]) == (10, 10)
    predicted[[947, 1621, 1901]] = [8, 0, 9]  # as labelled
    assert agreement_with_raters(rows, predicted) == (7, 10)


def test_only_the_rows_given_are_counted() -> None:
    assert agreement_with_raters(
        np.array([60_947, 947, 62_130]), np.array([9, 9, 9], np.uint8)
    ) == (1, 1)
    assert agreement_with_raters(np.arange(100), np.zeros(100, np.uint8)) == (0, 0)


def test_disputed_labels_are_left_out_and_counted() -> None:
    rows, y = np.arange(60_000, 70_000), np.full(10_000, 1, np.uint8)
    predicted = y.copy()
    predicted[:100] = 2  # none of these labels is disputed
    predicted[947] = 9  # this one is, and 9 is what the raters say
    accuracy = {"disputed": 15} | proportion_metric("accuracy_undisputed", 9_885, 9_985, 0.8)
    sides = {"disputed_raters_agree": 10, "disputed_as_raters": 1, "disputed_as_label": 14}
    digits = Predictions(rows, y, predicted, np.zeros((10_000, 10)))
    assert without_disputed(digits, 0.8) == pytest.approx(accuracy | sides, abs=1e-9)
    # The raters were not asked for a yes or no.
    yes_no = Predictions(rows, y == 1, predicted == 1, np.zeros(10_000))
    assert without_disputed(yes_no, 0.8) == pytest.approx(accuracy, abs=1e-9)
