"""`python -m digits predict`: what it prints of pictures, and of files that it cannot read."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from digits.__main__ import main
from digits.commands import readers
from digits.commands.output import probability_text
from tests.drawn import encoded
from tests.reading import HELD_OUT, SVM, save_svm, write_picture, y
from tests.scratch import Project
from tests.small import IMAGES


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model of the ten digits; whether it is dvc.lock's is not asked here."""
    save_svm(tmp_path / "models")
    monkeypatch.setattr(readers, "ROOT", tmp_path)
    monkeypatch.setattr(readers, "workspace_target", lambda: "digit")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_cannot_be_read_stops_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = workspace / "scans"
    for number in (0, 1, 10):
        write_picture(scans / f"{number}.png", number)
    (scans / "2.png").write_bytes((scans / "1.png").read_bytes()[:200])
    (scans / "3.png").write_bytes(encoded(np.full((50, 50), 200)))
    assert main(["predict", "scans", "no.png"]) == 1
    printed = capsys.readouterr()
    expected = SVM.predict(IMAGES[HELD_OUT][[0, 1, 10]])
    lines = [line.split("  ") for line in printed.out.splitlines()]
    assert [Path(name) for name, *_ in lines] == [
        Path("scans") / f"{number}.png" for number in (0, 1, 10)
    ]
    assert [int(digit) for _, digit, _ in lines] == expected.tolist()
    assert all(probability.endswith(" %") for *_, probability in lines)
    damaged, blank, missing, count = printed.err.splitlines()
    assert damaged.startswith("digits: ") and "2.png is damaged or unfinished" in damaged
    assert "3.png holds no ink" in blank and "no.png is not there" in missing
    names = f"{Path('scans/2.png')}, {Path('scans/3.png')}, no.png"
    assert count == f"digits: 3 of 6 not answered: {names}."
    assert main(["predict", "scans/1*.png"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_no_picture_is_counted_and_named(
    workspace: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    scans = workspace / "scans"
    write_picture(scans / "1.png", 1)
    write_picture(scans / "sub" / "2.png", 2)
    shutil.copy(scans / "1.png", scans / "no_suffix")
    shutil.copy(scans / "1.png", scans / "renamed.HEIC")
    (scans / "empty").mkdir()
    for name in ("a.HEIC", "b.heif", "c.pdf", "d.svg", "e.cr2", "f.txt", "g.mov"):
        (scans / name).write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0" * 20)
    (scans / ".DS_Store").touch()
    assert main(["predict", "scans", *(["--json"] if as_json else [])]) == 1
    printed = capsys.readouterr()
    unread = ["a.HEIC", "b.heif", "c.pdf", "d.svg", "e.cr2", "empty", "f.txt", "g.mov", "sub"]
    *sentences, count = printed.err.splitlines()
    for name, sentence in zip(unread, sentences, strict=True):
        assert f"digits: {Path('scans') / name} is " in sentence and "allowed" in sentence
    assert "sub is a folder within what was named" in sentences[-1]
    assert count.startswith("digits: 9 of 12 not answered: ")
    assert all(name in count for name in unread)
    lines = printed.out.splitlines()
    if as_json:
        errors = [Path(line["path"]).name for line in map(json.loads, lines) if "error" in line]
        assert errors == unread and len(lines) == 12
    else:
        names = [Path(line.split("  ")[0]).name for line in lines]
        assert names == ["1.png", "no_suffix", "renamed.HEIC"]


def test_a_page_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = [Image.open(write_picture(workspace / f"{i}.png", i)).convert("RGB") for i in range(3)]
    pages[0].save(workspace / "ten.gif", save_all=True, append_images=pages[1:])
    assert main(["predict", "ten.gif", "--explain", "seen.png"]) == 0
    names = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["ten.gif[1]", "ten.gif[2]", "ten.gif[3]"]
    assert main(["predict", "ten.gif", "--json"]) == 0
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [(line["path"], line["page"]) for line in lines] == [("ten.gif", n) for n in (1, 2, 3)]


def test_what_the_terminal_s_encoding_lacks_is_escaped(project: Project) -> None:
    """And nothing is imported for pictures that nobody asked for."""
    scans = project.path / "narrow"
    write_picture(scans / "0数字.png", 0)
    write_picture(scans / "a.png", 1)
    (scans / "z数.png").write_bytes(b"")
    code = """
import sys
from digits.__main__ import main
code = main(["predict", "narrow"])
assert not {"matplotlib", "mlflow"} & sys.modules.keys()
sys.exit(code)
"""
    command = [sys.executable, "-c", code]
    env = project.env | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=project.path, env=env, capture_output=True, check=False)
    assert done.returncode == 1
    names = [line.split(b"  ")[0] for line in done.stdout.splitlines()]
    assert names == [rb"narrow/0\u6570\u5b57.png", b"narrow/a.png"]
    assert rb"digits: narrow/z\u6570.png is no picture" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_so_is_what_other_encodings_lack(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    write_picture(workspace / "é数.png", 0)
    out, err = (TextIOWrapper(BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["predict", "é数.png", "数.png"]) == 1
    for stream, name in ((out, "é\\u6570.png  "), (err, "\\u6570.png is not there")):
        stream.flush()
        assert name in stream.buffer.getvalue().decode(encoding)


def test_a_name_may_be_of_bytes_that_are_no_text(project: Project) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (project.path / "scans").mkdir()
    for number, file in enumerate((name, "second.png")):
        write_picture(project.path / "scans" / file, number)
    command = [sys.executable, "-m", "digits", "predict", "scans", "--explain", "seen.png"]
    env = project.env | {"PYTHONIOENCODING": "utf-8:strict"}
    process = subprocess.run(command, cwd=project.path, env=env, capture_output=True, check=False)
    assert (process.returncode, process.stderr) == (0, b"")
    assert [line.split(b"  ")[0] for line in process.stdout.splitlines()] == [
        b"scans/caf\xe9.png",
        b"scans/second.png",
    ]
    assert (project.path / "seen.png").exists()


def test_a_name_with_a_line_feed_is_one_line(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(workspace / "scans" / "a\nb  9  99.0 %.png", 0)
    (workspace / "scans" / "c\x1b[2Jd.png").write_bytes(b"")
    assert main(["predict", "scans"]) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1 and r"a\nb" in printed.out
    assert len(printed.err.splitlines()) == 2 and printed.err.count(r"c\x1b[2Jd.png") == 2


def test_json_is_a_line_for_each(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(write_picture(workspace / "0.png", 0))
    assert main(["predict", name, "no.png", "--json"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "path": name,
        "digit": int(SVM.predict(IMAGES[HELD_OUT][:1])[0]),
        "probability": first["probability"],
    }
    assert 0.5 < first["probability"] <= 1
    assert (
        second.keys() == {"path", "error"}
        and second["path"] == "no.png"
        and "is not there" in second["error"]
    )
    shutil.rmtree(workspace / "models" / "validation")
    assert main(["predict", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["probability"] is None
    assert main(["predict", name]) == 0
    assert capsys.readouterr().out.endswith("  -\n")


def test_nothing_but_certainty_reads_as_100_percent() -> None:
    texts = [probability_text(probability) for probability in (1.0, 0.99999, 0.9994, 0.5, None)]
    assert texts == ["100.0 %", ">99.9 %", "99.9 %", "50.0 %", "-"]


def test_explain_shows_the_picture_beside_what_the_model_saw(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(32):
        write_picture(workspace / "scans" / f"{number}.png", number)
    assert main(["predict", "scans", "--explain", "seen.png"]) == 0
    assert imread(workspace / "seen.png").shape[1] > 1000
    assert not list(workspace.glob("*.new"))
    assert main(["predict", "scans", "--explain", "no/seen.png"]) == 1
    assert "--explain no" in capsys.readouterr().err
    (workspace / "seen.png").unlink()
    assert main(["predict", "no.png", "--explain", "seen.png"]) == 1
    assert (
        "no picture could be read" in capsys.readouterr().err
        and not (workspace / "seen.png").exists()
    )


def test_predict_in_a_reproduced_repository(project: Project, here: Callable[..., str]) -> None:
    name = str(write_picture(project.path / "scan.png", 0))
    printed = project.run(sys.executable, "-m", "digits", "predict", name, "--explain", "seen.png")
    assert printed.startswith(f"{name}  {y[0]}  ") and printed.endswith(" %\n")
    assert (project.path / "seen.png").stat().st_size > 1000
    shutil.rmtree(project.path / "models")
    assert "`dvc repro` makes it" in here(project, "predict", name, fails=True)
