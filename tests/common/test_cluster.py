"""What is said where Dask is not installed."""

import sys

import pytest

from digits.common.cluster import connect
from digits.common.errors import BadInput


def test_without_the_extra_the_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BadInput, match=r"distributed is not installed: `pip install '\.\[cluster"):
        connect("tcp://127.0.0.1:1")
