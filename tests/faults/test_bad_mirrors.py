"""Mirrors that misbehave: the next one delivers, or a sentence says why none did, in time."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from digits.common.errors import BadInput
from digits.data import fetching, mirrors
from digits.data.dataset import DataSet
from digits.data.mirrors import first_that_delivers, idx_host
from digits.params.datasets import Source
from tests.faults.tally import SEED, Tally
from tests.idx_files import idx_files
from tests.served import DATA, FIRST, GZ, GZ_SHA256, HERE, LABELS, PAGE, assert_is_data
from tests.served import IMAGES as DIGITS

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("little_memory")]

SECONDS = 12  # in which a bad mirror is passed over, with the limits set here
Write = Callable[[BaseHTTPRequestHandler], None]


def says(content: bytes, status: int = 200, **headers: str) -> Write:
    """An answer that is whole, with headers that may be wrong."""

    def write(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(content)

    return write


def sends(piece: bytes, pause: float = 0, announced: int = 0) -> Write:
    """An answer that does not end."""

    def write(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        if announced:
            to.send_header("Content-Length", str(announced))
        to.end_headers()
        while True:
            to.wfile.write(piece)
            time.sleep(pause)

    return write


def raw(content: bytes) -> Write:
    """What is no answer at all."""

    def write(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(content)
        to.close_connection = True

    return write


def hangs(to: BaseHTTPRequestHandler) -> None:
    to.rfile.read(1)


def drips_headers(to: BaseHTTPRequestHandler) -> None:
    to.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        to.wfile.write(b"X")
        time.sleep(0.3)


GOOD = GZ[FIRST]
_FLIPPED = bytearray(GOOD)
_FLIPPED[np.random.default_rng(SEED).integers(len(GOOD))] ^= 8
_OTHERS = DataSet(DIGITS[::-1].copy(), LABELS[::-1].copy(), DATA.n_train)
OTHER = {f"/{name}.gz": gzip.compress(content) for name, content in idx_files(_OTHERS).items()}
FAULTS: dict[str, Write] = {
    "404": says(PAGE, 404),
    "403": says(PAGE, 403),
    "429": says(PAGE, 429, Retry_After="3600"),
    "500": says(PAGE, 500),
    "503": says(b"", 503),
    "204": says(b"", 204),
    "a page in the place of a .gz": says(PAGE),
    "nothing": says(b""),
    "cut": says(GOOD[:1000]),
    "cut, with the length of the whole": says(GOOD[:1000], Content_Length=str(len(GOOD))),
    "a flipped bit": says(bytes(_FLIPPED)),
    "a gzip bomb": says(gzip.compress(bytes(50_000_000))),
    "zeros without end": sends(bytes(1 << 20)),
    "more than was announced": sends(bytes(1 << 20), announced=len(GOOD)),
    "a byte now and then": sends(b"\x1f", pause=0.3, announced=len(GOOD)),
    "a hang": hangs,
    "a loop": says(b"", 302, Location=FIRST),
    "moved to a file": says(b"", 302, Location="file:///etc/hostname"),
    "moved to nowhere": says(b"", 302, Location="http://"),
    "moved without saying where": says(b"", 302),
    "other digits of the right shape": says(OTHER[FIRST]),
    "another file of the four": says(GZ[next(name for name in GZ if name != FIRST)]),
    "a length that is no number": says(GOOD[:1000], Content_Length="many"),
    "a length below 0": says(GOOD[:1000], Content_Length="-5"),
    "a length without end": says(GOOD[:1000], Content_Length="9" * 30),
    "a closed line": raw(b""),
    "no HTTP": raw(b"\x00\xff\r\n\r\n"),
    "HTTP 9.9": raw(b"HTTP/9.9 200\r\n\r\n"),
    "too many headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000),
    "a header of a megabyte": raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20) + b"\r\n\r\n"),
    "headers now and then": drips_headers,
    "chunks that are none": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Write]], str]]:
    """Start servers, and return their addresses."""
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(answers: dict[str, Write]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answers.get(self.path, says(PAGE, 404))(self)
                except OSError:  # the other side has had enough
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((HERE, 0), Handler)
        server.daemon_threads, server.block_on_close = True, False
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://{HERE}:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.filterwarnings("ignore")
def test_the_next_mirror_or_a_sentence(
    mirror: Callable[[dict[str, Write]], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tally: Tally,
) -> None:
    monkeypatch.setattr(mirrors, "TIMEOUT", 1)
    monkeypatch.setattr(mirrors, "DEADLINE", 4)
    monkeypatch.setenv(fetching.CACHE, str(tmp_path / "cache"))
    good = {path: says(content) for path, content in GZ.items()}
    right = mirror(good)
    kept = tmp_path / "cache" / DATA.sha256
    for name, fault in FAULTS.items():
        wrong = mirror(good | {FIRST: fault})
        bad, better = ((url, lambda url=url: idx_host(url, GZ_SHA256)) for url in (wrong, right))

        def fetch(order: list[tuple[str, Callable[[], DataSet]]]) -> DataSet:
            source = Source("mnist_784", "", "", DATA.sha256, is_download=True)
            object.__setattr__(source, "target", "tests.faults.test_bad_mirrors:asked")
            globals()["asked"] = lambda: first_that_delivers(order, DATA.sha256)
            return fetching._fetch_once(source)

        with tally.fault(f"{name}, then the next", SECONDS):
            assert_is_data(fetch([bad, better]))
        if not kept.exists():
            continue
        stamps = {file: file.stat().st_mtime_ns for file in kept.iterdir()}
        with tally.fault(f"{name}, with a good download kept", SECONDS):
            assert_is_data(fetch([bad]))
        if stamps != {file: file.stat().st_mtime_ns for file in kept.iterdir()}:
            tally.lost(f"{name}: the download that was kept")
        for file in kept.iterdir():
            file.unlink()
        kept.rmdir()
        with tally.fault(f"{name}, alone", SECONDS):
            try:
                fetch([bad])
                tally.wrong(f"{name}: it was taken")
            except BadInput as error:
                if kept.exists() or "could not be fetched" not in str(error):
                    tally.wrong(f"{name}: {error}")


def asked() -> DataSet:
    raise NotImplementedError  # replaced above
