"""A mirror that is wrong is passed over for the next; no other data set is ever fetched."""

import gzip
import hashlib
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.data import mirrors
from digits.data.fetching import CACHE, cache_folder, fetch_dataset
from digits.data.idx import FILES
from digits.data.mirrors import MIRRORS, ORDER, chosen_order, first_that_delivers, idx_host
from digits.params import datasets
from digits.params.datasets import find_source
from tests import served
from tests.idx_files import idx_file
from tests.served import (
    DATA,
    GZ,
    GZ_SHA256,
    IMAGES,
    N_TRAIN,
    PAGE,
    Answer,
    Serve,
    assert_is_data,
    gz_answers,
)

serve, nobody, mute = served.serve, served.nobody, served.mute
_sockets_are_left_as_they_were = served.sockets_are_left_as_they_were


def pinned_digest(dataset: str) -> str | None:
    found = find_source(dataset)
    assert found
    return found[0].sha256


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))


class TestOrder:
    @pytest.mark.parametrize(
        ("value", "order"),
        [
            (None, list(MIRRORS)),
            ("", list(MIRRORS)),
            (" , ", list(MIRRORS)),
            ("npm", ["npm"]),
            ("npm,openml", ["npm", "openml"]),
            (" ossci , cvdf,", ["ossci", "cvdf"]),
        ],
    )
    def test_is_that_of_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, value: str | None, order: list[str]
    ) -> None:
        monkeypatch.delenv(ORDER, raising=False)
        if value is not None:
            monkeypatch.setenv(ORDER, value)
        assert chosen_order() == order

    @pytest.mark.parametrize("value", ["lecun", "npm,lecun", "lecun,npm"])
    def test_with_an_unknown_name_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str
    ) -> None:
        monkeypatch.setenv("DIGITS_MIRRORS", value)
        with pytest.raises(BadInput) as caught:
            fetch_dataset("mnist_784", None, tmp_path)
        assert str(caught.value) == (
            "the environment variable DIGITS_MIRRORS names 'lecun', "
            "allowed are openml, cvdf, ossci, npm, comma-separated."
        )


class TestFetchMnist:
    """The real `fetch`, with mirrors here and a data set that is not as large."""

    @pytest.fixture(autouse=True)
    def _pinned(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pinned = [replace(source, sha256=DATA.sha256) for source in datasets.SOURCES[:1]]
        monkeypatch.setattr(datasets, "SOURCES", pinned)
        monkeypatch.setenv(ORDER, "first,second")

    def use(
        self,
        monkeypatch: pytest.MonkeyPatch,
        first: str,
        second: str,
        sha256: dict[str, str] = GZ_SHA256,
    ) -> None:
        monkeypatch.setattr(
            mirrors,
            "MIRRORS",
            {
                "second": lambda: idx_host(second, sha256),
                "first": lambda: idx_host(first, GZ_SHA256),
            },
        )

    def test_asks_no_other_when_the_first_delivers(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        first, second = serve(gz_answers()), serve(gz_answers())
        self.use(monkeypatch, first.url, second.url)
        assert_is_data(fetch_dataset("mnist_784", None, tmp_path))
        assert (len(first.asked), len(second.asked)) == (4, 0)

    @pytest.mark.parametrize("wrong", ["404", "page", "refused", "mute"])
    def test_goes_on_to_the_next(
        self,
        serve: Serve,
        nobody: str,
        mute: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        wrong: str,
    ) -> None:
        match wrong:
            case "404":
                first = serve({}).url
            case "page":
                first = serve(dict.fromkeys(GZ, Answer(PAGE))).url
            case "refused":
                first = nobody
            case "mute":
                first = mute
        self.use(monkeypatch, first, serve(gz_answers()).url)
        start = time.monotonic()
        assert_is_data(fetch_dataset("mnist_784", None, tmp_path))
        assert time.monotonic() - start < 4

    def test_goes_on_when_files_or_data_are_not_the_pinned_ones(
        self,
        serve: Serve,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The second delivers files with the right digests, but one that fits to other images."""
        name = FILES["train_images"]
        other = gzip.compress(idx_file(IMAGES[:N_TRAIN][::-1]))
        sha256 = GZ_SHA256 | {name: hashlib.sha256(other).hexdigest()}
        second = serve(gz_answers(Answer(other)))
        self.use(monkeypatch, serve(gz_answers(Answer(other))).url, second.url, sha256)
        with pytest.raises(BadInput) as caught:
            fetch_dataset("mnist_784", None, tmp_path)
        assert re.search(
            rf"first: {name}.gz came with SHA-256 {sha256[name]}, expected {GZ_SHA256[name]}",
            str(caught.value),
        )
        assert re.search(
            rf"second: .*SHA-256 \w+, allowed is the pinned {DATA.sha256}", str(caught.value)
        )
        assert len(second.asked) == 4
        assert [
            record.message.split(":")[0]
            for record in caplog.records
            if record.levelname == "WARNING"
        ] == ["first", "second"]

    def test_names_each_mirror_with_its_reason_when_all_fail(
        self, serve: Serve, nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.use(monkeypatch, serve({}).url, nobody)
        with pytest.raises(BadInput) as caught:
            fetch_dataset("mnist_784", None, tmp_path)
        said = str(caught.value)
        assert "\n" not in said and said.startswith(
            "MNIST could not be fetched (first: HTTPError: HTTP Error 404: Not Found; second: "
        )
        assert "refused" in said.split("second: ")[1]
        assert "fetch.dataset to digits_8x8" in said and "idx:FOLDER" in said

    def test_asks_nobody_the_second_time(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        server = serve(gz_answers())
        self.use(monkeypatch, server.url, server.url)
        fetch_dataset("mnist_784", None, tmp_path)
        assert len(server.asked) == 4
        assert_is_data(fetch_dataset("mnist_784", None, tmp_path / "another clone"))
        assert len(server.asked) == 4

    @pytest.mark.parametrize("damage", ["another pixel", "cut", "a file is gone"])
    def test_fetches_again_what_is_damaged_in_the_cache(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
    ) -> None:
        server = serve(gz_answers())
        self.use(monkeypatch, server.url, server.url)
        fetch_dataset("mnist_784", None, tmp_path)
        file = cache_folder() / DATA.sha256 / "images.npy"
        content = file.read_bytes()
        match damage:
            case "another pixel":
                file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            case "cut":
                file.write_bytes(content[:-1])
            case "a file is gone":
                file.unlink()
        assert_is_data(fetch_dataset("mnist_784", None, tmp_path))
        assert len(server.asked) == 8
        assert_is_data(fetch_dataset("mnist_784", None, tmp_path))
        assert len(server.asked) == 8
        assert [path.name for path in cache_folder().iterdir()] == [DATA.sha256]

    def test_needs_no_place_to_keep_it(
        self,
        serve: Serve,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        server = serve(gz_answers())
        self.use(monkeypatch, server.url, server.url)
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv(CACHE, str(tmp_path / "file" / "cache"))
        assert_is_data(fetch_dataset("mnist_784", None, tmp_path))
        assert "mnist_784 is not kept in" in caplog.text


def test_the_first_that_delivers_need_not_be_pinned(serve: Serve) -> None:
    url = serve(gz_answers()).url
    assert_is_data(first_that_delivers([("here", lambda: idx_host(url, GZ_SHA256))], None))


def test_small_digits_need_no_mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mirrors, "MIRRORS", {})
    assert fetch_dataset("digits_8x8", None, tmp_path).sha256 == pinned_digest("digits_8x8")
