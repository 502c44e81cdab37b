"""Every mistake in params.yaml is one sentence."""

import re

import pytest

from digits.params.nested import flatten
from digits.params.schema import parse_params
from tests.settings import VALUES, complaint, complaints, edited

LEAVES = list(flatten(VALUES))
# Every key and section of params.yaml, as DVC names it: train, train.seed.
PATHS = sorted({path[: match.start()] for path in LEAVES for match in re.finditer(r"\.|$", path)})
MEMBERS = [path for path in PATHS if re.fullmatch(r"models\.\w+\.members\.\w+", path)]


@pytest.mark.parametrize("path", PATHS)
class TestWhateverTheKey:
    def test_missing(self, path: str) -> None:
        if path in MEMBERS:  # each may or may not be there
            parse_params(edited({path: None}))
            return
        sentence = complaint(edited({path: None}))
        section, _, key = path.rpartition(".")
        assert sentence.startswith(f"{path} is missing; {section or 'the file'} needs ")
        assert key in sentence.split(" needs ")[1]

    def test_misspelt(self, path: str) -> None:
        sentence = complaint(edited({f"{path}{path[-1]}": "1"}))
        key = path.split(".")[-1]
        assert sentence.startswith(f"{path}{path[-1]} is not a key; allowed here: ")
        assert sentence.endswith(f"(did you mean {key}?).")

    @pytest.mark.parametrize(("nowhere_allowed", "shown"), [("true", "True"), ("''", "''")])
    def test_of_a_wrong_type(self, path: str, nowhere_allowed: str, shown: str) -> None:
        assert complaint(edited({path: nowhere_allowed})).startswith(f"{path} is {shown}")


@pytest.mark.parametrize("scalar", ["true", "'4'", "-.inf", "[[]]", "1_000", "0x10", "2026-01-01"])
def test_what_no_key_takes_is_a_sentence_for_each(scalar: str) -> None:
    lines = complaints(edited({"fetch.sha256": "null"} | dict.fromkeys(LEAVES, scalar)))
    assert sorted(re.split(r"\[| is ", line)[0] for line in lines) == sorted(LEAVES)


@pytest.mark.parametrize("far_from_all", ["q", "zzzzzzzz", "1x"])
def test_no_name_is_suggested_where_none_is_near(far_from_all: str) -> None:
    assert "did you mean" not in complaint(edited({f"train.{far_from_all}": "1"}))


def test_several_mistakes_are_a_line_each() -> None:
    changes = {
        "target": "11",
        "split.folds": None,
        "split.fold": "6",
        "augment.rotations": "[0, .nan]",
        "train.model": "kn",
    }
    assert [line.split(" ")[0] for line in complaints(edited(changes))] == [
        "target",
        "split.folds",
        "split.fold",
        "augment.rotations[0]",
        "augment.rotations[1]",
        "train.model",
    ]


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "5", "digit", "- target: digit\n", "[]", "null"]
)
def test_anything_but_a_mapping_is_refused(text: str) -> None:
    assert "allowed is a mapping with the sections target, fetch, split, " in complaint(text)


def test_a_value_without_end_is_shown_in_part() -> None:
    """Aliases of aliases: a thousand million words in ten lines."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 11)]
    for key in ("target", "models", "train"):
        sentences = complaints("\n".join([*lines, f"{key}: *a10"]))
        assert any(line.startswith(f"{key} is [[[") for line in sentences)
        assert max(map(len, sentences)) < 1000
    assert len(complaint(edited({"split.seed": "a" * 100_000}))) < 300


def test_a_number_of_more_than_64_bits_is_no_target() -> None:
    allowed = "allowed are digit and the numbers 0 to 9"
    assert complaint(edited({"target": "9" * 30})) == f"target is {'9' * 30}: {allowed}."
