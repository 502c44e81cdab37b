"""What the server of the drawing page refuses: foreign pages, large bodies, too many at once."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http import HTTPStatus

from fastapi import HTTPException, Request

MAX_BYTES = 256 * 1024  # of a drawing: the page's own have some 10 KiB

MAX_AT_ONCE = 32  # drawings that are received, waited for or read

_TIMEOUT = 10  # seconds in which a drawing must have arrived

_HERE = ("127.0.0.1", "localhost")


def why_refused(request: Request) -> str | None:
    """Why a request is not from this machine's own page, as a sentence; None if it is.

    A page of another site can send requests to 127.0.0.1, and by a name of its own that leads here
    (DNS rebinding) even read the answers.
    """
    host = request.headers.get("host", "")
    if re.sub(r":\d+$", "", host) not in _HERE:
        return "The Host of the request is not this machine: allowed are 127.0.0.1 and localhost."
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return f"The request is of another page: allowed is that of http://{host}."
    return None


def headers_for(page: str) -> dict[str, str]:
    """The headers of every answer: a page may load and run nothing but what is in its own file.

    Parameters
    ----------
    page : str
        HTML with one script and one style sheet, which are named by their SHA-256.
    """
    hashes = {
        tag: b64encode(sha256(text.encode()).digest()).decode()
        for tag, text in re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL)
    }
    policy = (
        "default-src 'none'",
        f"script-src 'sha256-{hashes['script']}'",
        f"style-src 'sha256-{hashes['style']}'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


class Slots:
    """A bound on how many drawings are worked on at once, for the one thread of the server."""

    def __init__(self) -> None:
        self._taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Take a slot for as long as this lasts. Raises HTTPException (503) when none is free."""
        if self._taken >= MAX_AT_ONCE:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{MAX_AT_ONCE} drawings are being read: try again in a second.",
                {"Retry-After": "1"},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def read_body(request: Request) -> bytes:
    """Receive a drawing.

    Raises
    ------
    HTTPException
        415 when it is not said to be a PNG picture, 413 when it is too large, 408 when it does not
        arrive in time, 400 when its sender goes away.
    """
    if request.headers.get("content-type") != "image/png":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A drawing is sent as image/png, and nothing else."
        )
    length = request.headers.get("content-length", "0")
    body = bytearray()
    try:
        async with asyncio.timeout(_TIMEOUT):
            while max(int(length), len(body)) <= MAX_BYTES:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise HTTPException(HTTPStatus.BAD_REQUEST, "The drawing did not arrive.")
                body += message.get("body", b"")
                if not message.get("more_body") and len(body) <= MAX_BYTES:
                    return bytes(body)
    except TimeoutError as error:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT, f"The drawing did not arrive within {_TIMEOUT} seconds."
        ) from error
    raise HTTPException(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The drawing is too large: allowed are {MAX_BYTES // 1024} KiB.",
    )
