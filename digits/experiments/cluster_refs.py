"""Queued experiments as refs on the git remote: sent, done, and forgotten once they are fetched."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from dvc.repo.experiments.queue.base import QueueEntry

from digits.common.errors import BadInput
from digits.experiments.cluster_worker import DONE, QUEUED
from digits.experiments.git import baseline_ref, run_git


class RemoteQueue:
    """The refs of one sender on the git remote.

    Parameters
    ----------
    root : Path
        The repository.
    remote : str
        The name of the git remote.
    sent : Path
        A folder with a file for each ref that may be there. So a later sender can remove what one
        that was killed left behind, and nothing of other people's.
    """

    def __init__(self, root: Path, remote: str, sent: Path) -> None:
        self.root, self.remote, self.sent = root, remote, sent
        sent.mkdir(parents=True, exist_ok=True)

    def send(self, entries: Mapping[str, QueueEntry]) -> set[str]:
        """Put there what is queued and not there yet, and remove what is no longer queued.

        Parameters
        ----------
        entries : mapping of str to QueueEntry
            What is queued, by the stash commits.

        Returns
        -------
        set of str
            Those that a worker has finished already, while no sender was there.

        Raises
        ------
        BadInput
            When the remote has other experiments of these names, and refuses to be written to.
        """
        refs = set(run_git(self.root, "ls-remote", self.remote, f"{QUEUED}/*", f"{DONE}/*").split())
        done = {revision for revision in entries if f"{DONE}/{revision}" in refs}
        new = {
            revision: entry
            for revision, entry in entries.items()
            if revision not in done and f"{QUEUED}/{revision}" not in refs
        }
        self._check_names(new.values())
        self.forget({file.name for file in self.sent.iterdir()} - entries.keys())
        for revision in new:
            (self.sent / revision).touch()
        self._push(f"{revision}:{QUEUED}/{revision}" for revision in new)
        return done

    def forget(self, revisions: Iterable[str]) -> None:
        """Remove the refs of experiments that are no longer queued."""
        revisions = [*revisions]
        names = [f"{kind}/{revision}" for kind in (QUEUED, DONE) for revision in revisions]
        there = run_git(self.root, "ls-remote", self.remote, *names).split() if names else []
        self._push(f":{name}" for name in names if name in there)
        for revision in revisions:
            (self.sent / revision).unlink(missing_ok=True)

    def _push(self, refspecs: Iterable[str]) -> None:
        if refspecs := [*refspecs]:
            run_git(self.root, "push", "--quiet", self.remote, *refspecs, GIT_TERMINAL_PROMPT="0")

    def _check_names(self, entries: Iterable[QueueEntry]) -> None:
        names = {f"{baseline_ref(entry.baseline_rev)}/{entry.name}": entry for entry in entries}
        if not names:
            return
        there = run_git(self.root, "ls-remote", self.remote, *names).split()
        if taken := " ".join(sorted(str(names[ref].name) for ref in there if ref in names)):
            raise BadInput(
                f"git's remote {self.remote} has other experiments of this name and commit: "
                f"`dvc exp remove --git-remote {self.remote} {taken}` makes room."
            )
