"""A disk that is full, or a folder that may not be written to, while each out is written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.tally import Tally, run_command
from tests.faults.test_kills import Before, before, state  # noqa: F401 (a fixture)
from tests.scratch import STAGES, Project

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux can mount a disk in memory"),
]

OUTS = {
    "fetch": ["data"],
    "split": ["data"],
    "augment": ["data"],
    "train": [".", "metrics"],
    "evaluate": ["data", "metrics", "plots"],
    "track": [".mlflow"],
}
# Without this right even root may write only where the permissions say so.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk, and not in every container")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("left", [0, 8, 64, 512])
@pytest.mark.parametrize("stage", STAGES)
def test_full_disks(
    before: Before,  # noqa: F811
    disk: Path,
    tally: Tally,
    stage: str,
    left: int,
) -> None:
    """So many KiB are left; the new outs are made beside the former ones."""
    template, _ = before("softmax", stage)
    project = template.copy(disk / "digits")
    filler = disk / "filler"

    def fill() -> None:
        free = shutil.disk_usage(disk).free - left * 1024
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free))

    fault(project, template, stage, tally, f"{stage}, {left} KiB left", fill, filler.unlink)


@pytest.mark.parametrize(
    ("stage", "folder"), [(stage, folder) for stage in STAGES for folder in OUTS[stage]]
)
def test_read_only_folders(
    before: Before,  # noqa: F811
    tmp_path: Path,
    tally: Tally,
    stage: str,
    folder: str,
) -> None:
    template, _ = before("softmax", stage)
    project = template.copy(tmp_path / "digits")
    place = project.path / folder
    fault(
        project, template, stage, tally, f"{stage}, {folder} read-only",
        lambda: place.chmod(0o555), lambda: place.chmod(0o755), UNPRIVILEGED,
    )  # fmt: skip


def fault(
    project: Project,
    template: Project,
    stage: str,
    tally: Tally,
    name: str,
    begin: Callable[[], None],
    end: Callable[[], None],
    prefix: list[str] | None = None,
) -> None:
    """Run a stage while something is wrong, and `dvc repro` when it is not.

    DVC itself would delete the former outs before, and make room so; where it may not, it stops
    with a sentence of its own.
    """
    tally.tried += 1
    former = state(project)
    begin()
    _, failed = run_command(project, *(prefix or []), sys.executable, "-m", "stages", stage)
    end()
    now = state(project)
    if "Traceback" in failed:
        tally.traceback(f"{name}: {failed[-3000:]}")
    lost = sorted(set(former) - set(now))
    if lost and "`dvc checkout` brings them" not in failed:
        tally.lost(f"{name}: the former {lost[:4]} are gone\n{failed[-1500:]}")
    changed = {path for path in former.keys() & now.keys() if former[path] != now[path]}
    final = state(Project(template.path.parent / "now", template.home))
    if half := sorted(path for path in changed if now[path] != final.get(path)):
        tally.lost(f"{name}: {half[:4]} are neither the former nor the new ones")
    if left := [str(path) for path in project.path.glob("[!.]*/**/*.new")]:
        tally.lost(f"{name}: {left} are left")
    _, output = run_command(project, sys.executable, "-m", "dvc", "repro")
    if state(project) != final:
        tally.wrong(f"{name}: the next repro ends otherwise\n{failed[-1500:]}\n{output[-1500:]}")
