"""Mangled params files: every mistake is a sentence."""

import copy
import random
from functools import reduce
from operator import getitem
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml

from digits.common.errors import BadInput
from digits.params.nested import flatten
from digits.params.schema import parse_params
from tests.faults.tally import SEED, Tally, number
from tests.settings import INTERNAL, TEXT, VALUES

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("little_memory")]


def test_mangled_files(tally: Tally) -> None:
    rng = random.Random(SEED + 3)
    for i in range(number(3000)):
        how, mangled = mangle(rng)
        with tally.fault(f"{i}, {how}", seconds=10):
            try:
                parse_params(mangled, "params.yaml").effective()
            except BadInput as error:
                for line in str(error).split("\n"):
                    if len(line) > 2000 or not line.startswith("params.yaml"):
                        tally.traceback(f"{i}, {how}: {len(line)} letters: {line[:100]}")
                    elif INTERNAL.search(line) and how == "value":
                        tally.traceback(f"{i}, {how}: {line[:300]}")


ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    2**64,
    float("nan"),
    float("inf"),
    "",
    "x",
    "ä",
    "\U0001d7d8",
    "\u202e",
    "\u0661",
    "1",
    "1e3",
    "on",
    [],
    [[]],
    {},
    {"a": 1},
    [1, "a"],
    "a" * 100_000,
]
PIECES = [
    ".inf",
    "-.inf",
    ".nan",
    "1" * 5000,
    "0x10",
    "1_000",
    "2026-01-01",
    "!!python/object:os.system x",
    "!!int x",
    "!!float x",
    "!!binary x",
    "!!set {a}",
    "!!omap [a: 1]",
    "!!timestamp x",
    "*a",
    "&a 1",
    "&a [*a]",
    "{<<: 1}",
    "{<<: *x}",
    "? a",
    "|",
    ">",
    "'",
    '"',
    '"\\x"',
    '"\\ud800"',
    "[",
    "{",
    "]",
    "}",
    "@",
    "`",
    "%",
    "\t",
    "- -",
    "--- x",
    "... x",
    "~",
    "yes",
    "[" * 300,
    "{a: " * 300,
    "\x00",
    "\x07",
    "\ufeff",
    "\u2028",
    "{[1]: 2}",
    "{{}: 1}",
    "{1: 1, 1: 2}",
    "!!map []",
    "!!seq {}",
    "1e999",
    "1:30",
    "0o17",
    "0b1",
    "+1",
    "--1",
    "9" * 400 + ".0",
    "!x y",
    "!!str 1",
    "!!bool 1",
    "!!null 1",
]


def mangle(rng: random.Random) -> tuple[str, bytes]:
    """A params.yaml that something is wrong with, and what."""
    how = rng.choice(["bytes", "lines", "value", "piece", "keys", "whole"])
    content = TEXT.encode()
    names = list(flatten(VALUES))
    path = rng.choice(names).split(".")
    path = path[: rng.randint(1, len(path))]
    values = copy.deepcopy(VALUES)
    above = reduce(getitem, path[:-1], values)
    match how:
        case "bytes":
            mangled = bytearray(content)
            for _ in range(rng.choice([1, 2, 10, 100])):
                at = rng.randrange(len(mangled))
                mangled[at : at + rng.choice([0, 1, 1, 1, 30])] = rng.randbytes(rng.choice([0, 1]))
            return how, bytes(mangled)
        case "lines":
            lines = content.split(b"\n")
            at = rng.randrange(len(lines))
            match rng.randrange(4):
                case 0:
                    del lines[at : at + rng.choice([1, 5])]
                case 1:
                    lines.insert(rng.randrange(len(lines)), lines[at])
                case 2:
                    rng.shuffle(lines)
                case 3:
                    lines[at] = rng.choice([b" ", b"  ", b"\t", b"-", b"    "]) + lines[at]
            return how, b"\n".join(lines)
        case "value":
            above[path[-1]] = rng.choice(ODD)
            return how, str(dumps_yaml(values)).encode()
        case "piece":
            above[path[-1]] = "<here>"
            text = str(dumps_yaml(values)).replace("<here>", rng.choice(PIECES))
            return how, text.encode("utf-8", "surrogatepass")
        case "keys":
            value = above.pop(path[-1])
            other: Any = rng.choice([f"{path[-1]}s", "ä", 1, None, True, 1.5, "", "a.b"])
            if rng.random() < 0.7:
                above[other] = value
            return how, str(dumps_yaml(values)).encode()
    wholes = [
        b"",
        b"null",
        b"[]",
        b"1",
        b"x",
        b"\xff\xfe",
        TEXT.encode("utf-16"),
        content * 2,
        b"---\n" * 3,
        content[: rng.randrange(len(content))],
        bytes(rng.randrange(300)),
        b"[" * rng.randrange(9000),
        b"a: &a [x]\n"
        + b"".join(
            b"b%d: &b%d [%s]\n" % (i, i, b",".join([b"*b%d" % (i - 1)] * 9)) for i in range(1, 12)
        ).replace(b"*b0", b"*a"),
        b"target: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(
            b"k%d: &k%d [%s]\n" % (i, i, b",".join([b"*k%d" % (i - 1)] * 9)) for i in range(1, 10)
        ).replace(b"*k0", b"*a")
        + b"models: *k9\nsplit: [*k9]\nfetch: {dataset: *k9}\ntrain: {features: *k9}",
        b"%YAML 1.1\n" + content,
        content + b"\n...\n" + content,
        content.replace(b"\n", b"\r"),
        rng.randbytes(rng.randrange(1000)),
        content.replace(b": ", b":\t"),
    ]
    return how, rng.choice(wholes)
