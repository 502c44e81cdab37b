"""PostgreSQL and an S3 API on this machine, as several machines would share them.

PostgreSQL is Debian's; the S3 API is moto's server, which keeps its buckets in memory.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from tests.runs import free_port, python

# In each password, and in each part of one that a library might cut out of an address.
SECRET = "geheim"

PASSWORD = "geheim@geheim:geheim/geheim%geheim é&?#"  # all signs that mean something in an address

USER = "runs"  # and the name of the database

BUCKET = "digits"

PACKAGES = ("boto3", "dvc_s3", "moto.server", "psycopg")


def what_is_missing() -> str:
    """Why these services cannot run here, in words; else empty."""
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        return f"{', '.join(missing)} not installed: `make test-services` does it"
    return "" if _binaries() else "no PostgreSQL server here: `apt-get install postgresql`"


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package is
        return False


def _binaries() -> Path | None:
    """The folder of PostgreSQL's server, which Debian does not put on the path."""
    found = [Path(path).resolve().parent for path in filter(None, [shutil.which("initdb")])]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    return next(
        (folder for folder in [*found, *debian[::-1]] if (folder / "postgres").exists()), None
    )


@dataclass
class Postgres:
    """A PostgreSQL server with an empty database; `start` and `stop` may be called again."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address, with the password."""
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{USER}"

    @property
    def shown(self) -> str:
        """Its address as it may be shown."""
        return f"postgresql://127.0.0.1:{self.port}/{USER}"

    def make(self) -> None:
        """Make its files; as root, those of a user without rights, as PostgreSQL demands."""
        self.folder.mkdir(mode=0o700)
        password = self.folder.with_name("password")
        password.write_text(PASSWORD, encoding="utf-8")
        if self._user:
            for path in (self.folder.parent, self.folder, password):
                shutil.chown(path, self._user)
        self._run(
            *("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"),
            *(f"--username={USER}", f"--pwfile={password}", f"--pgdata={self.folder}"),
        )
        password.unlink()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [word for item in settings.items() for word in ("-c", "=".join(item))]
        binaries = _binaries()
        assert binaries
        with self.folder.with_name("log").open("ab") as log:
            self.process = subprocess.Popen(
                [binaries / "postgres", "-D", self.folder, "-p", str(self.port), *options],
                user=self._user,
                cwd=self.folder,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while self._runs("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and its connections, as a restart of its machine would."""
        if self.process:
            self.process.send_signal(2)  # SIGINT: it does not wait for its clients
            self.process.wait(timeout=30)
            self.process = None

    @property
    def log(self) -> str:
        """All that the server has said."""
        return self.folder.with_name("log").read_text(encoding="utf-8", errors="replace")

    @property
    def _user(self) -> str | None:
        if os.getuid():
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def _runs(self, program: str, *arguments: str) -> int:
        binaries = _binaries()
        assert binaries
        command: list[Any] = [binaries / program, *arguments]
        return subprocess.run(
            command,
            user=self._user,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            check=False,
        ).returncode

    def _run(self, program: str, *arguments: str) -> None:
        assert self._runs(program, *arguments) == 0


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server on a free port of 127.0.0.1, with an empty database."""
    with TemporaryDirectory(prefix="postgres-") as folder:  # not below pytest's, which is root's
        server = Postgres(Path(folder) / "data")
        server.make()
        server.start()
        try:
            _create_database(server)
            yield server
        finally:
            server.stop()


def _create_database(server: Postgres) -> None:
    import psycopg

    login = {"host": "127.0.0.1", "port": server.port, "user": USER, "password": PASSWORD}
    with psycopg.connect(dbname="postgres", autocommit=True, **login) as connection:
        connection.execute(f"CREATE DATABASE {USER}")


@dataclass
class S3:
    """An S3 API with one bucket, and the environment by which its clients find it."""

    url: str

    @property
    def env(self) -> Mapping[str, str]:
        """What MLflow's and DVC's clients read."""
        return {
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": f"{SECRET}/{SECRET}+",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": self.url,
        }

    def client(self) -> Any:
        """boto3's client."""
        import boto3

        key, secret, region, url = self.env.values()
        return boto3.client(
            "s3",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name=region,
            endpoint_url=url,
        )

    def names(self, prefix: str) -> list[str]:
        """The names of the objects that begin so."""
        answer = self.client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]

    @contextmanager
    def damaged(self, name: str) -> Iterator[None]:
        """Change one byte of an object for a while."""
        client = self.client()
        content = client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        middle = len(content) // 2
        wrong = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        client.put_object(Bucket=BUCKET, Key=name, Body=wrong)
        try:
            yield
        finally:
            client.put_object(Bucket=BUCKET, Key=name, Body=content)


@contextmanager
def s3(folder: Path) -> Iterator[S3]:
    """An S3 API on a free port of 127.0.0.1, with an empty bucket."""
    port = free_port()
    arguments = ("-m", "moto.server", "-H", "127.0.0.1", "-p", port)
    with python(*arguments, cwd=folder, log=folder / "s3.log") as process:
        api = S3(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{api.url}/moto-api/", timeout=5):
                    break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, "no S3 API"
                time.sleep(0.1)
        api.client().create_bucket(Bucket=BUCKET)
        yield api


@contextmanager
def services(folder: Path) -> Iterator[tuple[Postgres, S3]]:
    """Both of them."""
    with postgres() as database, s3(folder) as api:
        yield database, api
