"""Scalars are read as DVC reads them; what is no YAML is refused in one sentence."""

import math
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml
from dvc.utils.serialize import parse_yaml as parse_as_dvc
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from tests.imports import ROOT

# The same examples every time, however slow the machine.

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def complaint(text: str) -> str:
    """The one sentence that a text is refused with."""
    with pytest.raises(BadInput) as caught:
        parse_yaml(text, "some.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("some.yaml") and sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("target: digit: 5\n", 1),
        ("target: digit\nsplit: {folds: 6\ntrain: {}\n", 3),
        ("target: digit\n\tseed: 42\n", 2),
        ("target: *x\n", 1),
        ("target: digit\nsplit:\n  folds: 6\n seed: 42\n", 4),
        ("target: digit\n---\ntarget: 5\n", 2),
        ("target: 'digit\n", 2),
        ("target: digit\n\nseed: !seed 3\n", 3),
        ("target: digit\n? [a]\n: 1\n", 2),
        ("target: @home\n", 1),
        ("target: !!python/object/apply:os.getcwd []\n", 1),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    assert complaint(text).startswith(f"some.yaml, line {line} is not valid YAML: ")


@pytest.mark.parametrize("piece", ["\x07", "\0", "9" * 5000, "!!int x", "!!bool x"])
def test_what_has_no_value_is_refused_in_one_sentence(piece: str) -> None:
    assert "is not valid YAML: " in complaint(f"target: {piece}\n")


def test_a_merge_conflict_is_named() -> None:
    text = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\n"
    with pytest.raises(BadInput, match=r"^params\.yaml has an unresolved merge conflict: edit it"):
        parse_yaml(text, "params.yaml")
    assert parse_yaml("a: '<<<<<<< b'", "params.yaml") == {"a": "<<<<<<< b"}


def test_a_key_that_is_given_twice_is_refused() -> None:
    """DVC refuses it too: which of the two would be meant?"""
    assert "target" in complaint(TEXT + "\ntarget: 5\n")


def by_dvc(text: str) -> Any:
    """What DVC's own parser makes of it; None where it refuses."""
    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, ValueError):
        return None


def by_us(text: str) -> Any:
    try:
        return parse_yaml(text, "some.yaml")
    except BadInput:
        return None


ALIKE = """
    1e-4 1E5 1e+5 1e05 010 -010 +010 00 08 +5 0 -0 0.0 -0.0 1. .5 -.5 1.e3 .5e-3 0. 00.5 010.5 .
    + - .e5 1e e5 1e5.5 1e999 1e-999 inf nan .inf .Inf .INF .iNf -.inf +.inf .nan .NaN .NAN
    +.nan ~ null Null NULL nULL yes no on off Yes NO y n true True TRUE tRUE false False FALSE
    12:30:45 12:30 1:1 -1:30 190:20:30.15 1.0.0 _1 _ 0X10 0O17 0x 0o 0o8 0b2 1e1_0
    99999999999999999999 0.1e-400 '1' "1e-4" 'true' !!str&010 !!int&"3" !!float&3 !!bool&true
    !!null&'' 4%
"""


@pytest.mark.parametrize("scalar", [scalar.replace("&", " ") for scalar in ALIKE.split()])
def test_scalars_are_those_of_dvc(scalar: str) -> None:
    for text in (f"value: {scalar}\n", f"list: [{scalar}]\n"):
        assert repr(by_us(text)) == repr(by_dvc(text))


@settings(max_examples=2000)
@given(st.text("0123456789+-._:eExXoObTZ~infNaAtruels ", min_size=1, max_size=8))
def test_no_scalar_is_another_number_than_to_dvc(scalar: str) -> None:
    """Either the two agree, or here it stays a string, which no key for numbers takes."""
    ours, dvc = by_us(f"value: {scalar}\n"), by_dvc(f"value: {scalar}\n")
    assert repr(ours) == repr(dvc) or dvc is None or ours == {"value": scalar.strip()}


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@settings(max_examples=300)
@given(
    st.dictionaries(
        st.text("abcdefg_", min_size=1), leaves | st.lists(leaves, max_size=4), min_size=1
    )
)
def test_what_dvc_writes_is_read_back(values: dict[str, Any]) -> None:
    """`dvc exp run -S` writes params.yaml by this writer."""
    text = dumps_yaml(values)
    assert repr(by_us(text)) == repr(parse_as_dvc(text, "params.yaml"))


@settings(max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_last_digit(number: float) -> None:
    text = dumps_yaml({"value": number})
    assert math.copysign(1, number) == math.copysign(1, by_us(text)["value"]) and by_us(text) == {
        "value": number
    }


def test_a_header_cannot_change_the_version() -> None:
    """DVC obeys %YAML 1.1, where 010 is eight."""
    text = "%YAML 1.1\n---\nvalue: 010\n"
    assert by_us(text) in (None, by_dvc(text))


@pytest.mark.parametrize("before", ["", "# a comment\n", "\n \n  # another\n#\n"])
def test_a_directive_is_refused(before: str) -> None:
    sentence = complaint(f"{before}%YAML 1.1\n---\nvalue: 010\n")
    assert sentence == "some.yaml is not valid YAML: a % directive is not allowed."


@pytest.mark.parametrize(
    "text", ["value: '%'\n", "# %\nvalue: a\n  %b\n", "value: |\n  %YAML 1.1\n"]
)
def test_a_percent_sign_elsewhere_is_text(text: str) -> None:
    assert by_us(text) == by_dvc(text) and "%" in by_us(text)["value"]


def test_what_is_not_utf_8_is_refused_in_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"^some\.yaml is not UTF-8 text: .*0xe9.*\.$"):
        parse_yaml("target: é".encode("latin-1"), "some.yaml")
    assert parse_yaml("target: é".encode(), "some.yaml") == {"target": "é"}


@pytest.mark.parametrize(
    "scalar",
    [
        "1_000",
        "1_000_",
        "1_0.5",
        "0x10",
        "-0x10",
        "0o17",
        "0b101",
        "2026-01-01",
        "2026-01-01T12:00:00Z",
    ],
)
def test_what_dvc_alone_reads_as_a_number_or_a_date_stays_a_string(scalar: str) -> None:
    assert not isinstance(by_dvc(f"value: {scalar}\n")["value"], str)
    assert by_us(f"value: {scalar}\n") == {"value": scalar}


def test_the_committed_params_are_those_of_dvc() -> None:
    assert repr(parse_yaml(TEXT, "params.yaml")) == repr(parse_as_dvc(TEXT, "params.yaml"))
