"""A person's own data: where it must lie, and that every change of it is noticed."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dvc.repo import Repo

from digits.common.errors import BadInput
from digits.common.files import remove
from digits.data.dataset import DataSet
from digits.data.fetching import fetch_dataset
from tests.idx_files import idx_files
from tests.scratch import Project
from tests.served import DATA, RAW, assert_is_data


class TestOnesOwnFolder:
    """`data/own` is where DVC looks for changes: data of one's own lies below it."""

    OWN = Path("data/own")

    @pytest.fixture
    def mine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        folder = self.OWN / "my own" / "digits"
        folder.mkdir(parents=True)
        for name, content in RAW.items():
            (folder / name).write_bytes(content)
        return folder

    @pytest.mark.parametrize("sha256", [None, DATA.sha256])
    @pytest.mark.parametrize("name", ["data/own/my own/digits", "./data//own/x/../my own/digits/"])
    @pytest.mark.usefixtures("mine")
    def test_is_read(self, sha256: str | None, name: str) -> None:
        assert_is_data(fetch_dataset(f"idx:{name}", sha256, self.OWN))

    def test_may_hold_links_to_files(self, mine: Path, tmp_path: Path) -> None:
        (mine.parent / "linked").mkdir()
        for name in RAW:
            (mine.parent / "linked" / name).symlink_to(tmp_path / mine / name)
        assert_is_data(fetch_dataset("idx:data/own/my own/linked", None, self.OWN))

    def test_with_another_digest_is_refused(self, mine: Path) -> None:
        with pytest.raises(
            BadInput, match=f"^idx:.* SHA-256 {DATA.sha256}, allowed is the pinned {'0' * 64}"
        ):
            fetch_dataset(f"idx:{mine}", "0" * 64, self.OWN)

    @pytest.mark.parametrize("folder", ["data/own", "elsewhere", "data/own/../raw", "~/x", "/x"])
    @pytest.mark.usefixtures("mine")
    def test_elsewhere_is_refused_before_it_is_looked_at(self, folder: str) -> None:
        with pytest.raises(BadInput, match=f"^fetch.dataset is 'idx:{re.escape(folder)}', allowed"):
            fetch_dataset(f"idx:{folder}", None, self.OWN)

    @pytest.mark.parametrize("name", [".mine", "mine~", "@eaDir"])
    def test_what_dvc_overlooks_is_refused(self, mine: Path, name: str) -> None:
        hidden = mine.rename(mine.with_name(name)) / "digits"
        with pytest.raises(BadInput, match=f"but DVC overlooks {re.escape(name)}, as hidden"):
            fetch_dataset(f"idx:{hidden}", None, self.OWN)

    def test_links_to_folders_are_refused_since_dvc_does_not_look_behind(
        self, mine: Path, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere" / "digits"
        elsewhere.parent.mkdir()
        mine.rename(elsewhere)
        mine.symlink_to(elsewhere)
        with pytest.raises(BadInput, match=f"^{mine} is a link to a folder, in which DVC notices"):
            fetch_dataset(f"idx:{mine}", None, self.OWN)
        mine.unlink()
        mine.parent.rmdir()
        mine.parent.symlink_to(elsewhere.parent)
        with pytest.raises(BadInput, match=f"^{mine.parent} is a link to a folder"):
            fetch_dataset(f"idx:{mine}", None, self.OWN)

    @pytest.mark.usefixtures("mine")
    def test_that_is_not_there_is_said_with_what_brings_it(self) -> None:
        said = r"^data/own/no is not in this copy .* `dvc add data/own/no`"
        with pytest.raises(BadInput, match=said):
            fetch_dataset("idx:data/own/no", None, self.OWN)
        Path("data/own/no.dvc").touch()
        with pytest.raises(BadInput, match="`dvc pull data/own/no` brings it"):
            fetch_dataset("idx:data/own/no", None, self.OWN)

    def test_without_the_files_is_refused(self, mine: Path) -> None:
        with pytest.raises(BadInput, match="train-images-idx3-ubyte"):
            fetch_dataset(f"idx:{mine.parent}", None, self.OWN)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # DVC's own
def test_a_change_of_ones_own_data_fetches_anew(
    newcomer: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the workspace, out of the run cache, in an experiment's copy, and in a colleague's."""

    def write(seed: int) -> DataSet:
        """Own data, another for each seed."""
        data = replace(DATA, labels=np.roll(DATA.labels, seed))
        for name, content in idx_files(data).items():
            (mine / name).write_bytes(content)
        return data

    def fetched(project: Project) -> str:
        return str(project.json("data/raw/about.json")["sha256"])

    mine = newcomer.path / "data" / "own" / "mine"
    mine.mkdir()
    newcomer.edit(fetch__dataset="idx:data/own/mine")
    for seed in (0, 1):
        data = write(seed)
        assert newcomer.repro("fetch") == ["fetch"]
        assert fetched(newcomer) == data.sha256
    data = write(2)
    remove(newcomer.path / "data" / "raw")
    assert newcomer.repro("fetch") == ["fetch"], "the run cache has that of before"
    assert fetched(newcomer) == data.sha256
    write(1)
    assert newcomer.repro("fetch") == [], "the run cache has it"
    for file in mine.iterdir():
        file.touch()
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", newcomer.env["DVC_SITE_CACHE_DIR"])
    monkeypatch.chdir(newcomer.path)  # DVC's own functions look from there
    with Repo() as repo:
        assert repo.status("fetch") == {}, "the same content"
    newcomer.commit()
    pin = f"fetch.sha256={'f' * 64}"
    said = newcomer.dvc("exp", "run", "--temp", "-S", pin, "fetch", fails=True)
    assert "data/own/mine is not in this copy of the repository: `dvc add data/own/mine`" in said
    with Repo() as repo:
        repo.add("data/own/mine")
    newcomer.commit()
    said = newcomer.dvc("exp", "run", "--temp", "-S", pin, "fetch", fails=True)
    assert f"allowed is the pinned {'f' * 64}" in said, "it is there"
    with Repo() as repo:
        repo.push("data/own/mine")
    clone = newcomer.clone(tmp_path / "colleague" / "digits")
    remote = str(newcomer.path.parent / "digits-storage")
    monkeypatch.chdir(clone.path)
    with Repo(config={"remote": {"storage": {"url": remote}}}) as repo:
        repo.pull("data/own/mine")
    assert clone.repro("fetch") == ["fetch"]
    assert fetched(clone) == fetched(newcomer)
