"""Every mistake in params.yaml is one sentence, and its scalars are read as DVC reads them."""

import copy
import json
import math
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml
from dvc.utils.serialize import parse_yaml as parse_as_dvc
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from digits.errors import BadInput
from digits.params import Params, parse_params, parse_yaml

# The same examples every time, however slow the machine.
steady = settings(derandomize=True, deadline=None, max_examples=300)

TEXT = (Path(__file__).resolve().parent.parent / "params.yaml").read_text(encoding="utf-8")
VALUES: dict[str, Any] = parse_as_dvc(TEXT, "params.yaml")
DIGEST = "0123456789abcdef" * 4


def paths(values: dict[str, Any]) -> list[str]:
    """Every key and section of a params.yaml, as DVC names it: train.seed."""
    below = [f"{key}.{path}" for key, value in values.items() if isinstance(value, dict) for path in paths(value)]
    return [*values, *below]


def edited(changes: dict[str, str | None]) -> str:
    """The text of the committed params.yaml, with some values replaced by a piece of YAML, or removed (None)."""
    values = copy.deepcopy(VALUES)
    for path, piece in changes.items():
        *parents, last = path.split(".")
        section = reduce(getitem, parents, values)
        if piece is None:
            del section[last]
        else:
            section[last] = f"<{path}>"
    text = json.dumps(values)
    for path, piece in changes.items():
        text = text.replace(f'"<{path}>"', str(piece))
    return text


def complaints(text: str) -> list[str]:
    """The sentences that a params.yaml is refused with, without the file's name."""
    with pytest.raises(BadInput) as caught:
        parse_params(text, "some.yaml")
    lines = str(caught.value).split("\n")
    assert all(line.startswith("some.yaml") and line.endswith(".") for line in lines), lines
    return [line.removeprefix("some.yaml: ") for line in lines]


def complaint(text: str) -> str:
    lines = complaints(text)
    assert len(lines) == 1, lines
    return lines[0]


def test_the_committed_file_is_read_as_dvc_reads_it() -> None:
    assert parse_params(TEXT).model_dump(by_alias=True) == VALUES


@pytest.mark.parametrize("path", paths(VALUES))
class TestWhateverTheKey:
    def test_missing(self, path: str) -> None:
        sentence = complaint(edited({path: None}))
        section, _, key = path.rpartition(".")
        assert sentence.startswith(f"{path} is missing; {section or 'the file'} needs ")
        assert key in sentence.split(" needs ")[1]

    def test_misspelt(self, path: str) -> None:
        sentence = complaint(edited({f"{path}{path[-1]}": "1"}))
        key = path.split(".")[-1]
        assert sentence.startswith(f"{path}{path[-1]} is not a key; allowed here: ")
        assert sentence.endswith(f"(did you mean {key}?).")

    @pytest.mark.parametrize("nowhere_allowed", ["-0.5", "''"])
    def test_of_a_wrong_type(self, path: str, nowhere_allowed: str) -> None:
        assert complaint(edited({path: nowhere_allowed})).startswith(f"{path} is {nowhere_allowed}")


@pytest.mark.parametrize("far_from_all", ["q", "zzzzzzzz", "1x"])
def test_no_name_is_suggested_where_none_is_near(far_from_all: str) -> None:
    assert "did you mean" not in complaint(edited({f"train.{far_from_all}": "1"}))


ANYTHING_ELSE = "only repeat the originals"
DIGITS = "'digit', 0, 1, 2, 3, 4, 5, 6, 7, 8 or 9"


@pytest.mark.parametrize(
    ("path", "piece", "parts"),
    [
        ("target", "11", ["target is 11, ", DIGITS]),
        ("target", "-1", ["target is -1, ", DIGITS]),
        ("target", '"5"', ["target is '5', ", DIGITS]),
        ("target", "5.5", ["target is 5.5", "digit", "9"]),
        ("target", "5.0", ["target is 5.0", "digit", "9"]),
        ("target", "digits", ["target is 'digits', ", DIGITS, "did you mean digit?"]),
        ("target", "[5]", ["target is [5], ", DIGITS]),
        ("target", "true", ["target is True", "allowed are digit and the numbers 0 to 9"]),
        ("target", "false", ["target is False", "allowed are digit and the numbers 0 to 9"]),
        ("target", "null", ["target is None, ", DIGITS]),
        # datasets
        ("fetch.dataset", "mnist", ["fetch.dataset is 'mnist'", "mnist_784, digits_8x8 or idx:FOLDER", "did you mean mnist_784?"]),
        ("fetch.dataset", "digits", ["fetch.dataset is 'digits'", "did you mean digits_8x8?"]),
        ("fetch.dataset", "'idx:'", ["fetch.dataset is 'idx:'", "idx:FOLDER"]),
        ("fetch.dataset", "IDX:folder", ["fetch.dataset is 'IDX:folder'", "idx:FOLDER"]),
        ("fetch.dataset", "'mnist_784 '", ["fetch.dataset is 'mnist_784 '", "did you mean mnist_784?"]),
        ("fetch.dataset", "784", ["fetch.dataset is 784", "string"]),
        ("fetch.sha256", "abc", ["fetch.sha256 is 'abc'", "null or the 64 hexadecimal digits"]),
        ("fetch.sha256", DIGEST.upper(), [f"fetch.sha256 is '{DIGEST.upper()}'", "64 hexadecimal digits"]),
        ("fetch.sha256", DIGEST + "0", [f"fetch.sha256 is '{DIGEST}0'", "64 hexadecimal digits"]),
        ("fetch.sha256", "1" * 64, [f"fetch.sha256 is {'1' * 64}", "string"]),
        # whole numbers
        ("split.folds", "'6'", ["split.folds is '6'", "integer"]),
        ("split.folds", "6.0", ["split.folds is 6.0", "integer"]),
        ("split.folds", "true", ["split.folds is True", "integer"]),
        ("split.folds", "null", ["split.folds is None", "integer"]),
        ("split.folds", "1", ["split.folds is 1:", "2"]),
        ("split.folds", "101", ["split.folds is 101:", "100"]),
        ("split.seed", "-1", ["split.seed is -1:", "0"]),
        ("augment.seed", "4294967296", ["augment.seed is 4294967296:", "4294967295"]),
        ("train.seed", "1e3", ["train.seed is 1000.0:", "integer"]),
        ("train.seed", "true", ["train.seed is True:", "integer"]),
        ("train.components", "0.95", ["train.components is 0.95:", "integer"]),
        ("train.components", "-1", ["train.components is -1:", "0"]),
        ("augment.elastic.copies", "-1", ["augment.elastic.copies is -1:", "0"]),
        ("models.sgd.max_iter", "0", ["models.sgd.max_iter is 0:", "1"]),
        ("models.forest.n_estimators", "100.0", ["models.forest.n_estimators is 100.0:", "integer"]),
        ("models.forest.max_depth", "0", ["models.forest.max_depth is 0:", "1"]),
        ("models.forest.max_depth", "none", ["models.forest.max_depth is 'none':", "integer"]),
        ("models.forest.min_samples_leaf", "0.1", ["models.forest.min_samples_leaf is 0.1:", "integer"]),
        ("models.knn.n_neighbors", "'4'", ["models.knn.n_neighbors is '4':", "integer"]),
        # numbers
        ("models.sgd.alpha", "0", ["models.sgd.alpha is 0:", "greater than 0"]),
        ("models.sgd.alpha", "-1e-4", ["models.sgd.alpha is -0.0001:", "greater than 0"]),
        ("models.sgd.tol", ".nan", ["models.sgd.tol is nan:"]),
        ("models.sgd.tol", "'0.001'", ["models.sgd.tol is '0.001':", "number"]),
        ("augment.elastic.alpha", "true", ["augment.elastic.alpha is True:", "number"]),
        ("augment.elastic.alpha", "-0.1", ["augment.elastic.alpha is -0.1:", "0"]),
        ("augment.elastic.alpha", ".inf", ["augment.elastic.alpha is inf:", "finite"]),
        ("augment.elastic.sigma", ".nan", ["augment.elastic.sigma is nan:"]),
        ("augment.elastic.sigma", "0", ["augment.elastic.sigma is 0:", "greater than 0"]),
        ("evaluate.precision_target", "1", ["evaluate.precision_target is 1:", "less than 1"]),
        ("evaluate.precision_target", "90", ["evaluate.precision_target is 90:", "less than 1"]),
        ("evaluate.precision_target", "90%", ["evaluate.precision_target is '90%':", "number"]),
        ("evaluate.precision_target", ".nan", ["evaluate.precision_target is nan:"]),
        ("evaluate.confidence", "0.0", ["evaluate.confidence is 0.0:", "greater than 0"]),
        ("evaluate.confidence", "-.inf", ["evaluate.confidence is -inf:"]),
        # choices
        ("split.strategy", "shufled", ["split.strategy is 'shufled'", "'canonical' or 'shuffled'", "did you mean shuffled?"]),
        ("split.strategy", "true", ["split.strategy is True", "'canonical' or 'shuffled'"]),
        ("train.model", "kn", ["train.model is 'kn'", "did you mean knn?"]),
        ("train.model", "bayes", ["train.model is 'bayes'", *(f"'{name}'" for name in VALUES["models"])]),
        ("train.scale", "null", ["train.scale is None", "'none', 'unit' or 'standard'"]),
        ("train.copies", "1", ["train.copies is 1", "'all'"]),
        ("train.validate", "holdot", ["train.validate is 'holdot'", "did you mean holdout?"]),
        ("models.sgd.loss", "log", ["models.sgd.loss is 'log'", "'hinge' or 'log_loss'"]),
        ("models.knn.weights", "distnce", ["models.knn.weights is 'distnce'", "did you mean distance?"]),
        # lists
        ("augment.shifts", "null", ["augment.shifts is None:", "list"]),
        ("augment.shifts", "3", ["augment.shifts is 3:", "list"]),
        ("augment.shifts", "[1]", ["augment.shifts[0] is 1:", "list"]),
        ("augment.shifts", "[[1]]", ["augment.shifts[0] is [1]:", "2 items"]),
        ("augment.shifts", "[[1, 2, 3]]", ["augment.shifts[0] is [1, 2, 3]:", "2 items"]),
        ("augment.shifts", "[[1, 0], [0.5, 0]]", ["augment.shifts[1][0] is 0.5:", "integer"]),
        ("augment.shifts", "[[0, true]]", ["augment.shifts[0][1] is True:", "integer"]),
        ("augment.shifts", "[[1, 0], [0, 0]]", ["augment.shifts[1] is [0, 0]:", ANYTHING_ELSE]),
        ("augment.rotations", "10", ["augment.rotations is 10:", "list"]),
        ("augment.rotations", "['10']", ["augment.rotations[0] is '10':", "number"]),
        ("augment.rotations", "[5, 0]", ["augment.rotations[1] is 0:", ANYTHING_ELSE]),
        ("augment.rotations", "[-0.0]", ["augment.rotations[0] is -0.0:", ANYTHING_ELSE]),
        ("augment.rotations", "[.nan]", ["augment.rotations[0] is nan:", "finite"]),
        ("augment.scales", "[1]", ["augment.scales[0] is 1:", ANYTHING_ELSE]),
        ("augment.scales", "[1.0]", ["augment.scales[0] is 1.0:", ANYTHING_ELSE]),
        ("augment.scales", "[0]", ["augment.scales[0] is 0:", "greater than 0"]),
        ("augment.scales", "[.inf]", ["augment.scales[0] is inf:", "finite"]),
        ("augment.shears", "[0.0]", ["augment.shears[0] is 0.0:", ANYTHING_ELSE]),
        ("augment.shears", "[-.inf]", ["augment.shears[0] is -inf:", "finite"]),
        ("augment.shears", "[true]", ["augment.shears[0] is True:", "number"]),
        # sections
        ("split", "3", ["split is 3:"]),
        ("models.knn", "null", ["models.knn is None:"]),
    ],
)
def test_one_sentence_says_what_is_wrong(path: str, piece: str, parts: list[str]) -> None:
    sentence = complaint(edited({path: piece}))
    assert sentence.startswith(parts[0])
    assert [part for part in parts if part not in sentence] == []


@pytest.mark.parametrize("dataset", ["mnist_784", "digits_8x8"])
def test_only_ones_own_data_set_can_be_pinned(dataset: str) -> None:
    sentence = complaint(edited({"fetch.dataset": dataset, "fetch.sha256": DIGEST}))
    assert sentence == f"fetch: sha256 is set, but {dataset} is pinned already: allowed is null, or a dataset of idx:FOLDER."
    parse_params(edited({"fetch.dataset": "idx:folder", "fetch.sha256": DIGEST}))


def test_several_mistakes_are_a_line_each() -> None:
    text = edited({"target": "11", "split.folds": None, "split.fold": "6", "augment.rotations": "[0, .nan]", "train.model": "kn"})
    assert [line.split(" ")[0] for line in complaints(text)] == [
        "target", "split.folds", "split.fold", "augment.rotations[0]", "augment.rotations[1]", "train.model",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "piece", "value"),
    [
        ("target", "0", 0),
        ("target", "9", 9),
        ("target", "digit", "digit"),
        ("train.seed", "010", 10),
        ("train.seed", "4294967295", 2**32 - 1),
        ("models.sgd.alpha", "1e-4", 0.0001),
        ("models.sgd.tol", "1", 1.0),
        ("models.forest.max_depth", "~", None),
        ("augment.rotations", "[-10, 1e1]", [-10.0, 10.0]),
        ("augment.shifts", "[]", []),
        ("fetch.dataset", "idx:some folder/é", "idx:some folder/é"),
        ("evaluate.confidence", ".95", 0.95),
    ],
)
def test_what_is_allowed_is_read(path: str, piece: str, value: object) -> None:
    values = parse_params(edited({"fetch.sha256": "null", path: piece})).model_dump(by_alias=True)
    read: Any = reduce(getitem, path.split("."), values)
    assert repr(read) == repr(value)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "5", "digit", "- target: digit\n", "[]", "null"])
def test_anything_but_a_mapping_is_refused(text: str) -> None:
    assert "allowed is a mapping with the sections target, fetch, split, " in complaint(text)


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
    assert complaint(f"target: {piece}\n").startswith("some.yaml")


def test_a_key_that_is_given_twice_is_refused() -> None:
    """DVC refuses it too: which of the two would be meant?"""
    assert "target" in complaint(TEXT + "\ntarget: 5\n")


@pytest.mark.parametrize("model", VALUES["models"])
class TestWhatMatters:
    def test_is_everything_but_the_other_models(self, model: str) -> None:
        params = parse_params(edited({"train.model": model}))
        settings = VALUES["models"][model]
        assert params.that_matter() == VALUES | {"train": VALUES["train"] | {"model": model}, "models": {model: settings}}
        assert params.model_settings == settings

    def test_stays_when_another_model_is_edited(self, model: str) -> None:
        def edited_too(path: str, piece: str) -> dict[str, Any]:
            return parse_params(edited({"train.model": model, path: piece})).that_matter()

        before = parse_params(edited({"train.model": model})).that_matter()
        for path, piece in (("models.sgd.max_iter", "77"), ("models.forest.n_estimators", "77"), ("models.knn.n_neighbors", "77")):
            assert (edited_too(path, piece) == before) == (path.split(".")[1] != model)
        assert edited_too("train.seed", "77") != before


def test_params_cannot_be_changed() -> None:
    params = parse_params(TEXT)
    with pytest.raises(ValueError, match="frozen"):
        params.train.seed = 1
    assert isinstance(params, Params)


def by_dvc(text: str) -> Any:
    """What DVC's own parser makes of it; None where it refuses."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError):
        return None


def by_us(text: str) -> Any:
    try:
        return parse_yaml(text, "some.yaml")
    except BadInput:
        return None


ALIKE = """
    1e-4 1E5 1e+5 1e05 010 -010 +010 00 08 +5 0 -0 0.0 -0.0 1. .5 -.5 1.e3 .5e-3 0. 00.5 010.5 . + - .e5 1e e5 1e5.5 1e999 1e-999
    inf nan .inf .Inf .INF .iNf -.inf +.inf .nan .NaN .NAN +.nan ~ null Null NULL nULL yes no on off Yes NO y n
    true True TRUE tRUE false False FALSE 12:30:45 12:30 1:1 -1:30 190:20:30.15 1.0.0 _1 _ 0X10 0O17 0x 0o 0o8 0b2 1e1_0
    99999999999999999999 0.1e-400 '1' "1e-4" 'true' !!str&010 !!int&"3" !!float&3 !!bool&true !!null&'' 4%
"""


@pytest.mark.parametrize("scalar", [scalar.replace("&", " ") for scalar in ALIKE.split()])
def test_scalars_are_those_of_dvc(scalar: str) -> None:
    text = f"value: {scalar}\nlist: [{scalar}]\n"
    assert repr(by_us(text)) == repr(by_dvc(text))


@pytest.mark.parametrize(
    "scalar", ["1_000", "1_000_", "1_0.5", "0x10", "-0x10", "0o17", "0b101", "2026-01-01", "2026-01-01T12:00:00Z"]
)
def test_what_dvc_alone_reads_as_a_number_or_a_date_is_refused(scalar: str) -> None:
    assert parse_yaml(f"value: {scalar}\n", "some.yaml") == {"value": scalar}
    for path in paths(VALUES):
        assert complaint(edited({path: scalar})).startswith(f"{path} is '{scalar}'")


@settings(steady, max_examples=2000)
@given(st.text("0123456789+-._:eExXoObTZ~infNaAtruels ", min_size=1, max_size=8))
def test_no_scalar_is_another_number_than_to_dvc(scalar: str) -> None:
    """Either the two agree, or here it stays a string, which no key for numbers takes."""
    ours, dvc = by_us(f"value: {scalar}\n"), by_dvc(f"value: {scalar}\n")
    assert repr(ours) == repr(dvc) or dvc is None or ours == {"value": scalar.strip()}


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@steady
@given(st.dictionaries(st.text("abcdefg_", min_size=1), leaves | st.lists(leaves, max_size=4), min_size=1))
def test_what_dvc_writes_is_read_back(values: dict[str, Any]) -> None:
    """`dvc exp run -S` writes params.yaml by this writer."""
    text = dumps_yaml(values)
    assert repr(by_us(text)) == repr(parse_as_dvc(text, "params.yaml"))


@steady
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_last_digit(number: float) -> None:
    text = dumps_yaml({"value": number})
    assert math.copysign(1, number) == math.copysign(1, by_us(text)["value"]) and by_us(text) == {"value": number}


def test_a_header_cannot_change_the_version() -> None:
    """DVC obeys %YAML 1.1, where 010 is eight."""
    text = "%YAML 1.1\n---\nvalue: 010\n"
    assert by_us(text) in (None, by_dvc(text))
