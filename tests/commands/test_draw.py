"""`python -m digits draw`: what its server reads, keeps and refuses."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digits.__main__ import main
from digits.data.loaders import read_pictures
from digits.drawing.limits import MAX_AT_ONCE, MAX_BYTES
from tests.drawing import PNG, Answer, Server, answer_of, drawing_server
from tests.drawn import encoded, enlarged
from tests.no_digit import picture_of, without_a_digit
from tests.reading import X, y
from tests.runs import free_port
from tests.scratch import Project, wait_until


def drawing(number: int) -> bytes:
    """One of the images held out, as drawn on the page."""
    return encoded(255 * (1 - np.pad(enlarged(X[number], 200), 40)))


SEVEN = drawing(int(np.flatnonzero(y == 7)[0]))
BLANK = encoded(np.full((280, 280, 3), 255.0))
SCRIBBLE = picture_of(without_a_digit(X)["a scribble"](np.random.default_rng(0)))


@pytest.fixture(scope="module")
def project(
    reproduced: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    return reproduced().copy(tmp_path_factory.mktemp("drawing") / "digits")


@pytest.fixture(scope="module")
def server(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests; in the end Ctrl-C ends it without a word."""
    with drawing_server(project, tmp_path_factory.mktemp("log") / "server.log") as server:
        yield server


@pytest.fixture
def drawn(project: Project) -> Iterator[Path]:
    """The folder in which drawings are kept; it is empty before and after."""
    folder = project.path / "data" / "own" / "drawn"
    assert not list(folder.rglob("*.*"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def predict(project: Project, here: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """What `predict` answers of pictures, by their names."""

    def answers(*paths: Path, fails: bool = False) -> dict[str, Any]:
        printed = here(project, "predict", "--json", *map(str, paths), fails=fails)
        lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        return {Path(line["path"]).name: line for line in lines}

    return answers


def test_listens_here_alone(server: Server) -> None:
    addresses = {c.laddr for c in server.process.net_connections("inet") if c.status == "LISTEN"}
    assert addresses == {("127.0.0.1", server.port)}


def test_answers_as_predict_does(
    server: Server, predict: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    bodies = {f"{number}.png": drawing(number) for number in range(8)}
    for name, body in (bodies | {"blank.png": BLANK, "scribble.png": SCRIBBLE}).items():
        (tmp_path / name).write_bytes(body)
    predicted = predict(tmp_path, fails=True)
    about = server.ask("GET", "/about").content
    assert about["labels"] == list("0123456789") and about["has_probabilities"]
    for name, body in bodies.items():
        answer = server.read(body)
        assert answer["label"] == str(predicted[name]["digit"])
        assert max(answer["values"]) == predicted[name]["probability"]
        assert sum(answer["values"]) == pytest.approx(1) and len(answer["seen"]) == 64
    assert len({predicted[name]["digit"] for name in bodies}) > 4
    for name, body, problem in (
        ("blank.png", BLANK, "holds no ink"),
        ("scribble.png", SCRIBBLE, "holds no single digit"),
    ):
        error = predicted[name]["error"].replace(str(tmp_path / name), "the picture")
        assert problem in error and server.read(body) == {"problem": error}


@pytest.mark.parametrize("host", ["digits.invalid", "127.0.0.1.invalid", "", "127.0.0.1:80:80"])
def test_a_foreign_host_is_refused(server: Server, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/about"), ("DELETE", "/kept/last")):
        answer = server.ask(method, path, Host=host)
        assert answer.status == 403 and answer.sentence.startswith("The Host of the request")


def test_a_foreign_origin_is_refused(server: Server, drawn: Path) -> None:
    port = server.port
    for origin in (
        "http://digits.invalid",
        "null",
        "",
        f"https://127.0.0.1:{port}",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port + 1}",
        f"http://127.0.0.1:{port}.invalid",
    ):
        answer = server.ask("POST", "/kept/7", SEVEN, Origin=origin, **PNG)
        assert answer.status == 403 and answer.sentence.startswith("The request is of another page")
    assert not drawn.exists()
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        answer = server.ask("POST", "/read", SEVEN, Host=host, Origin=f"http://{host}", **PNG)
        assert answer.status == 200


def test_a_body_is_bounded(server: Server) -> None:
    large = b"x" * (MAX_BYTES + 1)
    answer = server.ask("POST", "/read", large, **PNG)
    assert answer.status == 413 and answer.sentence.endswith("allowed are 256 KiB.")
    assert server.ask("POST", "/read", large[1:], **PNG).status == 400
    in_chunks = (large[:60_000] for _ in range(5))
    assert (
        server.ask("POST", "/kept/7", in_chunks, Transfer_Encoding="chunked", **PNG).status == 413
    )
    connection = server.connect()  # which announces a gigabyte, and sends none of it
    connection.putrequest("POST", "/read")
    for name, value in (PNG | {"Content-Length": str(2**30)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    assert answer_of(connection).status == 413
    connection.close()


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "The drawing is no PNG picture: allowed"),
    "words": (b"seven", "The drawing is no PNG picture: allowed"),
    "a JPEG": (encoded(np.full((20, 20, 3), 200.0), "JPEG"), "The drawing is no PNG picture"),
    "half a PNG": (SEVEN[: len(SEVEN) // 2], "the picture is damaged or unfinished"),
    "wide": (encoded(Image.new("1", (1001, 1))), "The drawing has 1001 x 1 pixels: allowed"),
    "a bomb": (encoded(Image.new("1", (9000, 9000))), "The drawing has 9000 x 9000 pixels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_drawing_is_a_sentence(server: Server, drawn: Path, name: str) -> None:
    body, sentence = WRONG[name]
    assert len(body) < MAX_BYTES
    for answer in (server.ask("POST", "/read", body, **PNG), server.keep(body, 7)):
        assert answer.status == 400 and answer.sentence.startswith(sentence)
    assert not drawn.exists()


@pytest.mark.parametrize("kind", ["", "image/jpeg", "text/plain", "multipart/form-data"])
def test_another_type_is_refused(server: Server, kind: str) -> None:
    answer = server.ask("POST", "/read", SEVEN, Content_Type=kind)
    assert answer.status == 415 and answer.sentence.startswith("A drawing is sent as image/png")


def test_other_methods_and_paths(server: Server) -> None:
    for method, path in (
        ("GET", "/read"), ("PUT", "/read"), ("POST", "/"), ("OPTIONS", "/read"),
        ("GET", "/kept/7"), ("DELETE", "/kept/7"), ("POST", "/about"),
    ):  # fmt: skip
        assert server.ask(method, path).status == 405, (method, path)
    for path in ("/docs", "/redoc", "/openapi.json", "/page.html", "/kept/7/x.png", "/kept/../7"):
        assert server.ask("GET", path).status == 404, path
    for digit in ("10", "-1", "x", "%C2%B2", "%2E%2E"):
        answer = server.keep(SEVEN, digit)
        assert answer.status == 400 and "is no digit: allowed is 0 to 9" in answer.sentence


def test_the_page_brings_all_that_it_needs(server: Server) -> None:
    answer = server.ask("GET", "/")
    assert answer.status == 200 and "//" not in answer.content.replace("// ", "")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert server.ask("GET", "/x").headers["content-security-policy"] == policy


def test_a_drawing_is_kept_and_taken_back(
    server: Server,
    project: Project,
    here: Callable[..., str],
    predict: Callable[..., dict[str, Any]],
    drawn: Path,
) -> None:
    eight = drawing(int(np.flatnonzero(y == 8)[0]))
    first, second = server.keep(SEVEN, 7), server.keep(eight, 8)
    assert (first.status, second.status) == (201, 201)
    assert second.content["counts"] == [0, 0, 0, 0, 0, 0, 0, 1, 1, 0]
    files = [Path(answer.content["file"]) for answer in (first, second)]
    assert [file.parts[:4] for file in files] == [("data", "own", "drawn", d) for d in "78"]
    assert sorted(p for p in drawn.rglob("*") if p.is_file()) == [project.path / f for f in files]
    with Image.open(project.path / files[0]) as kept, Image.open(BytesIO(SEVEN)) as sent:
        assert kept.format == "PNG"
        assert np.array_equal(np.asarray(kept), np.asarray(sent.convert("RGB")))
    # The workspace is as good as before: its data set is another.
    predicted = predict(*files)
    assert [predicted[file.name]["digit"] for file in files] == [7, 8]
    scored = json.loads(here(project, "evaluate", "data/own/drawn", "--json"))
    assert (scored["n"], scored["errors"]) == (2, 0)
    images, labels = read_pictures(drawn, 8)
    assert images.shape == (2, 8, 8) and labels.tolist() == [7, 8]

    for digit in (7, 1):
        again = server.keep(SEVEN, digit)
        assert again.status == 200 and not again.content["is_new"]
        assert again.content["file"] == str(files[0])
    for file in reversed(files):
        back = server.ask("DELETE", "/kept/last")
        assert back.status == 200 and back.content["file"] == str(file)
        assert not (project.path / file).exists()
    assert back.content["counts"] == [0] * 10
    nothing = server.ask("DELETE", "/kept/last")
    assert nothing.status == 404 and nothing.sentence.startswith("Nothing to take back")
    assert not [path for path in drawn.rglob("*") if path.is_file()]


def test_what_is_no_digit_is_not_kept(server: Server, drawn: Path) -> None:
    answer = server.keep(SCRIBBLE, 7)
    assert answer.status == 400 and "holds no single digit" in answer.sentence
    assert not drawn.exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(server: Server, drawn: Path) -> None:
    drawn.mkdir()
    (drawn / "7").write_bytes(b"a file, where the folder of the sevens would be")
    answer = server.keep(SEVEN, 7)
    assert answer.status == 500 and str(Path("drawn/7")) in answer.sentence
    assert [path.name for path in drawn.iterdir()] == ["7"]


def test_200_requests_at_once_are_answered_or_refused(server: Server) -> None:
    """Twice: after the first time, memory stays where it is."""

    def storm() -> list[Answer]:
        with ThreadPoolExecutor(200) as clients:
            asked = [clients.submit(server.ask, "POST", "/read", SEVEN, **PNG) for _ in range(200)]
        return [future.result() for future in asked]

    memory = []
    expected = server.read(SEVEN)
    for _ in range(2):
        answers = storm()
        memory.append(server.process.memory_info().rss / 2**20)
        answered = [answer.content for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status == 503]
        assert len(answered) + len(refused) == 200 and len(answered) >= MAX_AT_ONCE
        assert refused, "the bound was not reached"
        assert all(answer == expected for answer in answered)
        assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert max(memory) - memory[0] < 20, memory
    assert server.read(SEVEN) == expected


def test_a_client_that_goes_away_is_no_matter(server: Server) -> None:
    head = f"POST /read HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: image/png\r\n"
    for _ in range(2 * MAX_AT_ONCE):  # more than there are places
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
    wait_until(lambda: server.ask("POST", "/read", SEVEN, **PNG).status == 200)


def test_a_model_that_is_missing_is_predicts_sentence(
    project: Project, here: Callable[..., str], tmp_path: Path
) -> None:
    other = project.copy(tmp_path / "digits")
    shutil.rmtree(other.path / "models")
    sentence = here(other, "draw", "--port", str(free_port()), fails=True)
    assert sentence == here(other, "predict", "x.png", fails=True)
    assert sentence.startswith("digits: ") and "model.skops is not there" in sentence


def test_a_folder_that_is_a_file_is_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x").touch()
    assert main(["draw", "--folder", str(tmp_path / "x"), "--port", str(free_port())]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"digits: --folder {tmp_path / 'x'} is a file: allowed is")
    assert printed.out == "" and printed.err.count("\n") == 1
