"""A port that cannot be used is said before its address is."""

import socket

import pytest

from digits.commands import serve as serving
from digits.commands import ui
from digits.commands.ports import check_port
from digits.common.errors import BadInput
from tests.runs import free_port


@pytest.mark.parametrize("port", ["", "x", "-1", "0", "65536", "80 80"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(BadInput, match=r"PORT is '.*', allowed is a whole number from 1 to 65535"):
        check_port(port)


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    check_port(str(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        said = f"PORT {port} cannot be used .*: allowed is a free one"
        with pytest.raises(SystemExit, match=said):
            ui.main(port)
        with pytest.raises(SystemExit, match=said):
            serving.main("workspace", port)
    assert capsys.readouterr().out == ""
