"""What DVC knows of a stage's files: the former outs, and whether an input is as it recorded it.

It imports nothing of this project, so that it works where the project's own code cannot be
imported.
"""

import logging
import sqlite3
from pathlib import Path

log = logging.getLogger(__name__)


def restore_outs(name: str) -> None:
    """Bring back from DVC's cache the outs that DVC deleted before it started a stage."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            for out in repo.stage.load_one("dvc.yaml", name).outs:
                out.use_cache = True  # metrics and plots are in the cache too, for the run cache
                if out.hash_info and not out.exists and not out.changed_cache():
                    out.checkout(force=True, allow_missing=True)
    except (DvcException, OSError, sqlite3.Error) as error:
        # sqlite3.Error: there is no room for DVC's own database.
        # OSError: dvc.lock names a file that this machine never had, as in a clone.
        message = "the former outs of %s are not back (%s): `dvc checkout` brings them"
        log.warning(message, name, error)


def is_as_recorded(path: Path) -> bool:
    """Whether a file or folder has the content that dvc.lock says the stage before it made.

    DVC compared the two before it started this stage.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            place = str(path.absolute())
            (out,) = (out for out in repo.index.outs if out.fs.isin_or_eq(place, out.fs_path))
            return bool(out.hash_info) and not out.changed_checksum()
    except (DvcException, OSError):
        return False
