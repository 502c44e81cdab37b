"""OpenML as a mirror, by a real server on 127.0.0.1: whatever is wrong with it is an error."""

import gc
import gzip
import hashlib
import json
import re
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import _openml, fetch_openml

from digits.data import mirrors
from digits.data.loaders import from_table
from digits.data.mirrors import MirrorFailed, openml
from tests import served
from tests.served import (
    IMAGES,
    LABELS,
    PAGE,
    Answer,
    N,
    Serve,
    assert_is_data,
)

serve, nobody, mute = served.serve, served.nobody, served.mute
_sockets_are_left_as_they_were = served.sockets_are_left_as_they_were
ONE = np.uint8(1)


def arff(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """A table as OpenML keeps it: a column for each pixel, the digit last."""
    columns = [f"@ATTRIBUTE pixel{n} NUMERIC" for n in range(1, 785)] + [
        "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}"
    ]
    rows = [
        ",".join(map(str, [*image.ravel().tolist(), label]))
        for image, label in zip(images, labels.tolist(), strict=True)
    ]
    return "\n".join(["@RELATION mnist_784", *columns, "@DATA", *rows, ""]).encode()


TABLE = arff(IMAGES, LABELS)
LIST = "/api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1"
DESCRIPTION, FEATURES, QUALITIES = (
    "/api/v1/json/data/554",
    "/api/v1/json/data/features/554",
    "/api/v1/json/data/qualities/554",
)
DOWNLOAD = "/data/v1/download/52667/mnist_784.arff"


def gz_answer(content: bytes) -> Answer:
    """An answer that is gzipped, or says so."""
    return Answer(content, headers={"Content-Encoding": "gzip"})


def openml_answers() -> dict[str, Answer]:
    """What `fetch_openml` asks OpenML for. The address of the table is put in by `point_to`."""

    def feature(index: int, name: str, target: bool) -> dict[str, str]:
        return {
            "index": str(index),
            "name": name,
            "data_type": "nominal" if target else "numeric",
            "is_target": str(target).lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }

    features = [feature(n, f"pixel{n + 1}", target=False) for n in range(784)] + [
        feature(784, "class", target=True)
    ]
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "format": "ARFF",
        "status": "active",
        "description": "digits",
        "default_target_attribute": "class",
        "url": "SERVER" + DOWNLOAD,
        "md5_checksum": hashlib.md5(TABLE).hexdigest(),
    }
    entry = {"did": 554, "name": "mnist_784", "version": 1, "status": "active"}
    quality = {"name": "NumberOfInstances", "value": str(float(N))}
    pages = {
        LIST: {"data": {"dataset": [entry]}},
        DESCRIPTION: {"data_set_description": description},
        FEATURES: {"data_features": {"feature": features}},
        QUALITIES: {"data_qualities": {"quality": [quality]}},
    }
    answers = {path: Answer(json.dumps(page).encode()) for path, page in pages.items()}
    return answers | {DOWNLOAD: Answer(TABLE), f"{LIST}/status/deactivated": Answer(PAGE, 412)}


def point_to(url: str, answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make scikit-learn take a server for OpenML."""
    description = answers[DESCRIPTION]
    description.content = description.content.replace(b"SERVER", url.encode())
    for name in ("_SEARCH_NAME", "_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        monkeypatch.setattr(_openml, name, re.sub(r"^https://[^/]+", url, getattr(_openml, name)))


@pytest.fixture(scope="class")
def _lines_left_open() -> Iterator[None]:
    """scikit-learn leaves a line open on which a damaged gzip came: close it before other tests."""
    yield
    gc.collect()


@pytest.mark.usefixtures("_lines_left_open")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
class TestOpenml:
    @pytest.mark.parametrize("zipped", [False, True])
    def test_delivers(self, serve: Serve, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
        answers = openml_answers()
        if zipped:
            answers[DOWNLOAD] = gz_answer(gzip.compress(TABLE))
        server = serve(answers)
        point_to(server.url, answers, monkeypatch)
        data = openml()
        assert_is_data(data)
        assert data.n_train == 60_000
        assert {LIST, DESCRIPTION, FEATURES, QUALITIES, DOWNLOAD} == set(server.asked)

    def test_may_hand_out_labels_that_equal_no_number(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As its own reader of the format does."""
        answers = openml_answers()
        point_to(serve(answers).url, answers, monkeypatch)
        table = fetch_openml(
            "mnist_784", version=1, as_frame=False, cache=False, parser="liac-arff"
        )
        assert table.data.dtype == np.float64 and not (table.target == 5).any()
        assert_is_data(from_table(table.data, table.target))

    @pytest.mark.parametrize(
        ("path", "answer", "message"),
        [
            (LIST, Answer(PAGE), "JSONDecodeError"),
            (LIST, Answer(PAGE, 412), "not found"),
            (LIST, Answer(PAGE, 503), "HTTP Error 503"),
            (LIST, Answer(b'{"error": "down"}'), "KeyError"),
            (LIST, Answer(b'{"data": {"dataset": []}}'), None),
            (LIST, Answer(b"[]"), None),
            (LIST, gz_answer(gzip.compress(PAGE)[:-9]), None),
            (DOWNLOAD, Answer(PAGE), "md5 checksum"),
            (DOWNLOAD, Answer(arff(IMAGES ^ ONE, LABELS)), "md5 checksum"),
            (DOWNLOAD, Answer(TABLE, closes_after=9000), None),
            (DOWNLOAD, gz_answer(gzip.compress(TABLE)[:-9]), None),
            (DOWNLOAD, gz_answer(gzip.compress(TABLE).replace(b"\0", b"\1")), None),
            (DOWNLOAD, gz_answer(gzip.compress(TABLE)[:60] + b"\xff" * 60), None),
        ],
        ids=[
            "page",
            "412",
            "503",
            "no data",
            "no such set",
            "list",
            "answer cut",
            "page for a table",
            "other pixels",
            "cut",
            "gz cut",
            "gz header damaged",
            "gz damaged",
        ],
    )
    def test_that_is_wrong_fails(
        self,
        serve: Serve,
        monkeypatch: pytest.MonkeyPatch,
        path: str,
        answer: Answer,
        message: str | None,
    ) -> None:
        answers = openml_answers() | {path: answer}
        point_to(serve(answers).url, answers, monkeypatch)
        with pytest.raises(MirrorFailed, match=message):
            openml()

    def test_with_another_table_fails(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every checksum is right, but the pixels are not 784."""
        answers = openml_answers()
        features = json.loads(answers[FEATURES].content)
        features["data_features"]["feature"][3]["is_ignore"] = "true"
        answers[FEATURES].content = json.dumps(features).encode()
        point_to(serve(answers).url, answers, monkeypatch)
        with pytest.raises(MirrorFailed):
            openml()

    def test_where_nothing_listens_fails(
        self, nobody: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        point_to(nobody, openml_answers(), monkeypatch)
        with pytest.raises(MirrorFailed, match=r"URLError: .*refused"):
            openml()

    def test_that_never_answers_fails_in_seconds(
        self, mute: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mirrors, "TIMEOUT", 0.5)  # of several tries
        point_to(mute, openml_answers(), monkeypatch)
        start = time.monotonic()
        with pytest.raises(MirrorFailed, match="timed out"):
            openml()
        assert time.monotonic() - start < 6
