"""The database moves with its folder; what is wrong with one is said with its cure."""

import errno
import os
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import mlflow
import pytest

from digits.common.errors import BadInput
from digits.tracking.database import update_locations
from digits.tracking.registry import (
    download_champion,
    download_files,
    download_validation,
    find_champion,
    register_champion,
)
from digits.tracking.store import Store
from tests.runs import complete, finish, key_of, python

# MLflow's own, when it first imports its models.
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Path:
    """A repository with a run that is the champion; it is copied, not used."""
    folder = tmp_path_factory.mktemp("original")
    complete(folder / ".mlflow", key_of("first"), made)
    store = store_of(folder)
    (run,) = store.runs("")
    register_champion(store, run, {}, "the first")
    return folder


@pytest.fixture
def repository(original: Path, tmp_path: Path) -> Path:
    """Its place is one that MLflow's name for a file has to quote."""
    folder = tmp_path / "a b%20ä?"
    shutil.copytree(original, folder)
    return folder


def store_of(repository: Path) -> Store:
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # where MLflow writes what it used last
    return Store(repository / ".mlflow")


def tree(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


def locations(folder: Path) -> set[str]:
    """All texts in the database that hold a place of files."""
    with sqlite3.connect(folder / ".mlflow" / "mlflow.db") as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    return {word for word in dump.replace("'", "\n").splitlines() if word.startswith("file:")}


class TestMovedFolder:
    def test_of_a_copy_all_is_in_the_copy(
        self, original: Path, repository: Path, tmp_path: Path, made: Path
    ) -> None:
        """Runs, models, the champion; before, and what comes then."""
        before = tree(original)
        folder = repository / ".mlflow"
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        complete(folder, key_of("second"), made)
        assert tree(original) == before and tree(tmp_path)[0] == Path(repository.name)
        assert [path.name for path in tmp_path.iterdir()] == [repository.name]
        here = (folder / "artifacts").as_uri()
        assert len(locations(repository)) >= 5
        assert all(place == here or place.startswith(f"{here}/") for place in locations(repository))
        client = store_of(repository).client
        for name in ("first", "second"):
            (run,) = client.search_runs(["1"], f"tags.result_key = '{key_of(name)}'")
            target = tmp_path / name
            target.mkdir()
            found = Path(client.download_artifacts(run.info.run_id, "", str(target)))
            assert (found / "plots" / "errors.png").read_bytes() == b"a picture"
        model = download_champion(store_of(repository), tmp_path).model
        assert model.read_bytes() == (made / "model.skops").read_bytes()
        version = find_champion(store_of(repository))
        assert version
        loaded = mlflow.artifacts.download_artifacts("models:/digits@champion")
        assert (Path(loaded) / "model.skops").read_bytes() == model.read_bytes()

    def test_moved_again_and_again(self, repository: Path, tmp_path: Path) -> None:
        for name in ("b", "a", "a longer name/below"):
            moved = tmp_path / name
            moved.parent.mkdir(exist_ok=True)
            repository = repository.rename(moved)
            assert download_champion(store_of(moved), tmp_path).model.is_file()
            assert all(moved.as_uri() in place for place in locations(moved))

    def test_seen_at_two_places_at_once(self, repository: Path) -> None:
        """As on a machine and in a container: what a process logs goes where it sees the folder."""
        folder = repository / ".mlflow"
        store = store_of(repository)
        elsewhere = "file:///of/a/container/.mlflow/artifacts"
        with sqlite3.connect(folder / "mlflow.db") as connection:
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE name = 'digits'", [elsewhere]
            )
            connection.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid", [elsewhere])
        connection.close()
        with store.locked():
            run_id = store.create_run({}, {})
            store.client.log_text(run_id, "hello", "hello.txt")
        assert len(list(folder.glob("artifacts/**/hello.txt"))) == 1
        assert not any("container" in place for place in locations(repository))

    @pytest.mark.slow
    def test_several_processes_find_it_moved_at_once(self, repository: Path) -> None:
        code = """
import sys
from multiprocessing import get_context
from pathlib import Path
from digits.tracking.database import update_locations
fork = get_context("fork")
together = fork.Barrier(8)

def update(file):
    together.wait()
    update_locations(file)

processes = [fork.Process(target=update, args=(Path(sys.argv[1]),)) for _ in range(8)]
for process in processes:
    process.start()
for process in processes:
    process.join()
    assert process.exitcode == 0
"""
        with python("-c", code, repository / ".mlflow" / "mlflow.db") as process:
            finish(process)
        assert all(repository.as_uri() in place for place in locations(repository))

    def test_a_persons_own_place_of_files_stays(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file, big_disk = tmp_path / "my" / "runs.db", tmp_path / "big disk" / "artifacts"
        big_disk.mkdir(parents=True)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
        store = Store(tmp_path / ".mlflow")
        for place in (big_disk.as_uri(), "s3://bucket/artifacts"):
            with sqlite3.connect(file) as connection:
                connection.execute("UPDATE experiments SET artifact_location = ?", [place])
            connection.close()
            update_locations(file)
            experiment = store.client.get_experiment(store.experiment_id)
            assert experiment.artifact_location == place

    def test_files_that_are_gone_are_named(self, repository: Path, tmp_path: Path) -> None:
        store = store_of(repository)
        (run,) = store.runs("")
        shutil.rmtree(repository / ".mlflow" / "artifacts")
        gone = "cannot be read from .*bring them back to that place"
        with pytest.raises(BadInput, match=gone):
            download_champion(store, tmp_path)
        with pytest.raises(BadInput, match=gone):
            download_validation(store, run, tmp_path)
        with pytest.raises(BadInput, match=gone):
            download_files(store, run, tmp_path)


class TestUnusable:
    def refusal(self, folder: Path) -> str:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        with pytest.raises(BadInput) as refusal:
            Store(folder)
        return str(refusal.value)

    def set_version(self, file: Path, version: str) -> None:
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [version])
        connection.close()

    def test_of_an_older_mlflow_is_upgraded_by_what_is_said(self, repository: Path) -> None:
        file = repository / ".mlflow" / "mlflow.db"
        self.set_version(file, "bd07f7e963c5")
        said = self.refusal(file.parent)
        assert "it is older than MLflow" in said and "copy it" in said and "delete" not in said
        command = shlex.split(said.split("then `")[1].split("`")[0])
        assert command[:3] == ["mlflow", "db", "upgrade"] and unquote(command[3]).endswith(
            str(file)
        )

    def test_of_a_newer_mlflow(self, repository: Path) -> None:
        self.set_version(repository / ".mlflow" / "mlflow.db", "ffffffffffff")
        said = self.refusal(repository / ".mlflow")
        assert "it is newer than MLflow" in said and "delete" not in said
        assert said.endswith("use the version that wrote it, or a newer.")

    @pytest.mark.parametrize("loss", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
    def test_without_a_version(self, repository: Path, loss: str) -> None:
        file = repository / ".mlflow" / "mlflow.db"
        with sqlite3.connect(file) as connection:
            connection.execute(loss)
        connection.close()
        said = self.refusal(file.parent)
        assert "(its table alembic_version is missing or empty)" in said
        assert said.endswith("bring back a copy of it.")

    def test_with_two_versions(self, repository: Path) -> None:
        """Of which a library of MLflow's has its own error."""
        file = repository / ".mlflow" / "mlflow.db"
        with sqlite3.connect(file) as connection:
            connection.execute("INSERT INTO alembic_version VALUES ('zzz')")
        connection.close()
        assert "more than one head" in self.refusal(file.parent)

    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            (lambda file: file.write_bytes(b"no database" * 1000), "it is no database"),
            (lambda file: file.mkdir(), "it must be a file"),
        ],
        ids=["garbage", "folder"],
    )
    def test_what_is_no_database(
        self, tmp_path: Path, damage: Callable[[Path], object], words: str
    ) -> None:
        damage(tmp_path / "mlflow.db")
        said = self.refusal(tmp_path)
        assert words in said
        assert ("delete" in said) == (words == "it is no database")

    def test_damaged_in_its_middle(self, repository: Path) -> None:
        """Before any table is read: the MLflow UI would show a traceback."""
        file, size = repository / ".mlflow" / "mlflow.db", 8 * 4096
        whole = file.read_bytes()
        for start in range(4096, len(whole), size):
            damaged = (
                whole[:start] + bytes(len(whole[start : start + size])) + whole[start + size :]
            )
            file.write_bytes(damaged)
            said = self.refusal(file.parent)
            assert "malformed" in said and "bring back a copy of it" in said, start
            assert "delete" not in said

    @pytest.mark.slow
    def test_that_another_process_holds(
        self, repository: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("digits.tracking.database._WAIT", 1)
        with sqlite3.connect(repository / ".mlflow" / "mlflow.db", isolation_level=None) as held:
            held.execute("BEGIN EXCLUSIVE")
            said = self.refusal(repository / ".mlflow")
            held.execute("ROLLBACK")
        held.close()
        assert "another process holds it" in said and "delete" not in said

    def test_without_locks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", fail)
        said = self.refusal(tmp_path)
        assert "No locks available" in said and "keep the repository on another" in said
        assert "delete" not in said
