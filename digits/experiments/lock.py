"""What one dvc.lock says: which params, data and models belong together."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.files import is_clutter
from digits.params.nested import flatten, with_overrides

Part = Literal["test", "validation"]

LOCK, PARAMS, PIPELINE = "dvc.lock", "params.yaml", "dvc.yaml"
MAX_NAMED = 4  # of the params or files that differ

# The stages that make what is known of each part. `track` makes no result, it only reports.
STAGES: dict[Part, tuple[str, ...]] = {
    "validation": ("fetch", "split", "augment", "train"),
    "test": ("fetch", "split", "augment", "train", "evaluate"),
}


class NotOneResult(BadInput):
    """Files that lie side by side, but are of several results."""

    exit_code = 4


@dataclass(frozen=True)
class Lock:
    """A dvc.lock: the record that DVC writes of each stage that ran.

    Attributes
    ----------
    owner : str
        The revision, as it was named by the user.
    stages : mapping of str to mapping
        The records by the stages' names.
    """

    owner: str
    stages: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str, owner: str) -> "Lock":
        """Read the text of a dvc.lock. Raises BadInput when it is not as DVC writes it."""
        name = f"{owner}:{LOCK}"
        values = parse_yaml(text, name)
        try:
            stages = values["stages"]
            for stage in stages.values():
                for entry in [*stage.get("deps", []), *stage.get("outs", [])]:
                    _ = entry["path"], entry["md5"]
        except (KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"{name} is not as DVC writes it ({error!r} is missing or wrong): "
                f"`git checkout {LOCK}` brings the last one back, and `dvc repro` what is newer."
            ) from error
        return cls(owner, stages)

    def hash(self, path: str) -> str:
        """DVC's hash of an out. Raises BadInput when no stage has made it."""
        hashes = self.hashes()
        if path not in hashes:
            raise BadInput(
                f"{self.owner}:{LOCK} knows nothing of {path}: `dvc repro` there makes it."
            )
        return hashes[path]

    def params(self) -> dict[str, Any]:
        """The params that were used, nested: of `models` the chosen one alone.

        Raises
        ------
        BadInput
            When there are none, or no train.model with a section of its own.
        """
        used: dict[str, Any] = {}
        for name in STAGES["test"]:
            used |= self.stages.get(name, {}).get("params", {}).get(PARAMS, {})
        params = with_overrides({}, used)
        try:
            _ = params["models"][params["train"]["model"]], params["fetch"]
        except (KeyError, TypeError) as error:
            raise BadInput(
                f"{self.owner}:{LOCK} has no fetch, or no train.model with its params under "
                "models: `dvc repro` there makes it again."
            ) from error
        return params

    def check(self, part: Part) -> None:
        """Check that the stages of a part ran on what the stages before them made.

        Raises
        ------
        BadInput
            When one of them has not run.
        NotOneResult
            When one of them ran on something else, or with another value of a param.
        """
        missing = [name for name in STAGES[part] if name not in self.stages]
        if missing:
            raise BadInput(
                f"{self.owner}:{LOCK} has no {', '.join(missing)}: `dvc repro` there runs it."
            )
        outs = self.hashes()
        params: dict[str, Any] = {}
        for name in STAGES[part]:
            stage = self.stages[name]
            other = [
                dep["path"]
                for dep in stage.get("deps", [])
                if outs.get(dep["path"], dep["md5"]) != dep["md5"]
            ]
            used = stage.get("params", {}).get(PARAMS, {})
            other += [key for key in used if params.setdefault(key, used[key]) != used[key]]
            if other:
                raise NotOneResult(
                    f"{self.owner} is not one result: {name} has not run with the present "
                    f"{' and '.join(other)} (`dvc repro` there runs it)."
                )

    def hashes(self) -> dict[str, str]:
        """DVC's hashes of all outs, by their paths."""
        return {
            out["path"]: str(out["md5"])
            for stage in self.stages.values()
            for out in stage.get("outs", [])
        }


def differing_params(lock: Lock, edited: str | bytes) -> dict[str, str]:
    """Tell which params have another value in a params.yaml than when the results were made.

    Parameters
    ----------
    lock : Lock
        With the params that were used.
    edited : str or bytes
        The text of the params.yaml.

    Returns
    -------
    dict of str to str
        A clause for each param, by its dotted name; without those of models that were not used.

    Raises
    ------
    BadInput
        When one of the two cannot be read.
    """
    used = lock.params()
    values = parse_yaml(edited, PARAMS)
    if not isinstance(values, Mapping):
        raise BadInput(f"{PARAMS} has no sections: allowed is what git has of it.")
    before, after = flatten(used), flatten(values)
    model = f"models.{before['train.model']}."
    return {
        name: f"{name} is {_value(after, name)} in {PARAMS}, "
        f"these results were made with {_value(before, name)}"
        for name in dict.fromkeys([*after, *before])
        if name.partition(".")[0] in used
        and (not name.startswith("models.") or name.startswith(model))
        and before.get(name) != after.get(name)
    }


def check_files(root: Path) -> None:
    """Check that what `track` logs is one result: the model, metrics and plots of one dvc.lock.

    The code is part of it, since a run has the commit and the patch of the workspace.

    `dvc repro` has seen to that, but not with `--single-item` or a frozen stage. DVC itself, as in
    `check_workspace`, would take longer to import than `track` has to do.

    Raises
    ------
    BadInput
        When dvc.lock is missing or lacks a stage.
    NotOneResult
        When a stage has not run with the present params, code, model or data, or when a file is
        not the one that dvc.lock names.
    """
    if not (root / LOCK).is_file():
        raise BadInput(f"{LOCK} is missing: `dvc repro` makes it, and logs the run.")
    lock = Lock.parse((root / LOCK).read_text(encoding="utf-8"), "the workspace")
    lock.check("test")
    problems = [*differing_params(lock, (root / PARAMS).read_bytes()).values()]
    if code := _edited_code(root, lock):
        problems.append(f"{enumerate_names(code)} changed since these results were made")
    problems += [
        f"{out['path']} is not what {LOCK} names"
        for name in ("train", "evaluate")
        for out in lock.stages[name].get("outs", [])
        if (root / out["path"]).exists() and dvc_hash(root / out["path"]) != out["md5"]
    ]
    if problems:
        raise NotOneResult(
            f"the workspace is not one result: {'; '.join(problems)} (`dvc repro` makes it one, "
            "and logs the run)."
        )


def _edited_code(root: Path, lock: Lock) -> list[str]:
    """The code and commands that changed since the stages ran; data of one's own is no code."""
    made = lock.hashes()
    ran_with = dict.fromkeys(  # most code is of several stages
        (dep["path"], dep["md5"])
        for name in STAGES["test"]
        for dep in lock.stages[name].get("deps", [])
        if dep["path"] not in made and not dep["path"].startswith("data/")
    )
    edited = [path for path, md5 in ran_with if dvc_hash(root / path, "*.py") != md5]
    pipeline = parse_yaml((root / PIPELINE).read_bytes(), PIPELINE)["stages"]
    commands = [
        f"the command of {name} in {PIPELINE}"
        for name in STAGES["test"]
        if pipeline.get(name, {}).get("cmd") != lock.stages[name].get("cmd")
    ]
    return list(dict.fromkeys(edited)) + commands


def enumerate_names(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def dvc_hash(path: Path, pattern: str = "*") -> str:
    """Return DVC's hash of a file or a folder: MD5 of its bytes, or of the list of its files.

    Of a folder, only the files of a pattern count. What is not there has the hash of no file.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    names = sorted(
        each.relative_to(path).as_posix()
        for each in path.rglob(pattern)
        if each.is_file() and not any(map(is_clutter, each.relative_to(path).parts))
    )
    files = [{"md5": dvc_hash(path / name), "relpath": name} for name in names]
    return _md5(json.dumps(files).encode()).hexdigest() + ".dir"


def _md5(content: bytes = b"") -> Any:
    return hashlib.md5(content, usedforsecurity=False)


def _value(params: Mapping[str, Any], name: str) -> str:
    return repr(params[name]) if name in params else "none"
