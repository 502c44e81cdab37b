"""Options that several commands have, checked when they are parsed."""

import argparse
import socket

from digits.common.errors import BadInput


def add_confidence(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add --confidence, a number between 0 and 1; `meaning` says in --help of what."""
    parser.add_argument(
        "--confidence", type=_confidence, default=0.95, help=f"{meaning} (default 0.95)"
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add --jobs, how many experiments run at a time."""
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=1,
        help="how many experiments at a time, which share the cores (default 1); "
        "on a cluster its workers decide",
    )


def add_port(parser: argparse.ArgumentParser, default: int) -> None:
    """Add --port, a port of 127.0.0.1."""
    parser.add_argument(
        "--port", type=_port, default=default, help=f"on 127.0.0.1 (default {default})"
    )


def check_port_is_free(port: int) -> None:
    """Check that a server can listen on 127.0.0.1: MLflow would find out after its start.

    Raises
    ------
    BadInput
        When the port is taken, or this user may not use it.
    """
    with socket.socket() as probe:
        # The port of a server that has just ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadInput(
                f"--port {port} cannot be used ({error.strerror}): "
                f"allowed is a free one, such as {port % 65535 + 1}."
            ) from error


# argparse would turn an ArgumentTypeError into its usage and exit code 2: BadInput passes it by.


def _confidence(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0
    if not 0 < level < 1:
        raise BadInput(f"--confidence is {text!r}, allowed is a number between 0 and 1.")
    return level


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadInput(f"--jobs is {text!r}, allowed is a whole number from 1.")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise BadInput(f"--port is {text!r}, allowed is a whole number from 1 to 65535.")
    return int(text)
