"""Whether DVC can check out a result, asked before anything is touched."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.rwlock import rwlock
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from digits.common.errors import BadInput
from digits.experiments.lock import dvc_hash
from digits.experiments.repository import install_for_remote, open_repo
from digits.experiments.revisions import NotCached


def check_checkout(root: Path, name: str, hashes: Mapping[str, str], with_what: str = "") -> None:
    """Check that `dvc checkout` can put files in place, and that nothing is lost by it.

    What the cache lacks is fetched from DVC's remote, if there is one.

    Parameters
    ----------
    root : Path
        The repository.
    name : str
        Whose files they are, for the messages.
    hashes : mapping of str to str
        DVC's hashes of the files and folders, by their paths.
    with_what : str
        What `dvc repro` of the commit needs besides to make them again, for the messages.

    Raises
    ------
    NotCached
        When neither the cache nor the remote has all of them.
    BadInput
        When another DVC process is at work, or when a file that would be replaced is nowhere else.
    """
    try:
        with open_repo(root) as repo:
            _check_locks(repo)
            if lost := [*_only_here(repo, hashes)]:
                raise BadInput(
                    f"{', '.join(lost)} would be replaced and is not in DVC's cache: "
                    "`dvc commit` keeps it there, or remove it."
                )
            odb = repo.cache.local
            missing = {path: md5 for path, md5 in hashes.items() if not _is_cached(odb, md5)}
            reason = _fetch(repo, missing) if missing else ""
            missing = {path: md5 for path, md5 in missing.items() if not _is_cached(odb, md5)}
    except DvcException as error:
        raise BadInput(f"DVC cannot look into its cache: {error}") from error
    if missing:
        raise NotCached(
            f"{', '.join(missing)} of {name}: neither in DVC's cache nor whole on its remote"
            f"{reason}; `dvc push` where it was made brings it there, or `dvc repro` of its commit"
            f"{with_what} makes it again. Nothing has been changed."
        )


def _check_locks(repo: Repo) -> None:
    """Check that no other DVC process uses the repository or one of its outs."""
    outs = [out.fs_path for out in repo.index.outs]
    hardlink = repo.config["core"].get("hardlink_lock", False)
    try:
        with lock_repo(repo), rwlock(repo.tmp_dir, repo.fs, "restore", [], outs, hardlink):
            pass
    except LockError as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"another DVC process is at work, nothing has been changed: {reason}") from (
            error
        )


def _only_here(repo: Repo, hashes: Mapping[str, str]) -> Iterator[str]:
    """The outs that a checkout would replace, and of which the cache lacks a part."""
    odb = repo.cache.local
    for out in repo.index.outs:
        if not out.use_cache or not out.exists:
            continue
        _, _, content = build(odb, out.fs_path, out.fs, "md5", dry_run=True, ignore=repo.dvcignore)
        path = repo.fs.relpath(out.fs_path, repo.root_dir).replace("\\", "/")
        if content.hash_info.value == hashes.get(path):
            continue
        files = content if isinstance(content, Tree) else [(None, None, content.hash_info)]
        if not all(odb.exists(str(info.value)) for _, _, info in files):
            yield path


def _is_cached(odb: HashFileDB, md5: str) -> bool:
    """Whether the cache has a file, or a folder with all of its files, and none is damaged."""
    if not md5.endswith(".dir"):
        return _is_whole(odb, md5)
    files = _files_of(odb, md5)
    return files is not None and all(_is_whole(odb, str(info.value)) for info in files)


def _is_whole(odb: HashFileDB, md5: str) -> bool:
    """Whether the cache has an object, with the content that its name says.

    DVC verifies what it fetches, and takes what its cache has for whole. A damaged object is
    removed: else it would not be fetched again.
    """
    file = Path(odb.oid_to_path(md5))
    if not file.exists():
        return False
    if dvc_hash(file) != md5.removesuffix(".dir"):
        file.unlink()
        return False
    return True


def _files_of(odb: HashFileDB, md5: str) -> list[HashInfo] | None:
    """The hashes of a folder's files; None when the cache lacks their list, or has a damaged one.

    DVC verifies each file that it fetches, but not this list.
    """
    if not _is_whole(odb, md5):
        return None
    return [info for _, _, info in Tree.load(odb, HashInfo("md5", md5))]


def _fetch(repo: Repo, hashes: Mapping[str, str]) -> str:
    """Bring objects from DVC's remote into its cache; return why that did not work."""
    log, reason = logging.getLogger("dvc.data_cloud"), ""
    level = log.level
    log.setLevel(logging.ERROR)  # it would list the hashes of what is missing
    try:
        repo.cloud.pull([HashInfo("md5", md5) for md5 in hashes.values()])
        # Of a folder this was the list of its files.
        folders = [md5 for md5 in hashes.values() if md5.endswith(".dir")]
        listed = [_files_of(repo.cache.local, md5) or [] for md5 in folders]
        repo.cloud.pull([info for files in listed for info in files])
    except NoRemoteError:
        reason = " (DVC has no remote)"
    except Exception as error:  # noqa: BLE001 (DVC's, the system's, or of the remote's library)
        reason = f" ({' '.join(str(error).split())})"
        if command := install_for_remote(error):
            reason += f"; {command} brings what DVC needs"
    finally:
        log.setLevel(level)
    return reason
