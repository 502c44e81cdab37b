"""The folder from which a killed training goes on: whose it is, and when it goes."""

import os
import subprocess
import sys
from pathlib import Path

from stages.runner.checkpoints import WEEK, open_checkpoints
from tests.imports import ROOT

ONE, OTHER = "a" * 64, "b" * 64
AT_WORK = """
import sys
from pathlib import Path
from stages.runner.checkpoints import open_checkpoints
with open_checkpoints(Path(sys.argv[1]), "train", sys.argv[2]) as folder:
    (folder / "some").mkdir(parents=True)
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_they_belong_to_one_training_at_a_time_and_are_free_once_it_is_killed(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", AT_WORK, str(tmp_path), ONE]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout and first.stdout.readline() == "at work\n"
        (folder,) = (tmp_path / ".checkpoints").iterdir()
        with open_checkpoints(tmp_path, "train", ONE) as second:
            assert second is None
        assert (folder / "some").is_dir(), "what ends removes its own checkpoints alone"
        os.utime(folder, (0, 0))
        with open_checkpoints(tmp_path, "train", OTHER) as second:
            assert second and second != folder
        assert (folder / "some").is_dir(), "old, but in use"
        first.kill()
    os.utime(folder)
    with open_checkpoints(tmp_path, "train", ONE) as third:
        assert third == folder and (folder / "some").is_dir()
    assert not list((tmp_path / ".checkpoints").iterdir()), "done"


def test_those_of_other_inputs_go_after_a_week(tmp_path: Path) -> None:
    kept = tmp_path / ".checkpoints"
    for name, age in (("train-old", WEEK + 60), ("train-new", WEEK - 60), ("other-old", 2 * WEEK)):
        (kept / name).mkdir(parents=True)
        then = (kept / name).stat().st_mtime - age
        os.utime(kept / name, (then, then))
    with open_checkpoints(tmp_path, "train", ONE):
        assert {path.name for path in kept.iterdir()} == {"train-new", "other-old"}
