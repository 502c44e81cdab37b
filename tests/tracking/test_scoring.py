"""The scoring server: what it answers, and what it refuses with a sentence."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import uvicorn

from digits.common.errors import BadInput
from digits.models.persistence import load_model
from digits.tracking.model_folder import ModelFiles, save_for_mlflow
from digits.tracking.scoring import check_request, scoring_app
from tests.imports import ROOT
from tests.runs import free_port
from tests.small import IMAGES

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

IMAGE = IMAGES[200].tolist()


def changed(pixel: Any) -> list[Any]:
    """An image of which one pixel is something else."""
    return [*IMAGE[:-1], pixel]


REFUSED: dict[str, tuple[Any, str]] = {
    "divided": (
        [p / 255 for p in IMAGE],
        r"Image 1 has a pixel 0\.\d+ \(divided by 255\?\): allowed",
    ),
    "one fraction": (changed(0.99), r"Image 1 has a pixel 0\.99 \(divided by 255\?\)"),
    "larger fraction": (changed(128.7), r"Image 1 has a pixel 128\.7: allowed"),
    "0.0 and 1.0": ([float(p > 0) for p in IMAGE], r"Image 1 has no ink, its brightest .* is 1\.0"),
    "infinite": (changed(float("inf")), "Image 1 has a pixel Infinity"),
    "words": ([str(p) for p in IMAGE], 'Image 1 has a pixel "0"'),
    "one word": (changed("7"), 'Image 1 has a pixel "7"'),
    "booleans": ([p > 0 for p in IMAGE], "Image 1 has a pixel false"),
    "one boolean": (changed(True), "Image 1 has a pixel true"),
    "nothing": (changed(None), "Image 1 has a pixel null"),
    "too large": (changed(256), "Image 1 has a pixel 256"),
    "negative": (changed(-1), "Image 1 has a pixel -1"),
    "huge": (changed(10**400), "Image 1 has a pixel 1000"),
    "not a number": (changed(float("nan")), "Image 1 has a pixel NaN"),
    "a list": (changed([1]), r"Image 1 has a pixel \[1\]"),
    "0 and 1": ([int(p > 0) for p in IMAGE], "Image 1 has no ink, its brightest pixel is 1 of 255"),
    "blank": ([0] * 64, "Image 1 has no ink, its brightest pixel is 0 of 255"),
    "0 to 16": ([p // 15 for p in IMAGE], "Image 1 has no ink, its brightest pixel is 17 of 255"),
    "dark on light": ([255 - p for p in IMAGE], "Image 1 has bright paper"),
    "short": (IMAGE[:-1], "Image 1 has 63 pixels, not 64"),
    "no list": (7, "Image 1 is 7, not a list"),
}
NO_IMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "The request is no JSON"),
    "not UTF-8": (b"\xff", "The request is no JSON"),
    "deep": (b"[" * 100_000, "The request is no JSON"),
    "a list": (json.dumps([IMAGE]).encode(), 'has no keys instead of "inputs"'),
    "other keys": (b'{"images": 0}', "has the keys images"),
    "two forms": (b'{"inputs": [], "instances": []}', "has the keys inputs, instances"),
    "no table": (b'{"dataframe_split": 0}', "holds no list of images"),
    "no data": (b'{"dataframe_split": {}}', "holds no list of images"),
    "no records": (b'{"dataframe_records": [[1]]}', "holds no list of images"),
    "columns in another order": (
        json.dumps(
            {"dataframe_split": {"columns": [*reversed(range(64))], "data": [IMAGE]}}
        ).encode(),
        "The columns have no names that count up",
    ),
    "columns with names": (
        json.dumps({"dataframe_split": {"columns": ["a"] * 64, "data": [IMAGE]}}).encode(),
        "The columns have no names that count up",
    ),
    "a record in another order": (
        json.dumps(
            {"dataframe_records": [{str(n): IMAGE[n] for n in reversed(range(64))}]}
        ).encode(),
        "The columns have no names that count up",
    ),
    "none": (b'{"inputs": []}', "holds no list of images"),
    "a word": (b'{"instances": "seven"}', "holds no list of images"),
    "flat": (json.dumps({"inputs": IMAGE}).encode(), "Image 0 is 0, not a list"),
}


Post = Callable[[bytes, dict[str, str]], tuple[int, Any]]
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def post(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """Send a request to a server of the small model: the status and what it says."""
    folder, port = tmp_path_factory.mktemp("scoring") / "model", free_port()
    model = load_model(made / "model.skops")
    example = np.zeros((1, 64), np.uint8)
    save_for_mlflow(
        folder, ModelFiles(made / "model.skops", example, model.classes_.dtype, ROOT / "digits")
    )
    server = uvicorn.Server(uvicorn.Config(scoring_app(folder), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()

    def send(body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        request = Request(f"http://127.0.0.1:{port}/invocations", body, headers)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield send
    server.should_exit = True
    thread.join()


FORMS: dict[str, Callable[[list[Any]], Any]] = {
    "inputs": lambda images: images,
    "instances": lambda images: images,
    "dataframe_split": lambda images: {"columns": list(range(64)), "data": images},
    "dataframe_records": lambda images: [
        {str(n): pixel for n, pixel in enumerate(image)} for image in images
    ],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [int, float])
def test_images_are_answered(post: Post, made: Path, form: str, kind: type) -> None:
    images = IMAGES[200:250].astype(kind).tolist()
    status, said = post(json.dumps({form: FORMS[form](images)}).encode(), JSON)
    expected = load_model(made / "model.skops").predict(IMAGES[200:250]).tolist()
    assert (status, said) == (HTTPStatus.OK, {"predictions": expected})


@pytest.mark.parametrize("name", REFUSED)
def test_an_image_that_is_none_is_a_sentence(name: str) -> None:
    image, sentence = REFUSED[name]
    for form, images_as in FORMS.items():
        if name in ("short", "no list") and form == "dataframe_records":
            continue  # it is no record then
        with pytest.raises(BadInput, match=sentence) as caught:
            check_request(json.dumps({form: images_as([IMAGE, image])}).encode(), 64)
        assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 200
        assert "[64 whole numbers from 0 to 255]" in str(caught.value)


@pytest.mark.parametrize("name", NO_IMAGES)
def test_a_request_without_images_is_a_sentence(name: str) -> None:
    body, sentence = NO_IMAGES[name]
    with pytest.raises(BadInput, match=sentence):
        check_request(body, 64)


def test_the_server_refuses_with_400(post: Post) -> None:
    status, said = post(json.dumps({"inputs": [[p / 255 for p in IMAGE]]}).encode(), JSON)
    assert status == HTTPStatus.BAD_REQUEST
    assert said["message"].startswith("Image 0 has a pixel 0.")
    for kind in ("", "text/csv"):
        status, said = post(b"1,2\n", {"Content-Type": kind})
        assert status == HTTPStatus.BAD_REQUEST
        assert "not of the type application/json" in said["message"]


def test_every_image_of_the_data_set_is_taken() -> None:
    check_request(json.dumps({"inputs": IMAGES.tolist()}).encode(), 64)
