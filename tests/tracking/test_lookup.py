"""Where runs are kept, and whether a result has its run already."""

import logging
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from digits.tracking.live import live_run
from digits.tracking.lookup import (
    COMPLETE,
    KEY,
    database,
    has_complete_run,
    result_key,
    store_folder,
)
from digits.tracking.store import Store
from tests.runs import EVALUATION, PARAMS, end_training, key_of, runs


class TestDatabase:
    def test_is_in_the_folder_by_default(self, tmp_path: Path) -> None:
        assert database(tmp_path / ".mlflow") == tmp_path / ".mlflow" / "mlflow.db"

    @pytest.mark.parametrize("relative", [True, False])
    def test_is_where_the_environment_says_from_the_repository(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, relative: bool
    ) -> None:
        folder, elsewhere, file = (
            tmp_path / "repository" / ".mlflow",
            tmp_path / "copy",
            tmp_path / "repository" / "my" / "runs.db",
        )
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv(
            "MLFLOW_TRACKING_URI", "sqlite:///my/runs.db" if relative else f"sqlite:///{file}"
        )
        assert not has_complete_run(folder, key_of("0"), EVALUATION)
        with live_run(folder, PARAMS) as run:
            end_training(run, "0")
        store = Store(folder)
        (found,) = store.runs(f"tags.{KEY} = '{key_of('0')}'")
        store.client.set_tag(found.info.run_id, COMPLETE, EVALUATION)
        store.client.log_text(found.info.run_id, "hello", "hello.txt")
        assert file.is_file() and len(list((file.parent / "artifacts").glob("**/hello.txt"))) == 1
        assert has_complete_run(folder, key_of("0"), EVALUATION)
        assert not list(elsewhere.iterdir()) and not (folder / "mlflow.db").exists()

    @pytest.mark.parametrize(
        "uri",
        [
            "runs",
            "file:///tmp/mlruns",
            "databricks",
            "sqlite://",
            "ftp://x",
        ],
    )
    def test_another_uri_is_a_warning(
        self,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        tmp_path: Path,
        uri: str,
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert database(tmp_path) == tmp_path / "mlflow.db"
        (record,) = caplog.records
        assert (
            record.levelno == logging.WARNING
            and repr(uri) in record.getMessage()
            and str(tmp_path) in record.getMessage()
        )

    def test_a_run_with_a_nonsense_uri_is_in_the_embedded_store(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense")
        with live_run(tmp_path, PARAMS):
            pass
        assert len(runs(tmp_path)) == 1
        assert "MLFLOW_TRACKING_URI is 'nonsense'" in caplog.text


class TestHasCompleteRun:
    def test_needs_the_key_the_tag_and_life(self, shared: Path) -> None:
        store, key = Store(shared), key_of("has")
        run_id = store.create_run({}, {KEY: key})
        store.client.set_terminated(run_id)
        assert not has_complete_run(shared, key, EVALUATION)
        store.client.set_tag(run_id, COMPLETE, EVALUATION)
        assert has_complete_run(shared, key, EVALUATION)
        assert not has_complete_run(shared, key_of("other"), EVALUATION)
        assert not has_complete_run(shared, key, "measured otherwise")
        store.client.delete_run(run_id)
        assert not has_complete_run(shared, key, EVALUATION)
        store.client.restore_run(run_id)
        assert has_complete_run(shared, key, EVALUATION)

    def test_needs_that_no_run_is_left_running(self, shared: Path) -> None:
        """MLflow has to look whether its process still lives."""
        store, key = Store(shared), key_of("beside another")
        store.client.set_terminated(store.create_run({}, {KEY: key, COMPLETE: EVALUATION}))
        assert has_complete_run(shared, key, EVALUATION)
        other = store.create_run({}, {"process": ""})
        assert not has_complete_run(shared, key, EVALUATION)
        store.sweep()
        assert store.client.get_run(other).info.status == "KILLED"
        assert has_complete_run(shared, key, EVALUATION)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda file: None,
            lambda file: file.write_bytes(b""),
            lambda file: file.write_bytes(b"no database" * 1000),
            lambda file: file.mkdir(),
            lambda file: sqlite3.connect(file).close(),
        ],
        ids=["missing", "empty", "garbage", "folder", "without tables"],
    )
    def test_is_false_without_a_database(
        self, tmp_path: Path, damage: Callable[[Path], Any]
    ) -> None:
        damage(tmp_path / "mlflow.db")
        before = sorted(tmp_path.iterdir())
        assert not has_complete_run(tmp_path, "0", EVALUATION)
        assert sorted(tmp_path.iterdir()) == before

    def test_of_a_server_only_mlflow_can_say(
        self, monkeypatch: pytest.MonkeyPatch, shared: Path
    ) -> None:
        store = Store(shared)
        store.client.set_terminated(
            store.create_run({}, {KEY: key_of("on a server"), COMPLETE: EVALUATION})
        )
        assert has_complete_run(shared, key_of("on a server"), EVALUATION)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://runs.invalid")
        assert not has_complete_run(shared, key_of("on a server"), EVALUATION)


class TestKey:
    def test_depends_on_values_and_model_alone(self) -> None:
        assert result_key({"a": 1, "b": {"c": [1, 2]}}, "0") == result_key(
            {"b": {"c": [1, 2]}, "a": 1}, "0"
        )
        different: list[tuple[dict[str, Any], str]] = [
            ({"a": 1}, "0"),
            ({"a": 2}, "0"),
            ({"a": 1}, "1"),
            ({"a": "1"}, "0"),
            ({"a": {"a": 1}}, "0"),
            ({"a": 1.5}, "0"),
        ]
        assert len({result_key(*values) for values in different}) == len(different)
        assert len(result_key({}, "")) == 64


class TestFolder:
    def test_of_a_worktree_is_the_repositorys(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "gitconfig").write_text(
            "[user]\nname = t\nemail = t@example.org\n", encoding="utf-8"
        )
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
        here, worktree, bare = tmp_path / "here", tmp_path / "worktree", tmp_path / "bare.git"

        def git(*arguments: str) -> None:
            subprocess.run(["git", *arguments], check=True, cwd=tmp_path, capture_output=True)

        git("init", "-q", str(here))
        git("-C", str(here), "commit", "-qm", "x", "--allow-empty")
        git("-C", str(here), "worktree", "add", str(worktree))
        assert store_folder(here) == here / ".mlflow"
        assert store_folder(worktree) == here / ".mlflow"
        git("clone", "-q", "--bare", str(here), str(bare))
        git("-C", str(bare), "worktree", "add", "--detach", str(tmp_path / "of bare"))
        assert store_folder(tmp_path / "of bare") == bare / ".mlflow"
        for folder in (here, worktree, tmp_path / "of bare"):
            (folder / "project").mkdir()
        assert store_folder(here / "project") == here / "project" / ".mlflow"
        assert store_folder(worktree / "project") == here / "project" / ".mlflow"
        assert store_folder(tmp_path / "of bare" / "project") == bare / "project" / ".mlflow"

    def test_without_git_is_in_the_repository(self, tmp_path: Path) -> None:
        assert store_folder(tmp_path) == tmp_path / ".mlflow"
