"""What DVC's remote has and DVC does not verify."""

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from digits.experiments.checkout import check_checkout
from digits.experiments.revisions import NotCached

# DVC's own.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


def test_what_the_cache_or_the_remote_has_is_looked_at(tmp_path: Path) -> None:
    """DVC takes its cache for whole, and a list of files from a remote that has `verify`."""
    root, remote = tmp_path / "project", tmp_path / "remote"
    (root / "data").mkdir(parents=True)
    (root / "data" / "fold.npy").write_bytes(b"rows")
    with Repo.init(str(root), no_scm=True) as repo, repo.config.edit() as config:
        config["remote"]["storage"] = {"url": str(remote), "verify": True}
        config["core"]["remote"] = "storage"
    with Repo(str(root)) as repo:
        (stage,) = repo.add(str(root / "data"))
        repo.push()
    md5 = stage.outs[0].hash_info.value
    listing = remote / "files" / "md5" / md5[:2] / md5[2:]
    good = listing.read_bytes()
    assert b"fold.npy" in good
    listing.chmod(0o644)
    listing.write_bytes(good.replace(b"fold", b"rows"))
    shutil.rmtree(root / ".dvc" / "cache")
    with pytest.raises(NotCached, match=r"^data of r: neither in DVC's cache nor whole on its"):
        check_checkout(root, "r", {"data": md5})
    with pytest.raises(NotCached, match="`dvc repro` of its commit with a patch makes it again"):
        check_checkout(root, "r", {"data": md5}, " with a patch")
    listing.write_bytes(good)
    check_checkout(root, "r", {"data": md5})
    # A file that is damaged in the cache, which DVC takes for whole, is fetched anew.
    (cached,) = (root / ".dvc" / "cache" / "files" / "md5").glob("df/*")
    assert cached.read_bytes() == b"rows"
    cached.chmod(0o644)
    cached.write_bytes(b"ro")
    cached.chmod(0o444)
    check_checkout(root, "r", {"data": md5})
    assert cached.read_bytes() == b"rows"
