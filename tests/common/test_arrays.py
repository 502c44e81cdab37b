"""Arrays in files are checked when opened, read and written some rows at a time."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, integer_dtypes
from numpy.typing import DTypeLike, NDArray

from digits.common import arrays as arrays_module
from digits.common.arrays import SomeRows, open_array, open_array_file, sha256, write_chunks
from digits.common.errors import BadInput
from tests.imports import ROOT

# The same examples every time, however slow the machine.

ARRAY = np.arange(24, dtype=np.uint8).reshape(4, 6)


class TestDigest:
    def test_is_another_for_another_array(self) -> None:
        several = [
            ARRAY, ARRAY[::-1], ARRAY[:, ::-1], ARRAY[:-1], ARRAY ^ (ARRAY == 23),
            ARRAY.reshape(6, 4), ARRAY.reshape(24), ARRAY[None], ARRAY.T,
            ARRAY.astype(np.int8), ARRAY.astype(np.uint16),
            ARRAY.view("<u2"), ARRAY.view(">u2"), ARRAY.view("<u2").astype(">u2"),
        ]  # fmt: skip
        assert len({sha256(array) for array in several}) == len(several)

    @pytest.mark.parametrize(
        "same", [ARRAY.copy(), np.asfortranarray(ARRAY), np.repeat(ARRAY, 2, axis=0)[::2]]
    )
    def test_is_the_same_however_the_array_lies_in_memory(self, same: NDArray) -> None:
        assert sha256(same) == sha256(ARRAY)

    def test_depends_on_the_order_of_arrays_and_where_one_ends(self) -> None:
        arrays = [
            (ARRAY, ARRAY[0]),
            (ARRAY[0], ARRAY),
            (ARRAY,),
            (ARRAY[:2], ARRAY[2:]),
            (ARRAY[:3], ARRAY[3:]),
            (ARRAY[:0], ARRAY),
            (),
        ]
        assert len({sha256(*some) for some in arrays}) == len(arrays)

    @given(
        st.lists(
            arrays(integer_dtypes(), array_shapes(min_side=0, max_side=3)), min_size=2, max_size=2
        )
    )
    def test_tells_any_two_arrays_apart(self, two: list[NDArray]) -> None:
        one, other = ((array.dtype.str, array.shape, array.tolist()) for array in two)
        assert (sha256(two[0]) == sha256(two[1])) == (one == other)

    def test_of_a_mapped_array_is_that_of_the_array(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", ARRAY)
        assert sha256(np.load(tmp_path / "a.npy", mmap_mode="r")) == sha256(ARRAY)

    @pytest.mark.parametrize("chunk", [1, 3, 4, 5])
    def test_of_a_file_is_that_of_the_array(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chunk: int
    ) -> None:
        monkeypatch.setattr(arrays_module, "CHUNK", chunk)
        np.save(tmp_path / "a.npy", ARRAY)
        file = open_array_file(tmp_path / "a.npy", np.uint8, (4, 6))
        assert [len(part) for part in file.chunks()] == [chunk] * (4 // chunk) + [4 % chunk] * (
            4 % chunk > 0
        )
        assert sha256(file) == sha256(ARRAY)


class TestOpenArray:
    @pytest.mark.parametrize("shape", [(4, 6), (None, 6), (4, None), (None, None)])
    def test_maps_it_read_only(self, tmp_path: Path, shape: tuple[int | None, ...]) -> None:
        np.save(tmp_path / "a.npy", ARRAY)
        array = open_array(tmp_path / "a.npy", np.uint8, shape)
        np.testing.assert_array_equal(array, ARRAY, strict=True)
        assert isinstance(array, np.memmap) and not array.flags.writeable

    @pytest.mark.parametrize(
        ("dtype", "shape", "wanted"),
        [
            (np.int8, (4, 6), "allowed is int8 of shape (4, 6)"),
            (np.uint16, (None, 6), "allowed is uint16 of shape (any, 6)"),
            (np.uint8, (5, None), "allowed is uint8 of shape (5, any)"),
            (np.uint8, (None,), "allowed is uint8 of shape (any)"),
            (np.uint8, (None, None, None), "allowed is uint8 of shape (any, any, any)"),
        ],
    )
    def test_says_what_it_is_and_should_be(
        self, tmp_path: Path, dtype: DTypeLike, shape: tuple[int | None, ...], wanted: str
    ) -> None:
        np.save(tmp_path / "a.npy", ARRAY)
        with pytest.raises(BadInput) as caught:
            open_array(tmp_path / "a.npy", dtype, shape)
        message = f"{tmp_path / 'a.npy'} holds uint8 of shape (4, 6), {wanted}"
        assert (
            str(caught.value)
            == f"{message}: it was changed since it was made; delete it and run `dvc repro`."
        )

    @pytest.mark.parametrize(
        "kind", ["missing", "empty", "page", "folder", "header", "cut", "pickle", "zip"]
    )
    def test_says_what_cannot_be_read(self, tmp_path: Path, kind: str) -> None:
        file, npy, npz = tmp_path / "a.npy", io.BytesIO(), io.BytesIO()
        np.save(npy, ARRAY)
        np.savez(npz, ARRAY)
        match kind:
            case "folder":
                file.mkdir()
            case "empty":
                file.touch()
            case "page":
                file.write_bytes(b"<!DOCTYPE html>")
            case "header":
                file.write_bytes(npy.getvalue()[:50])
            case "cut":
                file.write_bytes(npy.getvalue()[:-1])
            case "pickle":
                np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
            case "zip":
                file.write_bytes(npz.getvalue())
        with pytest.raises(BadInput) as caught:
            open_array(file, np.uint8, (4, 6))
        assert str(caught.value).startswith(f"{file} cannot be read as an .npy array (")
        assert str(caught.value).endswith("); `dvc repro` makes it again.")


class TestWriteChunks:
    @pytest.mark.parametrize("sizes", [[4], [1, 1, 1, 1], [3, 1], [2, 0, 2]])
    @pytest.mark.parametrize(
        "array", [ARRAY, ARRAY.astype(np.float64), ARRAY.reshape(4, 3, 2), ARRAY[:, 0]]
    )
    def test_gives_the_file_that_numpy_saves(
        self, tmp_path: Path, sizes: list[int], array: NDArray
    ) -> None:
        ends = np.cumsum(sizes)
        write_chunks(
            tmp_path / "chunks.npy",
            [array[end - size : end] for end, size in zip(ends, sizes, strict=True)],
            4,
        )
        np.save(tmp_path / "whole.npy", np.ascontiguousarray(array))
        assert (tmp_path / "chunks.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()

    @pytest.mark.parametrize("n_chunks", [2, 4])
    def test_refuses_another_length(self, tmp_path: Path, n_chunks: int) -> None:
        with pytest.raises((AssertionError, ValueError)):
            write_chunks(tmp_path / "a.npy", [ARRAY] * n_chunks, 3 * len(ARRAY))

    def test_holds_one_chunk_in_memory(self, tmp_path: Path) -> None:
        """160 MB go by 4 MB at a time."""
        process, used = psutil.Process(), []

        def watched() -> Iterator[NDArray[np.uint8]]:
            for number in range(40):
                yield np.full((4, 1_000_000), number, np.uint8)
                used.append(process.memory_info().rss / 1e6)

        write_chunks(tmp_path / "a.npy", watched(), 160)
        assert np.load(tmp_path / "a.npy", mmap_mode="r")[::4, 0].tolist() == list(range(40))
        assert max(used) - used[0] < 40


class TestArrayFile:
    @pytest.mark.parametrize(
        "shape",
        [(60, 4, 5), (60, 20), (30, 20), (30, 4, 5)],
        ids=["all", "flat", "flat beginning", "beginning"],
    )
    @pytest.mark.parametrize(
        "rows", [[0], [29, 3, 3, 17], [], range(0, 20, 3), range(5, 25)], ids=str
    )
    def test_reads_the_rows_of_the_array(
        self, tmp_path: Path, shape: tuple[int, ...], rows: Any
    ) -> None:
        images = np.random.default_rng(0).integers(0, 256, (60, 4, 5), np.uint8)
        np.save(tmp_path / "a.npy", images)
        file = open_array_file(tmp_path / "a.npy", np.uint8, (None, 4, 5)).reshape(*shape)
        assert (len(file), file.shape, file.dtype) == (shape[0], shape, images.dtype)
        result = file.read(np.array(rows, np.int32))
        expected = images[: shape[0]].reshape(shape)[np.array(rows, np.int32)]
        np.testing.assert_array_equal(result, expected, strict=True)
        assert type(result) is np.ndarray

    def test_of_another_type_reads_the_rows_of_the_array(self, tmp_path: Path) -> None:
        array = np.random.default_rng(0).normal(size=(60, 3))
        np.save(tmp_path / "a.npy", array)
        result = open_array_file(tmp_path / "a.npy", np.float64, (60, 3)).read(np.array([0, 7, 59]))
        np.testing.assert_array_equal(result, array[[0, 7, 59]], strict=True)

    def test_some_rows_are_those_of_the_array(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", ARRAY)
        file, rows = open_array_file(tmp_path / "a.npy", np.uint8, (4, 6)), np.array([3, 0, 1])
        for some in (SomeRows(file, rows), SomeRows(ARRAY, rows)):
            assert len(some) == 3
            for part in (slice(0, 2), slice(2, 4), slice(None)):
                np.testing.assert_array_equal(some[part], ARRAY[rows][part], strict=True)

    @pytest.mark.slow
    def test_reads_more_than_linux_reads_at_once(self, tmp_path: Path) -> None:
        n_rows = 2**31 // 2**20 + 2
        array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (n_rows, 2**20))
        array[-1, -1] = 7  # the rest takes no room on the disk
        del array
        file = open_array_file(tmp_path / "a.npy", np.uint8, (n_rows, 2**20))
        read = file.read(np.arange(n_rows))
        assert read[-1, -1] == 7 and not read[-1, :-1].any()

    def test_a_file_that_became_shorter_is_named(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", ARRAY)
        file = open_array_file(tmp_path / "a.npy", np.uint8, (4, 6))
        (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
        with pytest.raises(BadInput, match=r"a\.npy is shorter than it was: `dvc repro` makes it"):
            file.read(np.arange(4))

    def test_is_checked_as_an_array_is(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", ARRAY)
        with pytest.raises(BadInput, match=r"holds uint8 of shape \(4, 6\), allowed is int8"):
            open_array_file(tmp_path / "a.npy", np.int8, (4, 6))

    def test_in_fortran_order_is_refused(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.asfortranarray(ARRAY))
        with pytest.raises(BadInput, match=r"a\.npy holds an array in Fortran order, allowed is C"):
            open_array_file(tmp_path / "a.npy", np.uint8, (4, 6))

    def test_leaves_no_page_of_the_file_in_memory(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.ones((40, 10**6), np.uint8))
        file = open_array_file(tmp_path / "a.npy", np.uint8, (40, None))
        before = psutil.Process().memory_info().rss
        total = sum(int(file.read(np.array([row])).sum()) for row in range(40))
        assert total == 40 * 10**6 and psutil.Process().memory_info().rss - before < 20e6


def test_a_disk_without_room_is_an_error_and_no_sudden_end(tmp_path: Path) -> None:
    """A memory map would kill the process by a signal."""
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from digits.common.arrays import write_chunks
from digits.common.files import why_not_written
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_chunks(Path(sys.argv[1]), [np.zeros((1000, 8, 8), np.uint8)] * 10, 10_000)
except OSError as error:
    print(why_not_written(error))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "images.npy")]
    said = subprocess.check_output(command, cwd=ROOT, text=True)
    assert said == "a file could not be written (File too large): make room there\n"
