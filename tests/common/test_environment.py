"""Environment variables that are set where nobody has set them."""

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest

from digits.common.environment import DEFAULTS, HTTP_TIMEOUT, is_default, set_environment
from tests.imports import ROOT

TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


def test_a_default_is_told_from_what_a_person_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (TIMEOUT, DEFAULTS):
        monkeypatch.delenv(name, raising=False)
    set_environment()
    assert os.environ[TIMEOUT] == HTTP_TIMEOUT and is_default(TIMEOUT)
    # A process that this one starts: there it is set already.
    code = f"""
from digits.common.environment import is_default, set_environment
set_environment()
assert is_default({TIMEOUT!r}) and not is_default("PATH")
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("limit", ["30", HTTP_TIMEOUT])
def test_what_a_person_set_stays(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.delenv(DEFAULTS, raising=False)
    monkeypatch.setenv(TIMEOUT, limit)
    set_environment()
    assert os.environ[TIMEOUT] == limit and not is_default(TIMEOUT)


@pytest.mark.skipif(os.name == "nt", reason="Windows finds a home without these variables")
def test_a_user_that_the_machine_does_not_know_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 12345678)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    with pytest.raises(RuntimeError):
        Path.home()
    set_environment()
    assert Path.home() == Path("/") and getpass.getuser() == "unknown"
