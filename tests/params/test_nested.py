"""Nested parameters and their dotted names."""

from digits.params.nested import flatten, with_overrides
from tests.settings import VALUES

NESTED = {"a": 1, "b": {"c": [1, {"d": 2}], "e": {"f": None, "g": {}}}, "h": "x"}
FLAT = {"a": 1, "b.c": [1, {"d": 2}], "b.e.f": None, "h": "x"}


def test_values_are_flattened_in_their_order() -> None:
    assert list(flatten(NESTED).items()) == list(FLAT.items())
    assert flatten(FLAT) == FLAT


def test_flattened_values_are_nested_again_by_overrides() -> None:
    assert with_overrides({}, flatten(VALUES)) == VALUES


def test_overrides_leave_the_given_values_as_they_were() -> None:
    changed = with_overrides(NESTED, {"b.e.f": 3, "b.new.key": 4})
    assert changed == {
        "a": 1,
        "b": {"c": [1, {"d": 2}], "e": {"f": 3, "g": {}}, "new": {"key": 4}},
        "h": "x",
    }
    assert flatten(NESTED) == FLAT
    changed["b"]["c"].append(5)
    assert flatten(NESTED) == FLAT
