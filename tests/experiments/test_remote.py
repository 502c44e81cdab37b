"""DVC's remote, when the library for it is not installed."""

import sys

import pytest

from digits.__main__ import main
from tests.scratch import Project


@pytest.mark.parametrize(
    ("url", "command"),
    [("s3://bucket/dvc", "pip install '.[s3]'"), ("ssh://host/dvc", "pip install dvc-ssh")],
)
def test_a_missing_library_for_the_remote_is_named(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    command: str,
) -> None:
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    for module in ("dvc_s3", "dvc_ssh"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("digits.commands.compare.ROOT", project.path)
    settings = project.path / ".dvc" / "config.local"
    settings.write_text(f"['remote \"storage\"']\n    url = {url}\n", encoding="utf-8")
    assert main(["compare", "main"]) == 1
    said = capsys.readouterr().err
    assert f"`{command}` brings what it needs." in said and said.count("\n") == 1
