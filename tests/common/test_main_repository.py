"""Which project a stage works for, also in DVC's copies and in a pipeline around this one."""

from pathlib import Path

import pytest

from digits.common.environment import main_repository


@pytest.mark.parametrize(
    ("dvc_root", "here", "expected"),
    [
        ("", "main", "main"),
        ("main", "main", "main"),
        ("main", "main/.dvc/tmp/exps/standalone/tmpx", "main"),
        ("main", "main/.dvc/tmp/exps/tmpx", "main"),
        ("mono/p", "mono/p/.dvc/tmp/exps/tmpx/p", "mono/p"),
        ("outer", "outer/digits", "outer/digits"),
        ("outer", "outer/.dvc/tmp/exps/standalone/tmpx/digits", "outer/digits"),
        ("other", "main", "main"),
    ],
)
def test_main_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dvc_root: str, here: str, expected: str
) -> None:
    for project in (here, expected):
        (tmp_path / project / "stages").mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / dvc_root) if dvc_root else "")
    assert main_repository(tmp_path / here) == tmp_path / expected
