"""`compare` on revisions made by hand: every number against another library's."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from digits.common.errors import BadInput
from digits.experiments import comparison
from digits.experiments.comparison import UNDECIDED, compare, compare_pairs
from digits.experiments.revisions import Revision
from tests.revisions import NO, PARAMS, SAME, TRUTH, YES, A, B, N, digits, revision


def table(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> list[list[int]]:
    """Images by whether A and whether B read them right, as statsmodels takes them."""
    return [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [(A, B, "better"), (B, A, "worse"), (A, SAME, UNDECIDED), (NO, YES, "better")],
)
def test_verdict_is_that_of_mcnemar_s_exact_test(a: Revision, b: Revision, verdict: str) -> None:
    c = compare(a, b)
    found = c.accuracy
    right_a, right_b = a.predictions.correct, b.predictions.correct
    (_, only_a), (only_b, _) = table(right_a, right_b)
    assert (c.a, c.b, c.n, c.confidence) == (a.name, b.name, N, 0.95)
    assert (found.only_a, found.only_b, found.verdict) == (only_a, only_b, verdict)
    assert found.p_value == pytest.approx(
        mcnemar(table(right_a, right_b), exact=True).pvalue, abs=1e-12
    )
    assert (found.a, found.b) == (right_a.mean(), right_b.mean())
    assert found.difference == pytest.approx(found.b - found.a)
    assert found.low < found.difference < found.high


def test_interval_agrees_with_the_verdict_and_grows_with_confidence() -> None:
    usual, sure = compare(A, B).accuracy, compare(A, B, 0.9999999).accuracy
    assert usual.low > 0
    assert sure.low < usual.low < usual.high < sure.high
    assert sure.verdict == UNDECIDED and usual.p_value == sure.p_value


@pytest.mark.parametrize(("a", "b"), [(A, B), (NO, YES)])
def test_swapped_arguments_give_the_mirror_image(a: Revision, b: Revision) -> None:
    there, back = compare(a, b), compare(b, a)
    assert [x.name for x in there.metrics + there.per_digit] == [
        x.name for x in back.metrics + back.per_digit
    ]
    word = {"better": "worse", "worse": "better", UNDECIDED: UNDECIDED}
    for x, y in zip(there.metrics + there.per_digit, back.metrics + back.per_digit, strict=True):
        assert (x.a, x.b, x.only_a, x.only_b, x.p_value) == (
            y.b,
            y.a,
            y.only_b,
            y.only_a,
            y.p_value,
        )
        assert (x.difference, x.low, x.high) == pytest.approx(
            (-y.difference, -y.high, -y.low), abs=1e-12
        )
        assert x.verdict == word[y.verdict]


@pytest.mark.parametrize("a", [A, NO])
def test_equal_predictions_are_called_the_same(a: Revision) -> None:
    c = compare(a, a)
    assert (c.accuracy.p_value, c.accuracy.difference, c.accuracy.only_a, c.accuracy.only_b) == (
        1,
        0,
        0,
        0,
    )
    assert c.accuracy.low < 0 < c.accuracy.high
    for each in c.metrics + c.per_digit:
        assert (each.difference, each.verdict) == (0, comparison.SAME)
    assert c.params == {}
    # One score in its last bit: equal answers, but not the same model.
    scores = a.predictions.scores.copy()
    scores.flat[0] = np.nextafter(scores.flat[0], 2)
    other = replace(a, predictions=replace(a.predictions, scores=scores))
    assert compare(a, other).accuracy.verdict == UNDECIDED
    (first, *_) = compare_pairs([a, a, other], 0.95)
    assert first.accuracy.verdict == comparison.SAME


def test_each_digit_has_holm_s_correction() -> None:
    right_a, right_b = A.predictions.correct, B.predictions.correct
    raw = [
        mcnemar(table(right_a[d == TRUTH], right_b[d == TRUTH]), exact=True).pvalue
        for d in range(10)
    ]
    corrected = multipletests(raw, method="holm")[1]
    per_digit = compare(A, B).per_digit
    assert [each.name for each in per_digit] == [f"recall_{digit}" for digit in range(10)]
    assert [each.p_value for each in per_digit] == pytest.approx(corrected, abs=1e-12)
    for digit, (each, p) in enumerate(zip(per_digit, corrected, strict=True)):
        assert each.a == pytest.approx(
            recall_score(digit == TRUTH, A.predictions.predicted == digit)
        )
        assert (each.verdict == UNDECIDED) == (p > 0.05)
    assert compare(NO, YES).per_digit == []


def test_a_digit_that_is_not_there_has_no_recall() -> None:
    some = np.flatnonzero(TRUTH != 3)
    a, b = (revision(x.name, TRUTH[some], x.predictions.predicted[some]) for x in (A, B))
    assert [each.name for each in compare(a, b).per_digit] == [
        f"recall_{digit}" for digit in range(10) if digit != 3
    ]


def test_means_over_digits_are_those_of_scikit_learn() -> None:
    found = {each.name: each for each in compare(A, B).metrics}
    assert list(found) == ["accuracy", "macro_precision", "macro_recall", "macro_f1"]
    for name, function in (
        ("precision", precision_score),
        ("recall", recall_score),
        ("f1", f1_score),
    ):
        a, b = (function(TRUTH, x.predictions.predicted, average="macro") for x in (A, B))
        each = found[f"macro_{name}"]
        assert (each.a, each.b, each.difference) == pytest.approx((a, b, b - a), abs=1e-12)
        assert each.low < each.difference < each.high
        assert each.p_value is each.only_a is each.only_b is None
    # The bootstrap, image by image, of as many resamples.
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, N, N) for _ in range(1000)]
    f1 = [
        [f1_score(TRUTH[i], x.predictions.predicted[i], average="macro") for x in (A, B)]
        for i in drawn[:300]
    ]
    assert (found["macro_f1"].low, found["macro_f1"].high) == pytest.approx(
        np.quantile(np.diff(f1), [0.025, 0.975]), abs=0.01
    )


def test_yes_and_no() -> None:
    found = {each.name: each for each in compare(NO, YES).metrics}
    assert list(found) == ["accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"]
    y = TRUTH == 5
    for name, function in (
        ("roc_auc", roc_auc_score),
        ("average_precision", average_precision_score),
    ):
        a, b = (function(y, x.predictions.scores) for x in (NO, YES))
        assert (found[name].a, found[name].b, found[name].difference) == pytest.approx(
            (a, b, b - a), abs=1e-12
        )
        assert 0 < found[name].low < found[name].difference < found[name].high
        assert found[name].verdict == "better"
    for name, function in (
        ("precision", precision_score),
        ("recall", recall_score),
        ("f1", f1_score),
    ):
        a, b = (function(y, x.predictions.predicted) for x in (NO, YES))
        assert (found[name].a, found[name].b) == pytest.approx((a, b), abs=1e-12)


def test_where_all_are_a_no_there_is_nothing_to_rank() -> None:
    no = np.zeros(30, bool)
    one = revision("one", no, no, np.zeros(30))
    two = revision("two", no, np.arange(30) < 3, np.zeros(30))
    c = compare(one, two)
    assert [each.name for each in c.metrics] == ["accuracy", "precision", "recall", "f1"]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (digits("theirs", 0.1, 3, test_set="def"), "different images"),
        (digits("theirs", 0.1, 3, rows=np.arange(N)), "different images"),
        (revision("theirs", TRUTH[1:], TRUTH[1:], rows=np.arange(1, N) + 7), "different images"),
        (revision("theirs", (TRUTH + 1) % 10, TRUTH), "different questions"),
        (revision("theirs", TRUTH == 5, TRUTH == 5, TRUTH.astype(float)), "different questions"),
    ],
)
def test_refused(other: Revision, why: str) -> None:
    for a, b in ((A, other), (other, A)):
        with pytest.raises(
            BadInput, match=rf"^{a.name} and {b.name} .*{why}: allowed is one .*\.$"
        ):
            compare(a, b)


def test_two_yes_no_targets_are_two_questions() -> None:
    with pytest.raises(BadInput, match="different questions"):
        compare(NO, revision("three", TRUTH == 3, TRUTH == 3, np.zeros(N)))


def test_params_that_differ_by_dotted_name() -> None:
    same_model = PARAMS | {"models": {"knn": {"n_neighbors": 1, "weights": "distance"}}}
    assert compare(A, digits("b", 0.1, 3, params=same_model)).params == {
        "models.knn.n_neighbors": (4, 1)
    }
    svm = PARAMS | {
        "train": {"model": "svm"},
        "models": {"svm": {"C": 10.0}},
        "augment": {"elastic": {"copies": 6}},
        "fresh": [1],
    }
    assert compare(A, digits("b", 0.1, 3, params=svm)).params == {
        "train.model": ("knn", "svm"),
        "models.knn.n_neighbors": (4, None),
        "models.knn.weights": ("distance", None),
        "models.svm.C": (None, 10.0),
        "augment.elastic.copies": (None, 6),
        "fresh": (None, [1]),
    }
