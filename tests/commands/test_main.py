"""`python -m digits`: one list of commands, one way to fail."""

import argparse
import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from digits import __main__ as program
from digits.__main__ import COMMANDS, main
from digits.common.errors import BadInput
from digits.experiments.revisions import NotCached
from tests.imports import ROOT

REQUIRED = {"promote": ["x"], "restore": ["x"], "predict": ["x.png"], "evaluate": ["x"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m digits {command} [-h]")
    assert "\n\n" in text and "None" not in text


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines if line and line[0] in COMMANDS] == list(COMMANDS)


def test_every_module_that_runs_is_in_the_list() -> None:
    modules = list((ROOT / "digits" / "commands").glob("*.py"))
    runnable = {path.stem for path in modules if "\ndef run(" in path.read_text(encoding="utf-8")}
    assert runnable == set(COMMANDS)


def test_make_calls_commands_that_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    called = set(re.findall(r"python -m digits (\S+)", makefile))
    assert {"report", "queue", "ladder", "ui", "serve", "draw"} <= called <= set(COMMANDS)


def test_the_environment_is_set_before_a_command_runs() -> None:
    code = (
        "import os; from digits import __main__ as program; from digits.commands import best\n"
        "best.run = lambda _: print(os.environ['MLFLOW_DISABLE_TELEMETRY'])\n"
        "program.main(['best'])"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=env, text=True)
    assert printed == "true\n"


def test_parsing_imports_nothing_but_the_standard_library() -> None:
    """So `--help` is quick, and NumPy reads its settings after they are set."""
    code = "import sys, digits.__main__ as program; program._parser(); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
    roots = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    plain = subprocess.check_output([sys.executable, "-c", "import sys; print(*sys.modules)"])
    started = {name.partition(".")[0] for name in plain.decode().split()}
    assert roots - started == {"digits"}
    assert len([name for name in loaded if name.startswith("digits.commands.")]) >= len(COMMANDS)


@pytest.mark.parametrize(("number", "reason"), [(errno.EROFS, "Read-only"), (errno.ENOSPC, "No")])
def test_where_nothing_can_be_written_is_one_sentence(
    number: int, reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DVC says it of its own folder."""

    def fail(_: argparse.Namespace) -> None:
        raise OSError(number, os.strerror(number), ".dvc/tmp/exps")

    monkeypatch.setattr("digits.commands.queue.run", fail)
    assert main(["queue"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"digits: .dvc/tmp/exps could not be written ({reason}")
    assert said.count("\n") == 1


def test_another_error_of_the_system_is_no_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise OSError(errno.EIO, "Input/output error", "x")

    monkeypatch.setattr("digits.commands.queue.run", fail)
    with pytest.raises(OSError, match="Input/output"):
        main(["queue"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_fails_in_one_sentence(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr(f"digits.commands.{command}.run", fail)
    for error, code in ((BadInput("It is so."), 1), (NotCached("It is elsewhere."), 3)):
        assert main([command, *REQUIRED.get(command, [])]) == code
        printed = capsys.readouterr()
        assert (printed.out, printed.err) == ("", f"digits: {error}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_leaves_no_traceback(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"digits.commands.{command}.run", interrupt)
    assert main([command, *REQUIRED.get(command, [])]) == program.INTERRUPTED == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    code = (
        "import sys; from digits import __main__ as program; from digits.commands import best\n"
        "def run(_):\n"
        "    while True: print('x' * 1000, flush=True)\n"
        "best.run = run\n"
        "sys.exit(program.main(['best']))"
    )
    with (tmp_path / "errors").open("w+") as errors:
        with subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            assert process.stdout
            process.stdout.read(10)
            process.stdout.close()
        assert process.returncode == 1
        errors.seek(0)
        assert errors.read() == ""


def test_a_command_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["train"], []):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_sentence_can_be_printed(encoding: str) -> None:
    command = [sys.executable, "-m", "digits", "predict", "数字.png", "--explain", "無/字.png"]
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith(rb"digits: --explain \u7121/\u5b57.png")
    command = [sys.executable, "-m", "digits", "predict", "--数"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=False)
    assert done.returncode == 2 and b"Traceback" not in done.stderr


def test_another_python_goes_on_with_the_environments_own(tmp_path: Path) -> None:
    bare, project = tmp_path / "bare", tmp_path / "project"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    shutil.copytree(ROOT / "digits", project / "digits")
    command = [str(bare / "bin" / "python"), "-m", "digits", "catalogue"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"lacks this project's packages (dvc, " in done.stderr and b"make repro" in done.stderr
    (project / ".venv").symlink_to(Path(sys.prefix))
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith(b"#"), done.stderr
