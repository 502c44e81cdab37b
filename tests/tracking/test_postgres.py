"""What MLFLOW_TRACKING_URI=postgresql://... may be, and what it says where it cannot be used.

That runs are kept in a real database is tested by pipeline/test_shared_stores.py.
"""

import socket
import sys
from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.tracking.lookup import server
from digits.tracking.server import files_uri
from digits.tracking.store import Store
from tests.runs import free_port


@pytest.fixture
def why_not(monkeypatch: pytest.MonkeyPatch, shared: Path) -> "Why":
    """Why a store is not used, in words."""
    return Why(monkeypatch, shared)


class Why:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch, self._folder = monkeypatch, folder

    def __call__(self, uri: str) -> str:
        self._monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        store = Store(self._folder)
        assert store.is_fallback and store.file == self._folder / "mlflow.db"
        return store.connection_error


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://u:pa/ss@word@127.0.0.1:1/runs",
        "postgresql://u:p@ss@127.0.0.1:1/runs",
        "postgresql://u@127.0.0.1:port/runs",
    ],
)
def test_an_address_that_cannot_be_read_is_said_with_how_to_write_it(
    why_not: Why, uri: str
) -> None:
    said = why_not(uri)
    assert "allowed is postgresql://USER:PASSWORD@HOST/DATABASE" in said and "%40 %3A" in said
    assert "ss" not in said.replace("PASSWORD", "").replace("password", "")


def test_without_a_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, why_not: Why) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = why_not("postgresql://u:secret@127.0.0.1:1/runs")
    assert said.startswith("the database postgresql://127.0.0.1:1/runs cannot be used (")
    assert said.endswith("`pip install '.[postgres]'`") and "secret" not in said


def test_a_database_that_is_down_or_silent_costs_seconds(why_not: Why) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgres]'")
    port = free_port()
    said = why_not(f"postgresql://u:secret@127.0.0.1:{port}/runs?password=secret")
    assert said.startswith(f"the database postgresql://127.0.0.1:{port}/runs does not answer (")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "timeout" in why_not(f"postgresql://u:secret@127.0.0.1:{port}/runs")


@pytest.mark.parametrize("root", ["", "mlruns", "/srv/files", "file:///srv/files", "s3://"])
def test_files_go_where_all_machines_see_them(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", root)
    with pytest.raises(BadInput, match=r"MLFLOW_DEFAULT_ARTIFACT_ROOT is .*s3://BUCKET/FOLDER"):
        files_uri()


def test_files_are_below_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://bucket/mlflow/")
    assert files_uri() == "s3://bucket/mlflow/digits"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+pg8000", "mysql"])
def test_other_databases_are_none_of_these(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://u@h/runs")
    assert server() is None
