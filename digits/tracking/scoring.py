"""MLflow's scoring server, with a check of what it is sent.

By itself it makes of every value the type that the model wants: 0.99 becomes 0, "7" and true become
numbers, and the answer is about another picture than the one sent.
"""

import asyncio
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digits.common.errors import BadInput

if TYPE_CHECKING:
    from fastapi import FastAPI

_ALLOWED = 'allowed is JSON, {{"inputs": [[{n} whole numbers from 0 to 255], ...]}}'

_JSON = "application/json"

# The names of columns and the images, in each of the forms that MLflow takes.
_FORMS: dict[str, Callable[[Any], tuple[list[list[Any]], Any]]] = {
    "inputs": lambda images: ([], images),
    "instances": lambda images: ([], images),
    "dataframe_split": lambda table: (
        [list(table["columns"])] if "columns" in table else [],
        table["data"],
    ),
    "dataframe_records": lambda rows: (
        [list(names) for names in {tuple(row) for row in rows}],  # all rows mostly have the same
        [list(row.values()) for row in rows],
    ),
}

_FAINTEST = 32  # of 255: the brightest pixel of every image in the data sets is above 200

_MIDDLE = 128  # of 255: most pixels of every image in the data sets are below 100


def scoring_app(folder: Path) -> "FastAPI":
    """The scoring server of a model, as an ASGI application.

    It answers 400 with a sentence where a request is not images as the model learned from.

    Parameters
    ----------
    folder : Path
        As `save_for_mlflow` writes it.
    """
    import mlflow.pyfunc
    from fastapi import Request, Response
    from mlflow.pyfunc import scoring_server

    model = mlflow.pyfunc.load_model(str(folder))
    (pixels,) = model.metadata.get_input_schema().inputs
    n_pixels = int(pixels.shape[1])
    app = scoring_server.init(model)

    def refusal(sentence: str) -> Response:
        content = json.dumps({"error_code": "BAD_REQUEST", "message": sentence})
        return Response(content, HTTPStatus.BAD_REQUEST, media_type=_JSON)

    async def check(request: Request, call_next: Any) -> Response:
        if request.method == "POST" and request.url.path == "/invocations":
            # MLflow reads other types too, and none without one.
            if request.headers.get("content-type", "").split(";")[0].strip() != _JSON:
                return refusal(f"The request is not of the type {_JSON}.")
            body = await request.body()
            try:
                await asyncio.to_thread(check_request, body, n_pixels)
            except BadInput as error:
                return refusal(str(error))
        response: Response = await call_next(request)
        return response

    app.middleware("http")(check)
    return app


def check_request(body: bytes, n_pixels: int) -> None:
    """Check that a request holds images as the model learned from.

    Parameters
    ----------
    body : bytes
        Of the request.
    n_pixels : int
        Of an image.

    Raises
    ------
    BadInput
        When it is no JSON with images, when the columns of a table do not count up, when a pixel is
        no whole number from 0 to 255, or when an image is not bright ink on 0.
    """
    allowed = _ALLOWED.format(n=n_pixels)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The request is no JSON ({error}): {allowed}.") from error
    if not isinstance(content, dict) or len(content) != 1 or not content.keys() <= _FORMS.keys():
        has = f"the keys {', '.join(content)}" if isinstance(content, dict) else "no keys"
        raise BadInput(f'The request has {has} instead of "inputs": {allowed}.')
    ((key, value),) = content.items()
    try:
        names, images = _FORMS[key](value)
    except (AttributeError, KeyError, TypeError):  # of another form
        names, images = [], None
    if not isinstance(images, list) or not images:
        raise BadInput(f"The request holds no list of images: {allowed}.")
    if not all(map(_count_up, names)):
        raise BadInput(f"The columns have no names that count up, as 0, 1, 2, ...: {allowed}.")
    for number, image in enumerate(images):
        if problem := _problem(image, n_pixels):
            raise BadInput(f"Image {number} {problem}: {allowed}.")


def _count_up(names: list[Any]) -> bool:
    """Whether columns are pixels in their order: 0, 1, 2, ... or pixel1, pixel2, ..."""
    found = [re.search(r"\d{1,9}$", str(name)) for name in names]
    numbers = [int(end[0]) for end in found if end]
    return len(numbers) == len(names) and all(b == a + 1 for a, b in pairwise(numbers))


def _problem(image: object, n_pixels: int) -> str | None:
    """What is wrong with an image of a request, if something is."""
    if not isinstance(image, list):
        return f"is {json.dumps(image)[:40]}, not a list"
    if len(image) != n_pixels:
        return f"has {len(image)} pixels, not {n_pixels}"
    for pixel in image:
        # bool is a subclass of int; 7.0 is as whole as 7.
        is_whole = type(pixel) is int or (type(pixel) is float and pixel.is_integer())
        if not (is_whole and 0 <= pixel <= 255):
            divided = " (divided by 255?)" if type(pixel) is float and 0 <= pixel <= 1 else ""
            return f"has a pixel {json.dumps(pixel)[:40]}{divided}"
    if max(image) < _FAINTEST:
        return f"has no ink, its brightest pixel is {max(image)} of 255"
    if np.median(image) >= _MIDDLE:
        return "has bright paper, ink has to be bright on 0"
    return None
