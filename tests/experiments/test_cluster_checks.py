"""What is said before queued experiments go to a Dask cluster."""

from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.experiments.cluster_checks import check_remotes, runs_server
from tests.scratch import Project


def test_remotes_must_be_there_and_at_a_place_that_is_the_same_for_all(
    newcomer: Project, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"git has no remote origin.*`git remote add origin URL`"):
        check_remotes(newcomer.path)
    hub = tmp_path / "hub.git"
    newcomer.git("remote", "add", "origin", "../../hub.git")
    with pytest.raises(BadInput, match="git's remote origin does not answer"):
        check_remotes(newcomer.path)
    newcomer.git("init", "-q", "--bare", str(hub))
    with pytest.raises(BadInput, match=r"`dvc remote modify --local storage url /where/it/is`"):
        check_remotes(newcomer.path)
    newcomer.dvc("remote", "modify", "--local", "storage", "url", str(tmp_path / "storage"))
    remotes = check_remotes(newcomer.path)
    assert remotes == ("origin", str(hub), "storage", str(tmp_path / "storage"))
    assert remotes.folders == [str(hub), str(tmp_path / "storage")]
    newcomer.dvc("remote", "modify", "--local", "storage", "url", "s3://digits")
    newcomer.dvc("remote", "modify", "--local", "storage", "endpointurl", "http://127.0.0.1:9")
    with pytest.raises(BadInput, match=r"need DVC's remote: .*dvc-s3|DVC's remote does not answer"):
        check_remotes(newcomer.path)
    newcomer.dvc("config", "--local", "core.remote", "none")
    with pytest.raises(BadInput, match="need DVC's remote"):
        check_remotes(newcomer.path)


def test_the_runs_go_to_a_server_and_not_to_a_file(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for uri in ("http://127.0.0.1:5000", "postgresql://u@runs.invalid/mlflow"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert runs_server() == {"MLFLOW_TRACKING_URI": uri}
    assert not caplog.text
    for uri in ("sqlite:///runs.db", "file:///runs", ""):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert runs_server() == {}
    assert caplog.text.count("names no server") == 3
