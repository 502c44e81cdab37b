"""The server of the drawing page: it reads drawings, and keeps them with their labels."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from numpy.typing import NDArray
from PIL import Image

from digits.common.errors import BadInput
from digits.common.files import why_not_written
from digits.common.resources import n_threads
from digits.drawing.kept import DIGITS, KeptDrawings
from digits.drawing.limits import Slots, headers_for, read_body, why_refused
from digits.inference.reader import Reader
from digits.pictures.handwriting import extract_digit
from digits.pictures.photo import read_picture

PAGE = Path(__file__).with_name("page.html")

MAX_SIDE = 1000  # pixels of a drawing: the page's own have 280

_ALLOWED = f"allowed are PNG pictures of up to {MAX_SIDE} x {MAX_SIDE} pixels"


def drawing_app(reader: Reader, name: str, folder: Path) -> FastAPI:
    """The server, as an ASGI application.

    Every refusal is JSON with a sentence, as ``detail``.

    Parameters
    ----------
    reader : Reader
        Reads the drawings.
    name : str
        What the page calls its model.
    folder : Path
        Where drawings are kept.
    """
    page = PAGE.read_text(encoding="utf-8")
    headers = headers_for(page)
    kept = KeptDrawings(folder)
    slots = Slots()
    pool = ThreadPoolExecutor(n_threads(), "drawing")
    app = FastAPI(openapi_url=None)  # whose pages would load scripts from elsewhere

    async def work(request: Request, function: Callable[..., Any], *arguments: Any) -> Any:
        with slots.take():
            body = await read_body(request)
            return await asyncio.get_running_loop().run_in_executor(
                pool, function, body, *arguments
            )

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        if why := why_refused(request):
            response: Response = JSONResponse({"detail": why}, HTTPStatus.FORBIDDEN)
        else:
            response = await call_next(request)
        response.headers.update(headers)
        return response

    @app.exception_handler(BadInput)
    async def _(_: Request, error: BadInput) -> Response:
        return JSONResponse({"detail": str(error)}, HTTPStatus.BAD_REQUEST)

    @app.exception_handler(OSError)
    async def _(_: Request, error: OSError) -> Response:
        sentence = f"{why_not_written(error) or error}."
        return JSONResponse({"detail": sentence}, HTTPStatus.INTERNAL_SERVER_ERROR)

    @app.get("/")
    async def show_page() -> Response:
        return HTMLResponse(page)

    @app.get("/about")
    def about() -> dict[str, Any]:
        return {
            "model": name,
            "side": reader.side,
            "labels": [str(label) for label in reader.labels],
            "has_probabilities": reader.has_probabilities,
            "folder": str(folder),
            "counts": kept.counts(),
        }

    @app.post("/read")
    async def read(request: Request) -> dict[str, Any]:
        answer: dict[str, Any] = await work(request, read_drawing, reader)
        return answer

    @app.post("/kept/{digit}")
    async def keep(request: Request, digit: str) -> Response:
        if digit not in map(str, DIGITS):
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"{digit} is no digit: allowed is 0 to 9.")
        answer = await work(request, keep_drawing, reader, kept, int(digit))
        return JSONResponse(answer, HTTPStatus.CREATED if answer["is_new"] else HTTPStatus.OK)

    @app.delete("/kept/last")
    def take_back() -> dict[str, Any]:
        if file := kept.take_back():
            return {"file": str(file), "counts": kept.counts()}
        raise HTTPException(
            HTTPStatus.NOT_FOUND, "Nothing to take back: no drawing was kept since `draw` started."
        )

    return app


def read_drawing(body: bytes, reader: Reader) -> dict[str, Any]:
    """Read a drawing.

    Parameters
    ----------
    body : bytes
        The content of a PNG file.
    reader : Reader
        Reads it.

    Returns
    -------
    dict
        ``label``, what is read; ``values``, the probability or score of each of the reader's
        labels; ``seen``, the pixels of the image that the model was given. Or ``problem``, a
        sentence on why there is no single digit.

    Raises
    ------
    BadInput
        When it is no such file, or too large.
    """
    _read_png(body)
    try:
        image = extract_digit(body, reader.side)
    except BadInput as error:
        return {"problem": str(error)}
    columns, values = reader.classify(image[None])
    return {
        "label": str(reader.labels[columns[0]]),
        "values": values[0].tolist(),
        "seen": image.ravel().tolist(),
    }


def keep_drawing(body: bytes, reader: Reader, kept: KeptDrawings, digit: int) -> dict[str, Any]:
    """Keep a drawing.

    Parameters
    ----------
    body, reader
        As of `read_drawing`.
    kept : KeptDrawings
        Keeps it.
    digit : int
        What it shows.

    Returns
    -------
    dict
        ``file``, where it is; ``is_new``, false if it was there already; ``counts``, how many
        there are of each digit.

    Raises
    ------
    BadInput
        When it is no PNG file, too large, or without a single digit.
    """
    pixels = _read_png(body)
    extract_digit(body, reader.side)  # what cannot be read is of no use to any model
    file, is_new = kept.keep(pixels, digit)
    return {"file": str(file), "is_new": is_new, "counts": kept.counts()}


def _read_png(body: bytes) -> NDArray[np.uint8]:
    """The pixels (height, width, 3) of a PNG file; it is not unpacked if it is too large."""
    try:
        with Image.open(BytesIO(body), formats=("PNG",)) as image:
            width, height = image.size
    except Exception as error:  # Pillow raises a dozen kinds
        raise BadInput(f"The drawing is no PNG picture: {_ALLOWED}.") from error
    if max(width, height) > MAX_SIDE:
        raise BadInput(f"The drawing has {width} x {height} pixels: {_ALLOWED}.")
    return read_picture(body)
