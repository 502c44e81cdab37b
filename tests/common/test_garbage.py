"""What is made within `without_garbage` is never searched again."""

import gc
from typing import Any

import pytest

from digits.common.garbage import without_garbage


def test_the_collector_rests_within_and_works_after() -> None:
    with without_garbage():
        assert not gc.isenabled()
        made: list[Any] = []
    assert gc.isenabled()
    assert not any(thing is made for thing in gc.get_objects())


def test_the_collector_works_again_after_an_error() -> None:
    with pytest.raises(ImportError), without_garbage():
        raise ImportError
    assert gc.isenabled()
