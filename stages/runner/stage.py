"""What a stage is given beside the params: where to write its outs, and where it may go on."""

from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from digits.common.environment import main_repository
from digits.common.files import remove, replace
from stages.runner.checkpoints import open_checkpoints
from stages.runner.guard import Guard


class Stage:
    """One stage while it runs.

    Its outs are made beside their places, under other names, and put there when all is done.

    Parameters
    ----------
    name : str
        As in dvc.yaml.
    guard : Guard
        Of its dependencies.
    """

    def __init__(self, name: str, guard: Guard) -> None:
        self.name = name
        self.guard = guard
        self._new: dict[Path, Path] = {}

    @property
    def repository(self) -> Path:
        """The main repository, also when DVC runs the stage in a temporary copy of it."""
        return main_repository(Path.cwd())

    def out(self, path: str) -> Path:
        """Return where to write the out that will be `path`."""
        out = Path(path)
        out.parent.mkdir(parents=True, exist_ok=True)
        self._new[out] = new = out.with_name(out.name + ".new")
        remove(new)  # of a run that was killed
        return new

    def out_folder(self, path: str) -> Path:
        """Return a new, empty folder in which to make the folder `path`."""
        new = self.out(path)
        new.mkdir()
        return new

    def checkpoints(self, enabled: bool) -> AbstractContextManager[Path | None]:
        """Open the folder from which a killed run of this stage goes on; see `open_checkpoints`.

        None where the stage's work has no steps to go on from, so that it is not enabled.
        """
        if not enabled:
            return nullcontext()
        return open_checkpoints(self.repository, self.name, self.guard.digest)

    def publish(self) -> None:
        """Put all outs in their places, by renaming."""
        for out, new in self._new.items():
            replace(new, out)

    def discard(self) -> None:
        """Leave nothing half-written behind."""
        for new in self._new.values():
            with suppress(OSError):  # of a folder in which nothing may be written, nor was
                remove(new)
