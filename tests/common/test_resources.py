"""How many threads may work, and how much memory there is."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sklearn.utils.parallel import delayed

from digits.common import resources
from digits.common.errors import BadInput
from digits.common.resources import all_threads, free_memory, n_threads, share_threads
from tests.imports import ROOT


class TestThreads:
    @pytest.mark.parametrize(("given", "expected"), [("1", 1), ("7", 7)])
    def test_are_what_the_environment_says(
        self, monkeypatch: pytest.MonkeyPatch, given: str, expected: int
    ) -> None:
        monkeypatch.setenv("DIGITS_THREADS", given)
        assert n_threads() == expected

    @pytest.mark.parametrize(("n", "expected"), [(1, 7), (2, 3), (8, 1), (sys.maxsize, 1)])
    def test_may_be_shared_by_several_processes(
        self, monkeypatch: pytest.MonkeyPatch, n: int, expected: int
    ) -> None:
        monkeypatch.setenv("DIGITS_THREADS", "7")
        monkeypatch.setattr(resources, "_sharing", 1)
        for _ in range(2):
            share_threads(n)
            assert n_threads() == expected

    @pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", " ", "²"])
    def test_nonsense_is_bad_input(self, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
        monkeypatch.setenv("DIGITS_THREADS", given)
        with pytest.raises(BadInput, match="DIGITS_THREADS"):
            n_threads()

    @pytest.mark.parametrize("given", [None, ""])
    def test_are_one_for_each_core_by_default(
        self, monkeypatch: pytest.MonkeyPatch, given: str | None
    ) -> None:
        monkeypatch.delenv("DIGITS_THREADS", raising=False)
        if given is not None:
            monkeypatch.setenv("DIGITS_THREADS", given)
        assert n_threads() == len(os.sched_getaffinity(0))

    @pytest.mark.parametrize("given", ["", "2"])
    def test_what_a_container_does_not_say_is_a_sentence(
        self, monkeypatch: pytest.MonkeyPatch, given: str
    ) -> None:
        def cpu_count() -> int:
            return int("")  # as joblib does of an empty cpu.cfs_quota_us

        monkeypatch.setenv("DIGITS_THREADS", given)
        monkeypatch.setattr("joblib.cpu_count", cpu_count)
        with pytest.raises(BadInput, match=r"^joblib cannot count the cores that this container"):
            n_threads()

    def test_are_those_that_this_process_may_use(self) -> None:
        allowed = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(allowed)})
            assert n_threads() == 1
        finally:
            os.sched_setaffinity(0, allowed)

    def test_a_warning_that_scikit_learn_s_threads_give_falsely_is_ignored(self) -> None:
        """A task of theirs gives it where it finds no warning filters; here it never gets any."""
        task, arguments, _ = delayed(abs)(-7)
        with all_threads():
            assert task(*arguments) == 7
        with pytest.warns(UserWarning, match="delayed` should be used"):
            assert task(*arguments) == 7


def test_peak_memory_is_the_most_there_was() -> None:
    """In a process of its own: what was before decides whether memory goes back to the system."""
    code = """
import numpy, psutil
from digits.common.resources import peak_memory
used = psutil.Process().memory_info
block = numpy.ones(25 * 2**20)
held = used().rss / 2**20
del block
assert used().rss / 2**20 < held - 150
assert held * 0.99 < peak_memory() < held + 150
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


MIB = 2**20
HUGE = str(2**63 - 4096)  # of a group of version 1 without a limit


class TestFreeMemory:
    """The files are as Linux writes them; the machine that runs the tests may have no groups."""

    @pytest.fixture
    def groups(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(resources, "_GROUPS", tmp_path)
        monkeypatch.setattr(resources, "_GROUP_OF_THIS_PROCESS", tmp_path / "of_this_process")
        return tmp_path

    @staticmethod
    def write(group: Path, version: int, most: str, held: int, files: int) -> None:
        group.mkdir(parents=True, exist_ok=True)
        names = {2: ("memory.max", "memory.current", "inactive_file")}.get(
            version, ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        (group / names[0]).write_text(f"{most}\n")
        (group / names[1]).write_text(f"{held}\n")
        (group / "memory.stat").write_text(f"anon 5\n{names[2]} {files}\nslab 7\n")

    @pytest.mark.parametrize(
        ("version", "lines", "folder"),
        [
            (2, "0::/a/b\n", "a/b"),
            (2, "0::/a/b\n", "a"),
            (2, "0::/\n", ""),
            (2, "0::/not/seen/in/the/container\n", ""),
            (2, "0::/../other\n", ""),
            (1, "9:name=systemd:/x\n4:memory:/a/b\n0::/\n", "memory/a/b"),
            (1, "9:name=systemd:/x\n4:memory:/a/b\n0::/\n", "memory/a"),
            (1, "4:memory:/docker/5f3a\n", "memory"),
        ],
    )
    def test_is_at_most_what_the_container_leaves(
        self, groups: Path, version: int, lines: str, folder: str
    ) -> None:
        (groups / "of_this_process").write_text(lines)
        self.write(groups / folder, version, str(100 * MIB), 70 * MIB, files=20 * MIB)
        assert free_memory() == 50

    def test_is_none_where_the_container_is_full(self, groups: Path) -> None:
        (groups / "of_this_process").write_text("0::/\n")
        self.write(groups, 2, str(100 * MIB), 101 * MIB, files=0)
        assert free_memory() == 0

    @pytest.mark.parametrize(("version", "most"), [(2, "max"), (1, HUGE), (2, ""), (2, "much")])
    def test_is_that_of_the_machine_where_the_container_sets_no_limit(
        self, groups: Path, version: int, most: str
    ) -> None:
        (groups / "of_this_process").write_text("4:memory:/\n0::/\n")
        self.write(groups / ("memory" if version == 1 else ""), version, most, MIB, files=0)
        machine = psutil.virtual_memory().available / MIB
        assert free_memory() == pytest.approx(machine, rel=0.5)

    @pytest.mark.usefixtures("groups")
    def test_is_that_of_the_machine_without_groups(self) -> None:
        machine = psutil.virtual_memory().available / MIB
        assert free_memory() == pytest.approx(machine, rel=0.5)

    def test_is_counted_here(self) -> None:
        assert 0 < free_memory() <= psutil.virtual_memory().total / MIB
