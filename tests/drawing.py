"""The server of the drawing page, as a person starts it, for the tests that draw."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil

from tests.runs import free_port
from tests.scratch import Project, wait_until

PNG = {"Content-Type": "image/png"}


@dataclass
class Answer:
    """What the server answers: `content` is parsed, if it is JSON."""

    status: int
    headers: dict[str, str]
    content: Any

    @property
    def sentence(self) -> str:
        """Of a refusal."""
        return str(self.content["detail"])


@dataclass
class Server:
    """A running server, and what it has printed so far."""

    port: int
    process: psutil.Process
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; the names of headers have "_" for "-"."""
        connection = self.connect()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body, named, encode_chunked=chunked)
            return answer_of(connection)
        finally:
            connection.close()

    def read(self, body: bytes) -> Any:
        """What is read on a drawing."""
        answer = self.ask("POST", "/read", body, **PNG)
        assert answer.status == 200, answer
        return answer.content

    def keep(self, body: bytes, digit: int | str) -> Answer:
        return self.ask("POST", f"/kept/{digit}", body, **PNG)


def answer_of(connection: HTTPConnection) -> Answer:
    response = connection.getresponse()
    content = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    is_json = headers["content-type"] == "application/json"
    return Answer(response.status, headers, json.loads(content) if is_json else content.decode())


@contextmanager
def drawing_server(project: Project, log: Path, *options: str) -> Iterator[Server]:
    """`python -m digits draw` in a project, until Ctrl-C: nothing but its address is printed."""
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "digits", "draw", "--port", str(port), *options],
            cwd=project.path,
            env=project.env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "http" in log.read_text(encoding="utf-8") or process.poll() is not None)
        server = Server(port, psutil.Process(process.pid), log)
        wait_until(lambda: _answers(server))
        yield server
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
    printed = log.read_text(encoding="utf-8")
    assert re.fullmatch(rf"\w+: draw on {server.address} \(Ctrl-C ends it\)\n", printed), printed


def _answers(server: Server) -> bool:
    try:
        return server.ask("GET", "/about").status == 200
    except OSError:
        time.sleep(0.1)
        return False
