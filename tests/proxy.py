"""A server before an MLflow server, which is slow or goes away, when a test says so."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen


@dataclass
class Proxy:
    """The proxy's address, and the paths of the uploads that were slow."""

    url: str
    slow_uploads: list[str] = field(default_factory=list)


@contextmanager
def proxy(
    upstream: str,
    port: int = 0,
    first_upload_takes: float = 0,
    answers: Mapping[str, tuple[int, bytes]] | None = None,
) -> Iterator[Proxy]:
    """A proxy of a server on 127.0.0.1; at the end it is gone, as if the server were.

    Its first upload may take some more seconds. `answers` are its own, by how the path begins:
    status and content.
    """
    state = Proxy("")
    own = {} if answers is None else answers

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "PUT" and first_upload_takes and not state.slow_uploads:
                state.slow_uploads.append(self.path)
                time.sleep(first_upload_takes)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "accept-encoding")
            }
            for path in filter(self.path.startswith, own):
                self.answer(own[path][0], "text/html", own[path][1])
                return
            request = Request(upstream + self.path, body or None, headers, method=self.command)
            try:
                with urlopen(request) as answer:
                    status, kind, content = (
                        answer.status,
                        answer.headers["Content-Type"],
                        answer.read(),
                    )
            except HTTPError as error:
                status, kind, content = error.code, error.headers["Content-Type"], error.read()
            self.answer(status, kind, content)

        def answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield state
        finally:
            server.shutdown()
