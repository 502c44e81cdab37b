"""`digits check`: params are read as the stages read them, and nothing runs."""

from pathlib import Path

import pytest

from digits.__main__ import main
from tests.imports import ROOT


def test_the_committed_params_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(ROOT / "params.yaml")
    assert main(["check", file]) == 0
    assert capsys.readouterr().out == f"{file} can be run.\n"


def test_every_mistake_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(
        text.replace("folds: 6", "folds: 1").replace("model: svm", "model: svn"), encoding="utf-8"
    )
    assert main(["check", str(file)]) == 1
    said = capsys.readouterr().err
    assert "split.folds is 1: it must be" in said and "train.model is 'svn': allowed are" in said
    assert main(["check", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err
