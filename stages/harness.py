"""What every stage does around its own work: check all params first, publish all outs last, and say in one sentence what is wrong.

DVC hashes what a stage depends on after it ran. Whatever was edited in the meantime would be recorded as the input of an output
that never saw it, and the run cache would hand that out for ever; so a stage whose inputs changed while it ran fails
(https://github.com/treeverse/dvc/issues/11058).
"""

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.files import file_sha256, remove, replace
from digits.params.schema import Params, parse_params
from stages import AT_START, ROOT
from stages.process import end_well

PARAMS = Path("params.yaml")
WEEK = 7 * 24 * 3600  # seconds


class Outs:
    """The stage's outs while they are being made: each beside its place, under another name."""

    def __init__(self) -> None:
        self._new: dict[Path, Path] = {}

    def __call__(self, path: str) -> Path:
        """Where to write the out that will be `path`."""
        out = Path(path)
        out.parent.mkdir(parents=True, exist_ok=True)
        self._new[out] = new = out.with_name(out.name + ".new")
        remove(new)  # of a run that was killed
        return new

    def folder(self, path: str) -> Path:
        """A new, empty folder in which to make the folder `path`."""
        new = self(path)
        new.mkdir()
        return new

    def publish(self) -> None:
        """Put everything in its place, by renaming."""
        for out, new in self._new.items():
            replace(new, out)

    def discard(self) -> None:
        """Leave nothing half-written behind."""
        for new in self._new.values():
            remove(new)


class Guard:
    """Notices whether anything that the stage depends on changed while it ran."""

    def __init__(self, stage: str) -> None:
        declared = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
        self._keys: list[str] = declared.get("params", [])
        deps = [Path(dep) for dep in declared["deps"]]
        self._code = [dep for dep in deps if dep in AT_START]
        self._data = [dep for dep in deps if dep not in AT_START]
        self._data_at_start = self._look_at_data()
        self._params_at_start = self._look_at_params(AT_START[PARAMS])

    def check(self) -> None:
        """Raises BadInput naming what changed."""
        changed = [
            str(path)
            for path in self._code
            if not path.exists() or path.read_bytes() != AT_START[path]
        ]
        changed += sorted({str(path) for path, _ in self._data_at_start ^ self._look_at_data()})
        now = self._look_at_params(PARAMS.read_bytes())
        changed += [
            f"params.yaml: {key}"
            for key, value in self._params_at_start.items()
            if now[key] != value
        ]
        if changed:
            raise BadInput(
                f"{', '.join(changed)} changed while this stage ran; its result was dropped, run `dvc repro` again."
            )

    def digest(self) -> str:
        """A name for everything that the stage depends on (64 hexadecimal digits)."""
        files = [
            (file, file_sha256(file))
            for dep in self._data
            for file in sorted([dep] if dep.is_file() else dep.rglob("*"))
        ]
        code = [(path, AT_START[path]) for path in self._code]
        return hashlib.sha256(repr([self._params_at_start, code, files]).encode()).hexdigest()

    def _look_at_data(self) -> set[tuple[Path, tuple[int, ...]]]:
        """Size, time and identity of every file: too many bytes to read twice."""
        files = [
            file
            for dep in self._data
            for file in ([dep] if dep.is_file() else sorted(dep.rglob("*")))
            if file.is_file()
        ]
        return {
            (file, (s.st_size, s.st_mtime_ns, s.st_ino)) for file in files for s in [file.stat()]
        }

    def _look_at_params(self, content: bytes) -> dict[str, Any]:
        """The values that dvc.yaml declares for this stage; others may be edited meanwhile."""
        params = parse_yaml(content, PARAMS.name)
        values = {}
        for key in self._keys:
            value = params
            for name in key.replace("${train.model}", str(params["train"]["model"])).split("."):
                value = value.get(name) if isinstance(value, dict) else None
            values[key] = value
        return values


def run(stage: str, work: Callable[[Params, Outs], None]) -> None:
    """Run a stage; on bad input, print the sentence and exit with 1, what was there before being there again."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    end_well()
    os.chdir(ROOT)
    lock = ROOT / ".dvc" / "tmp" / f"{stage}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # of one that is just ending, as its DVC was killed
        _run(stage, work)


def _run(stage: str, work: Callable[[Params, Outs], None]) -> None:
    outs = Outs()
    done = False
    try:
        params = parse_params(AT_START[PARAMS], PARAMS.name)
        guard = Guard(stage)
        work(params, outs)
        guard.check()
        outs.publish()
        done = True
    except BadInput as error:
        sys.exit(f"{stage}: {error}")
    finally:
        if not done:
            outs.discard()
            restore_outs(stage)


def restore_outs(stage: str) -> None:
    """Bring back the outs that DVC deleted before it started this stage, as dvc.lock has them, from DVC's cache."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            for out in repo.stage.load_one("dvc.yaml", stage).outs:
                out.use_cache = True  # metrics and plots are in the cache too, for the run cache
                if out.hash_info and not out.exists and not out.changed_cache():
                    out.checkout(force=True, allow_missing=True)
    except (
        DvcException,
        OSError,
    ) as error:  # OSError: dvc.lock names a file that this machine never had, as in a clone
        logging.getLogger(__name__).warning(
            "the former outs of %s are not back (%s): `dvc checkout` brings them", stage, error
        )


@contextmanager
def checkpoints(stage: str) -> Iterator[Path | None]:
    """Where the stage, with the very inputs it has now, leaves what it can go on from when it was killed; it goes when all is done.

    None while another process does the very same, as two workers of a queue may: each would overwrite what the other left.
    What was left a week ago, with other inputs, goes. Git-ignored.
    """
    folder = repository() / ".checkpoints" / f"{stage}-{Guard(stage).digest()[:16]}"
    for other in folder.parent.glob(f"{stage}-*"):
        with suppress(FileNotFoundError):  # whoever uses it is just done
            if other != folder and time.time() - other.stat().st_mtime > WEEK:
                with _held(other) as is_ours:
                    if is_ours:
                        remove(other)
    with _held(folder) as is_ours:
        if not is_ours:
            logging.getLogger(__name__).info(
                "another process does the same just now: killed, this one would begin anew"
            )
        yield folder if is_ours else None
        if is_ours:
            remove(folder)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Whether the folder is ours until the end, as nobody else holds it. What a killed process held is free again."""
    file = (
        repository() / ".dvc" / "tmp" / f"{folder.name}.lock"
    )  # not in the folder, which comes and goes
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    with suppress(Timeout):
        lock.acquire(blocking=False)
    try:
        yield lock.is_locked
    finally:
        lock.release()


def repository() -> Path:
    """The main repository, even when DVC runs the stage in a temporary copy of it that will be deleted."""
    return Path(os.environ.get("DVC_ROOT") or ROOT)
