"""What is said when there is no way to a Dask cluster."""

import threading
import time

import pytest

from digits.common.cluster import connect
from digits.common.errors import BadInput
from tests.dask_cluster import needs_dask
from tests.runs import free_port

pytestmark = [pytest.mark.services, needs_dask]


def test_a_scheduler_that_does_not_answer_is_a_sentence_within_seconds() -> None:
    address, start = f"tcp://127.0.0.1:{free_port()}", time.monotonic()
    with pytest.raises(BadInput, match=f"no Dask scheduler answers at .*{address}"):
        connect(address)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "http://127.0.0.1:1", "tcp://a b:1"])
def test_what_is_no_address_is_a_sentence(address: str) -> None:
    threads = threading.active_count()
    with pytest.raises(BadInput, match="no Dask scheduler answers"):
        connect(address)
    assert threading.active_count() == threads, "a client is left, which may wait for itself"
