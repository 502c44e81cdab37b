"""A mirror of IDX files, by a real server on 127.0.0.1: whatever is wrong with it is an error."""

import gzip
import time
from functools import partial

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.data import mirrors
from digits.data.mirrors import MirrorFailed, first_that_delivers, idx_host
from tests import served
from tests.idx_files import idx_file
from tests.served import (
    DATA,
    FIRST,
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
ONE = np.uint8(1)


class TestIdxHost:
    def test_delivers(self, serve: Serve) -> None:
        server = serve(gz_answers())
        data = idx_host(server.url, GZ_SHA256)
        assert_is_data(data)
        assert data.n_train == N_TRAIN
        assert sorted(server.asked) == sorted(GZ)

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (Answer(PAGE, 404), "HTTPError: HTTP Error 404: Not Found"),
            (Answer(PAGE, 500), "HTTPError: HTTP Error 500"),
            (Answer(PAGE), "train-images-idx3-ubyte.gz came with SHA-256 .*, expected "),
            (Answer(b""), "train-images-idx3-ubyte.gz came with SHA-256 .*, expected "),
            (
                Answer(gzip.compress(idx_file(IMAGES[:N_TRAIN] ^ ONE))),
                "train-images-idx3-ubyte.gz came with SHA-256 .*, expected ",
            ),
            (
                Answer(GZ[FIRST], closes_after=1000),
                "train-images-idx3-ubyte.gz came with SHA-256|IncompleteRead",
            ),
            (
                Answer(GZ[FIRST], headers={"Location": "/elsewhere"}, status=302),
                "HTTPError: HTTP Error 404",
            ),
            (
                Answer(b"", headers={"Location": "file:///somewhere"}, status=302),
                "HTTPError: HTTP Error 302",
            ),
        ],
        ids=["404", "500", "page", "empty", "other images", "cut", "moved", "moved to a file"],
    )
    def test_that_is_wrong_fails(self, serve: Serve, answer: Answer, message: str) -> None:
        with pytest.raises(MirrorFailed, match=message):
            idx_host(serve(gz_answers(answer)).url, GZ_SHA256)

    def test_with_files_of_another_digest_is_not_parsed(self, serve: Serve) -> None:
        server = serve(gz_answers(Answer(b"\x1f\x8b damaged")))
        with pytest.raises(MirrorFailed, match="came with SHA-256"):
            idx_host(server.url, GZ_SHA256)
        assert server.asked == [FIRST]

    def test_where_nothing_listens_fails(self, nobody: str) -> None:
        with pytest.raises(MirrorFailed, match=r"URLError: .*refused"):
            idx_host(nobody, GZ_SHA256)

    def test_that_never_answers_fails_in_seconds(self, mute: str) -> None:
        start = time.monotonic()
        with pytest.raises(MirrorFailed, match="timed out"):
            idx_host(mute, GZ_SHA256)
        assert time.monotonic() - start < 4

    def test_that_falls_silent_fails_in_seconds(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mirrors, "TIMEOUT", 1)
        answer = Answer(GZ[FIRST], silent_after=1000)
        start = time.monotonic()
        with pytest.raises(MirrorFailed, match="timed out"):
            idx_host(serve(gz_answers(answer)).url, GZ_SHA256)
        assert time.monotonic() - start < 4

    def test_that_never_ends_fails(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mirrors, "MAX_BYTES", 5_000_000)
        endless = Answer(bytes(1 << 16), headers={"Content-Length": "10" * 9}, again_after=0)
        with pytest.raises(MirrorFailed, match=r"ubyte.gz has more than 5,000,000 bytes"):
            idx_host(serve(gz_answers(endless)).url, GZ_SHA256)

    def test_that_sends_a_byte_now_and_then_is_passed_over(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mirrors, "DEADLINE", 1)
        slow = Answer(b"\x1f", headers={"Content-Length": "1000000"}, again_after=0.2)
        urls = [serve(answers).url for answers in (gz_answers(slow), gz_answers())]
        hosts = [(url, partial(idx_host, url, GZ_SHA256)) for url in urls]
        start = time.monotonic()
        assert_is_data(first_that_delivers(hosts, DATA.sha256))
        with pytest.raises(BadInput, match="it was not done after 1 seconds"):
            first_that_delivers(hosts[:1], DATA.sha256)
        assert time.monotonic() - start < 4
