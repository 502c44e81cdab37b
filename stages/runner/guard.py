"""Notice whether anything that a stage depends on was edited while it ran.

DVC hashes what a stage depends on after it ran. Whatever was edited in the meantime would be
recorded as the input of an output that never saw it, and the run cache would hand that out for
ever (https://github.com/treeverse/dvc/issues/11058). So a stage whose inputs changed fails. A touch
is no change: what has another time, but the same content, is the same.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.files import file_sha256, is_clutter, list_modules
from stages.runner.outs import is_as_recorded

PARAMS = Path("params.yaml")
CODE = ("stages", "digits")  # the folders whose modules are dependencies


@dataclass(frozen=True)
class Snapshot:
    """The params and the code of a repository at one moment.

    Attributes
    ----------
    root : Path
        The repository's folder.
    files : dict
        The bytes of params.yaml, dvc.yaml and every module, by path from the root.
    """

    root: Path
    files: dict[Path, bytes]

    @classmethod
    def take(cls, root: Path) -> "Snapshot":
        """Read the files as they are now, which .dvcignore lets DVC see too."""
        modules = [path for folder in CODE for path in list_modules(root / folder)]
        paths = [*modules, root / PARAMS, root / "dvc.yaml"]
        files = {path.relative_to(root): path.read_bytes() for path in paths if path.exists()}
        return cls(root, files)

    def code(self, dep: str) -> dict[Path, bytes]:
        """Return the modules that a dependency, a file or a folder, stands for."""
        path = Path(dep)
        return {
            file: content
            for file, content in self.files.items()
            if file == path or path in file.parents
        }


class Guard:
    """What a stage depends on, as it was when the stage began.

    Parameters
    ----------
    stage : str
        Its name in dvc.yaml.
    snapshot : Snapshot
        Taken before the stage imported anything.
    """

    def __init__(self, stage: str, snapshot: Snapshot) -> None:
        stages = parse_yaml(snapshot.files[Path("dvc.yaml")], "dvc.yaml")["stages"]
        declared, made = stages[stage], _outs(stages.values())
        self._snapshot = snapshot
        self._keys: list[str] = declared.get("params", [])
        self._code = [dep for dep in declared["deps"] if dep.split("/")[0] in CODE]
        data = [Path(dep) for dep in declared["deps"] if dep.split("/")[0] not in CODE]
        self._made = [dep for dep in data if made & {dep, *dep.parents}]
        self._sources = [dep for dep in data if dep not in self._made]
        self._made_at_start = self._stat_made()
        self._sources_at_start = self._hash_sources()
        self._params_at_start = self._select_params(snapshot.files[PARAMS])

    def depends_on(self, file: Path) -> bool:
        """Whether a file that no stage makes is, by itself, a dependency of the stage."""
        return file in self._sources

    def check(self) -> None:
        """Raise BadInput naming what changed, if anything did."""
        now = Snapshot.take(self._snapshot.root)
        changed = []
        for dep in self._code:
            before, after = self._snapshot.code(dep), now.code(dep)
            paths = sorted(before.keys() | after.keys())
            changed += [path.as_posix() for path in paths if before.get(path) != after.get(path)]
        changed += self._changed_data()
        content = now.files.get(PARAMS, b"")
        same = content == self._snapshot.files[PARAMS]  # parsing takes longer than comparing
        params = self._params_at_start if same else self._select_params(content)
        changed += [
            f"params.yaml: {key}"
            for key, value in self._params_at_start.items()
            if params[key] != value
        ]
        if changed:
            raise BadInput(
                f"{', '.join(changed)} changed while this stage ran; its result was dropped, "
                "run `dvc repro` again."
            )

    @cached_property
    def digest(self) -> str:
        """Name everything that the stage depends on, by its content (64 hexadecimal digits)."""
        files = [(file, file_sha256(file)) for file in _files([*self._made, *self._sources])]
        code = [
            (str(path), text)
            for dep in self._code
            for path, text in self._snapshot.code(dep).items()
        ]
        return hashlib.sha256(
            repr([self._params_at_start, sorted(code), files]).encode()
        ).hexdigest()

    def _changed_data(self) -> list[str]:
        edited = self._sources_at_start ^ self._hash_sources()
        suspects = sorted({path for path, _ in self._made_at_start ^ self._stat_made()})
        for dep in self._made:
            of_dep = [path for path in suspects if dep in (path, *path.parents)]
            if of_dep and not is_as_recorded(dep):
                edited |= {(path, "") for path in of_dep}
        return sorted({path.as_posix() for path, _ in edited})

    def _stat_made(self) -> set[tuple[Path, tuple[int, ...]]]:
        """Size, time and identity of every file: there are too many bytes to read twice."""
        stats = [(file, file.stat()) for file in _files(self._made)]
        return {(file, (stat.st_size, stat.st_mtime_ns, stat.st_ino)) for file, stat in stats}

    def _hash_sources(self) -> set[tuple[Path, str]]:
        """The content of what no stage made, of which dvc.lock has only what it once was."""
        return {(file, file_sha256(file)) for file in _files(self._sources)}

    def _select_params(self, content: bytes) -> dict[str, Any]:
        """Return the declared params and their values; others may be edited meanwhile."""
        params = parse_yaml(content, PARAMS.name)
        model = _select(params, "train.model")
        keys = {key: key.replace("${train.model}", str(model)) for key in self._keys}
        return {key: _select(params, path) for key, path in keys.items()}


def _select(params: Any, path: str) -> Any:
    """Return the value at a dotted path; None where there is none."""
    for name in path.split("."):
        params = params.get(name) if isinstance(params, dict) else None
    return params


def _outs(stages: Iterable[dict[str, Any]]) -> set[Path]:
    """Return all that stages make, by dvc.yaml."""
    entries = [
        entry
        for stage in stages
        for kind in ("outs", "metrics", "plots")
        for entry in stage.get(kind, [])
    ]
    return {Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries}


def _files(deps: Iterable[Path]) -> list[Path]:
    """Return the files that dependencies, files and folders, stand for."""
    return [
        file
        for dep in deps
        for file in ([dep] if dep.is_file() else sorted(dep.rglob("*")))
        if file.is_file() and not any(map(is_clutter, file.relative_to(dep).parts))
    ]
