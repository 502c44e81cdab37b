"""A Dask cluster: where it is, how to reach it, and what its workers must have.

Functions that are sent to the workers are handed over as they are: a worker needs no copy of this
project to say which versions it has.
"""

import asyncio
import logging
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING

from digits.common import versions
from digits.common.errors import BadInput
from digits.common.extras import install_command

# By name: what is sent to the workers takes along what it names, and a module all that it imports.
from digits.common.versions import other_versions

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3


def cluster_address() -> str:
    """The Dask scheduler that DASK_SCHEDULER_ADDRESS names; empty when there is none."""
    return os.environ.get("DASK_SCHEDULER_ADDRESS", "")


def connect(address: str, *sent: ModuleType) -> "Client":
    """Connect to a Dask scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler.
    *sent : module
        Modules whose functions are sent to workers that have no copy of them.

    Raises
    ------
    BadInput
        When Dask is not installed, or nothing answers within 3 seconds.
    """
    try:
        import cloudpickle
        from distributed import Client
    except ImportError as error:
        raise BadInput(
            f"DASK_SCHEDULER_ADDRESS is set, and {error.name} is not installed: "
            f"{install_command(error.name or 'distributed')} installs it."
        ) from error
    for module in (sys.modules[__name__], versions, *sent):
        cloudpickle.register_pickle_by_value(module)
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a sentence here says it
    try:
        # A client that did not come to be would wait for itself if Python clears it away later.
        asyncio.run(_knock(address))
        return Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(
            f"no Dask scheduler answers at DASK_SCHEDULER_ADDRESS={address} ({reason}): "
            "`dask scheduler` starts one."
        ) from error


async def _knock(address: str) -> None:
    """Connect to a scheduler and leave. Raises OSError, ValueError or TypeError."""
    from distributed.comm import connect as connect_to
    from distributed.security import Security

    keys = Security().get_connection_args("client")
    connection = await connect_to(address, timeout=CONNECT_SECONDS, **keys)
    await connection.close()


def check_versions(
    client: "Client", packages: Iterable[str], patience: float | None = None
) -> dict[str, str]:
    """Wait for a worker, and check that all have the sender's versions.

    Parameters
    ----------
    client : Client
        Of the cluster.
    packages : iterable of str
        Whose versions are compared, beside Python's.
    patience : float or None
        Seconds to wait for a first worker; None: until there is one.

    Returns
    -------
    dict of str to str
        The sender's versions, by name.

    Raises
    ------
    BadInput
        When a worker has another version, or no worker comes; the sentence names it.
    """
    address = client.scheduler.address
    if not client.nthreads():
        log.warning(
            "no worker is at the scheduler: waiting for one (`dask worker %s` starts it)", address
        )
        try:
            client.wait_for_workers(1, patience)
        except TimeoutError as error:
            raise BadInput(
                f"no worker came to the Dask scheduler within {patience:.0f} seconds: "
                f"`dask worker {address}` starts one."
            ) from error
    wanted = read_versions(["python", *packages])
    # Functions do not travel from one Python to another: so Dask itself says which they are.
    for worker, found in client.get_versions()["workers"].items():
        python = found["host"]["python"].rpartition(".final")[0]
        if python != wanted["python"]:
            raise BadInput(
                f"the worker {worker} has Python {python}, the sender {wanted['python']}: "
                "install the same."
            )
    for worker, others in client.run(other_versions_here, wanted).items():
        if others:
            raise BadInput(
                f"the worker {worker} has {', '.join(others)}: install the lock files there "
                "(`pip install -r requirements.lock -r tools.lock`)."
            )
    return wanted


def read_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of the packages with these names, here."""
    found = {}
    for name in names:
        try:
            found[name] = platform.python_version() if name == "python" else version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def other_versions_here(wanted: Mapping[str, str]) -> list[str]:
    """Return "numpy 2.4.5 (the sender's is 2.4.6)" for each package that is another one here."""
    return other_versions(read_versions(wanted), wanted, "the sender's")
