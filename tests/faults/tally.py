"""What came out of the faults that were tried."""

import os
import signal
import subprocess
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from digits.common.errors import BadInput
from tests.scratch import Project

SEED = int(os.environ.get("DIGITS_FAULTS_SEED", "15"))  # another one tries other faults
_SHARE = float(os.environ.get("DIGITS_FAULTS_SHARE", "1"))

TRIED, COUNTED = "faults tried", ("wrong results in silence", "results lost", "tracebacks")
_SHOWN = 40  # of one kind


def number(default: int) -> int:
    """How many faults are tried, by default so many; DIGITS_FAULTS_SHARE=0.1 tries a tenth."""
    return max(1, round(default * _SHARE))


class TookTooLong(BaseException):
    """No `except Exception` takes it for a damaged file."""


@dataclass
class Tally:
    """How many faults were tried, and what each that was not borne did."""

    tried: int = 0
    found: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in COUNTED})

    def wrong(self, what: str) -> None:
        """A result is not what it says, and nobody was told."""
        self.found["wrong results in silence"].append(what)

    def lost(self, what: str) -> None:
        """Something that was there, or should be, is not."""
        self.found["results lost"].append(what)

    def traceback(self, what: str) -> None:
        """Something came out that only a programmer understands, or nothing in time."""
        self.found["tracebacks"].append(what)

    @contextmanager
    def fault(self, name: str, seconds: int = 30) -> Iterator[None]:
        """Try one: what it does must be done in time, or be refused by a BadInput."""
        self.tried += 1
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(seconds)
        try:
            yield
        except BadInput:
            pass
        except (Exception, TookTooLong) as error:  # noqa: BLE001 (every one is counted)
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}:{last.lineno}"
            self.traceback(f"{name}: {type(error).__name__}: {str(error)[:200]} ({where})")
        finally:
            signal.alarm(0)

    def summary(self) -> str:
        """Some of what was found, kind by kind."""
        lines = []
        for kind, found in self.found.items():
            lines += [f"{kind}: {len(found)}"] if found else []
            lines += [f"  {what}" for what in sorted(set(found))[:_SHOWN]]
        return "\n".join(lines)


def _too_long(_: int, __: FrameType | None) -> None:
    raise TookTooLong


def run_command(project: Project, *words: str, timeout: int = 120) -> tuple[int, str]:
    """Return a command's exit code and all that it says."""
    done = subprocess.run(
        words,
        cwd=project.path,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    return done.returncode, done.stdout + done.stderr
