"""Servers here on 127.0.0.1, as good or bad as a test says, and a small data set for them to serve.

A module that takes fixtures from here gives each its name there.
"""

import gzip
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from digits.data import mirrors
from digits.data.dataset import DataSet
from digits.data.idx import FILES
from tests.idx_files import idx_files

RNG = np.random.default_rng(0)
N, N_TRAIN = 12, 9
IMAGES, LABELS = (
    RNG.integers(0, 256, (N, 28, 28), np.uint8),
    np.array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5], np.uint8),
)
PAGE = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"
HERE = "127.0.0.1"

DATA = DataSet(IMAGES, LABELS, N_TRAIN)
RAW = idx_files(DATA)
GZ = {f"/{name}.gz": gzip.compress(content) for name, content in RAW.items()}
GZ_SHA256 = {name: hashlib.sha256(GZ[f"/{name}.gz"]).hexdigest() for name in RAW}
FIRST = f"/{FILES['train_images']}.gz"


def assert_is_data(data: DataSet) -> None:
    np.testing.assert_array_equal(data.images, IMAGES, strict=True)
    np.testing.assert_array_equal(data.labels, LABELS, strict=True)


@dataclass
class Answer:
    """What a server says to one request."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silent_after: int | None = None  # this many bytes come, then none, and the line stays open
    closes_after: int | None = None  # this many bytes come, then the line is closed
    again_after: float | None = None  # the content comes again and again, after so many seconds


@dataclass
class Server:
    """A server on this machine; what it was asked for is in `asked`."""

    url: str
    asked: list[str]


Serve = Callable[[dict[str, Answer]], Server]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start servers that give these answers, by path; 404 for any other path."""
    monkeypatch.setenv("no_proxy", "*")
    over = threading.Event()
    servers: list[ThreadingHTTPServer] = []

    def start(answers: dict[str, Answer]) -> Server:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                answer = answers.get(self.path, Answer(PAGE, 404))
                self.send_response(answer.status)
                for name, value in (
                    {"Content-Length": str(len(answer.content))} | answer.headers
                ).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.content[: answer.silent_after or answer.closes_after])
                with suppress(OSError):  # the other side has had enough
                    while answer.again_after is not None and not over.wait(answer.again_after):
                        self.wfile.write(answer.content)
                if answer.silent_after is not None:
                    over.wait()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((HERE, 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return Server(f"http://{HERE}:{server.server_port}", asked)

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def nobody() -> str:
    """A URL where nothing listens."""
    with socket.create_server((HERE, 0)) as free:
        port = free.getsockname()[1]
    return f"http://{HERE}:{port}"


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A URL where calls are accepted and nothing is ever answered."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(mirrors, "TIMEOUT", 1)
    with socket.create_server((HERE, 0)) as listening:
        yield f"http://{HERE}:{listening.getsockname()[1]}"


@pytest.fixture(autouse=True)
def sockets_are_left_as_they_were() -> Iterator[None]:
    yield
    assert socket.getdefaulttimeout() is None


def gz_answers(first: Answer | None = None) -> dict[str, Answer]:
    """The good answers of an IDX host; perhaps another for the training images, the first."""
    answers = {path: Answer(content) for path, content in GZ.items()}
    return answers | ({FIRST: first} if first else {})
