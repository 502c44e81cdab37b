"""Locks: one at a time, free after a kill, and one sentence where there are none."""

import errno
import os
from pathlib import Path

import pytest

from digits.common.errors import BadInput
from digits.common.locks import hold


def test_one_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with hold(file) as first, hold(file, blocking=False) as second:
        assert first and not second
    with hold(file, blocking=False) as free:
        assert free


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOLCK, "keep the repository on another"),
        (errno.EOPNOTSUPP, "keep the repository on another"),
        (errno.EROFS, "must be allowed to write there"),
        (errno.ENOSPC, "make room there"),
    ],
)
def test_no_lock_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, cure: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(BadInput, match=cure) as refusal, hold(tmp_path / "lock"):
        pass
    assert str(refusal.value).startswith(f"{tmp_path / 'lock'} cannot be locked")


def test_what_fails_within_is_not_the_locks(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), hold(tmp_path / "lock"):
        raise OSError("mine")
