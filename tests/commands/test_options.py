"""Options that several commands have: what is no number, level or port is said in a sentence."""

import argparse
import socket

import pytest

from digits.__main__ import main
from digits.commands import draw, serve, ui
from digits.commands.options import check_port_is_free
from digits.common.errors import BadInput
from tests.runs import free_port


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("command", ["queue", "ladder"])
@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_is_none(
    capsys: pytest.CaptureFixture[str], command: str, jobs: str
) -> None:
    sentence = f"digits: --jobs is {jobs!r}, allowed is a whole number from 1.\n"
    assert refused(capsys, command, "--jobs", jobs) == sentence


@pytest.mark.parametrize("command", ["ui", "serve", "draw"])
@pytest.mark.parametrize("port", ["", "x", "-1", "0", "65536", "80 80"])
def test_a_port_that_is_none(capsys: pytest.CaptureFixture[str], command: str, port: str) -> None:
    sentence = f"digits: --port is {port!r}, allowed is a whole number from 1 to 65535.\n"
    assert refused(capsys, command, "--port", port) == sentence


@pytest.mark.parametrize("command", ["compare", "best"])
@pytest.mark.parametrize("level", ["abc", "1", "0", "nan"])
def test_a_confidence_that_is_none(
    capsys: pytest.CaptureFixture[str], command: str, level: str
) -> None:
    sentence = f"digits: --confidence is {level!r}, allowed is a number between 0 and 1.\n"
    assert refused(capsys, command, "--confidence", level) == sentence


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    check_port_is_free(free_port())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sentence = f"--port {port} cannot be used .*: allowed is a free one, such as {port + 1}"
        with pytest.raises(BadInput, match=sentence):
            ui.run(argparse.Namespace(port=port))
        with pytest.raises(BadInput, match=sentence):
            serve.run(argparse.Namespace(model="workspace", port=port))
        with pytest.raises(BadInput, match=sentence):
            draw.run(argparse.Namespace(model="workspace", folder=draw.DRAWN, port=port))
    assert capsys.readouterr().out == "", "no address is announced"
