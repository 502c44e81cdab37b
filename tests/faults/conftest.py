"""The campaign of faults, beside the suite: `make test-faults` counts what came of each."""

import resource
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.tally import COUNTED, SEED, TRIED, Tally

GIBIBYTE = 1 << 30
_FIGURES: dict[str, Counter[str]] = {}


@pytest.fixture
def tally(record_property: Callable[[str, Any], None]) -> Iterator[Tally]:
    """What a test counts; it fails in the end if any fault was not borne."""
    tally = Tally()
    yield tally
    record_property(TRIED, tally.tried)
    for kind, found in tally.found.items():
        record_property(kind, len(found))
    if any(tally.found.values()):
        pytest.fail(tally.summary(), pytrace=False)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """What wants more than two gibibytes more than there are gets a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + 2 * GIBIBYTE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    part = Path(report.nodeid.split("::")[0]).stem.removeprefix("test_")
    figures = _FIGURES.setdefault(part, Counter())
    figures["milliseconds"] += round(1000 * report.duration)
    if report.when == "teardown":
        counted = (TRIED, *COUNTED)
        figures.update({name: n for name, n in report.user_properties if name in counted})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    total: Counter[str] = sum(_FIGURES.values(), Counter())
    if not total[TRIED]:  # other tests ran
        return
    terminalreporter.section(f"faults (DIGITS_FAULTS_SEED={SEED})")
    for part, figures in [*sorted(_FIGURES.items()), ("in all", total)]:
        said = ", ".join(f"{figures[name]} {name}" for name in (TRIED, *COUNTED))
        seconds = figures["milliseconds"] // 1000
        terminalreporter.write_line(f"{part}: {said}, in {seconds} s of one core")
