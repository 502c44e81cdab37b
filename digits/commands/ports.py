"""Ports of this machine."""

import socket

from digits.common.errors import BadInput


def check_port(port: str) -> None:
    """Raises BadInput when no server can listen there on 127.0.0.1: MLflow would say so after its address was announced."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadInput(f"PORT is {port!r}, allowed is a whole number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # of a server that has just ended
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise BadInput(
                f"PORT {port} cannot be used ({error.strerror}): allowed is a free one, PORT={int(port) % 65535 + 1}?"
            ) from error
