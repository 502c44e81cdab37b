"""How many threads may work."""

import os
import subprocess
import sys

import pytest

from digits.common.errors import BadInput
from digits.common.resources import n_threads
from tests.imports import ROOT


class TestThreads:
    @pytest.mark.parametrize(("given", "expected"), [("1", 1), ("7", 7)])
    def test_are_what_the_environment_says(
        self, monkeypatch: pytest.MonkeyPatch, given: str, expected: int
    ) -> None:
        monkeypatch.setenv("DIGITS_THREADS", given)
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
