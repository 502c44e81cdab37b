"""Files are the same bytes on every system, refused in a sentence, and replaced whole."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from digits.common.errors import BadInput
from digits.common.files import (
    file_sha256,
    list_modules,
    read_json,
    remove,
    replace,
    why_not_written,
    write_csv,
    write_json,
)

# The same examples every time, however slow the machine.


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(24)) * 50_000)
    expected = hashlib.sha256(bytes(range(24)) * 50_000).hexdigest()
    assert file_sha256(tmp_path / "a") == expected


def test_modules_are_not_what_editors_leave(tmp_path: Path) -> None:
    modules = [tmp_path / "a.py", tmp_path / "room" / "b.py"]
    left = ["room/.ipynb_checkpoints/b-checkpoint.py", "room/._b.py", "~$b.py", "b.py~", "b.txt"]
    for file in (*modules, *map(tmp_path.joinpath, left)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "room" / ".#b.py").symlink_to("someone@machine.123")  # Emacs: leads nowhere
    assert list_modules(tmp_path) == modules


class TestJson:
    def test_has_a_key_a_line(self, tmp_path: Path) -> None:
        write_json(tmp_path / "a.json", {"n": 3, "accuracy": 0.1 + 0.2, "name": "é", "list": [1]})
        expected = (
            '{\n "n": 3,\n "accuracy": 0.30000000000000004,\n "name": "\\u00e9",\n'
            ' "list": [\n  1\n ]\n}\n'
        )
        assert (tmp_path / "a.json").read_bytes() == expected.encode()

    @given(
        st.dictionaries(
            st.text(), st.integers() | st.floats(allow_nan=False) | st.text() | st.none()
        )
    )
    def test_comes_back(
        self, tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
    ) -> None:
        file = tmp_path_factory.mktemp("json") / "a.json"
        write_json(file, values)
        assert read_json(file) == json.loads(file.read_bytes()) == values
        assert b"\r" not in file.read_bytes()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, r"a.json cannot be read as JSON \(.*\); `dvc repro` makes it again.$"),
            (b"", r"a.json cannot be read as JSON"),
            (b"<html>", r"a.json cannot be read as JSON"),
            (b'{"n": 3', r"a.json cannot be read as JSON"),
            (b'{"n": "\xff"}', r"a.json cannot be read as JSON"),
            (b"[1]", r"a.json holds a list, allowed is a mapping; `dvc repro` makes it again.$"),
            (b"null", r"a.json holds a NoneType, allowed is a mapping"),
        ],
    )
    def test_says_what_cannot_be_read(
        self, tmp_path: Path, content: bytes | None, message: str
    ) -> None:
        if content is not None:
            (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(BadInput, match=message):
            read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("pragma", "reason"), [("max_page_count = 1", "no room"), ("query_only = 1", "read-only")]
)
def test_a_database_that_cannot_be_written_is_a_sentence(pragma: str, reason: str) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"PRAGMA {pragma}")
        with pytest.raises(sqlite3.OperationalError) as error:
            database.execute("CREATE TABLE t AS SELECT zeroblob(1000000)")
    assert reason in str(why_not_written(error.value))


def test_another_error_is_no_matter_of_writing() -> None:
    assert why_not_written(ValueError("x")) is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.array([[1, 2], [3, 4]]), "x,y\n1,2\n3,4\n"),
        (np.array([[0.1 + 0.2, 1e-20], [1, np.inf]]), "x,y\n0.30000000000000004,1e-20\n1.0,inf\n"),
        (np.array([["not 5", "5"]]), "x,y\nnot 5,5\n"),
        (np.empty((0, 2)), "x,y\n"),
    ],
)
def test_a_table_is_the_same_bytes_everywhere(tmp_path: Path, rows: NDArray, expected: str) -> None:
    write_csv(tmp_path / "a.csv", ["x", "y"], rows)
    assert (tmp_path / "a.csv").read_bytes() == expected.encode()


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_a_table_keeps_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(file, ["x"], np.array(values)[:, None])
    np.testing.assert_array_equal(np.loadtxt(file, skiprows=1, ndmin=1), values)


def make(path: Path, kind: str, word: str) -> None:
    """A file, or a folder with something in it, that says `word`; or nothing."""
    if kind == "file":
        path.write_text(word, encoding="utf-8")
    elif kind == "folder":
        (path / "deep").mkdir(parents=True)
        (path / "deep" / word).touch()


def content_of(path: Path) -> str | list[str]:
    return (
        path.read_text(encoding="utf-8")
        if path.is_file()
        else [child.name for child in (path / "deep").iterdir()]
    )


class TestReplace:
    @pytest.mark.parametrize(
        ("new", "old"),
        [
            ("file", "nothing"),
            ("file", "file"),
            ("file", "folder"),
            ("folder", "nothing"),
            ("folder", "folder"),
        ],
    )
    def test_puts_the_new_in_the_place_of_the_old(self, tmp_path: Path, new: str, old: str) -> None:
        make(tmp_path / "out", old, "before")
        make(tmp_path / "out.new", new, "after")
        replace(tmp_path / "out.new", tmp_path / "out")
        assert content_of(tmp_path / "out") == ("after" if new == "file" else ["after"])
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_goes_on_where_a_killed_one_stopped(self, tmp_path: Path) -> None:
        """The old folder was set aside, and perhaps replaced, but not deleted."""
        for name in ("out", "out.old", "out.new"):
            make(tmp_path / name, "folder", f"in {name}")
        replace(tmp_path / "out.new", tmp_path / "out")
        assert content_of(tmp_path / "out") == ["in out.new"]
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_of_a_read_only_file(self, tmp_path: Path) -> None:
        """As DVC leaves a file that is linked to its cache."""
        make(tmp_path / "cached", "file", "before")
        (tmp_path / "cached").chmod(0o444)
        (tmp_path / "out").hardlink_to(tmp_path / "cached")
        make(tmp_path / "out.new", "file", "after")
        replace(tmp_path / "out.new", tmp_path / "out")
        assert (content_of(tmp_path / "out"), content_of(tmp_path / "cached")) == (
            "after",
            "before",
        )


class TestRemove:
    @pytest.mark.parametrize("kind", ["nothing", "file", "folder"])
    def test_leaves_nothing(self, tmp_path: Path, kind: str) -> None:
        make(tmp_path / "a", kind, "x")
        remove(tmp_path / "a")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("kind", ["nothing", "file", "folder"])
    def test_of_a_link_leaves_what_it_leads_to(self, tmp_path: Path, kind: str) -> None:
        make(tmp_path / "disk", kind, "x")
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "link").symlink_to(tmp_path / "disk")
        remove(tmp_path / "a")
        assert not (tmp_path / "a").exists()
        if kind != "nothing":
            assert content_of(tmp_path / "disk") == ("x" if kind == "file" else ["x"])
