"""What a Dask worker does with a queued experiment: clone, run and push it.

The sender hands this module over as it is. It imports nothing of this project: the worker needs no
copy of it, and the commit that it checks out may have another version of this file.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile

# Refs on the git remote: what is to be run, and the results of what has been.
QUEUED, DONE = "refs/digits/queue", "refs/digits/done"

LONGEST_LOG = 200_000  # characters of the log that travel back


class GitError(Exception):
    """Git could not do what it was asked; it has said why."""


@dataclass(frozen=True, repr=False)  # Dask writes down what fails: a URL may have a password
class Job:
    """A queued experiment, and where a worker finds what it needs.

    Attributes
    ----------
    revision : str
        The stash commit in which DVC has put the params and edits that were queued.
    head, baseline : str
        The commits on which it is to be applied, and with which the experiment begins.
    name : str
        Of the experiment.
    project : str
        The project's folder in the repository; "." if it is the repository.
    git_url : str
        The git remote.
    dvc_remote, dvc_url : str
        DVC's remote: its name, and where it is.
    environment : mapping of str to str
        Variables of the sender that the stages shall have.
    """

    revision: str
    head: str
    baseline: str
    name: str
    project: str
    git_url: str
    dvc_remote: str
    dvc_url: str
    environment: Mapping[str, str]

    @property
    def ref(self) -> str:
        """Where DVC keeps the experiment."""
        return f"refs/exps/{self.baseline[:2]}/{self.baseline[2:]}/{self.name}"


def missing_folders(folders: list[str]) -> list[str]:
    """Those of the folders that this machine does not see."""
    return [folder for folder in folders if not Path(folder).is_dir()]


def run_job(program: str, job: Job) -> str:
    """Run an experiment in a process of its own, as a task of a Dask worker.

    Parameters
    ----------
    program : str
        The text of this module.
    job : Job
        The experiment.

    Returns
    -------
    str
        What it printed.

    Raises
    ------
    RuntimeError
        When it fails; the text is what it printed.
    """
    from distributed import get_worker

    # A worker's own folder is deleted when it ends. The clone and the cache stay beside it.
    repository = sha256(job.git_url.encode()).hexdigest()[:12]
    folder = Path(get_worker().local_directory).parent / f"digits-{repository}"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        **job.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DIGITS_THREADS": str(_share_of_cores()),
        "GIT_TERMINAL_PROMPT": "0",
    }
    # Its own fits would wait for this worker, which waits for them.
    environment.pop("DASK_SCHEDULER_ADDRESS", None)
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps(asdict(job)) + "\n")  # not as an argument, which all see
        process.stdin.flush()  # and it stays open as long as this process is there
        code = process.wait()
        output.seek(0)
        log = output.read()[-LONGEST_LOG:]
    if code:
        raise RuntimeError(f"{log}\nIt ended with the exit code {code} on {platform.node()}.")
    return log


def _share_of_cores() -> int:
    """How many threads an experiment gets: the machine is shared by all that run on it.

    A worker runs as many experiments at a time as it has threads in Dask's sense.
    """
    import joblib
    from distributed import get_client, get_worker

    state = get_worker().state
    if given := os.environ.get("DIGITS_THREADS"):
        return max(int(given) // state.nthreads, 1)
    workers = get_client().scheduler_info()["workers"]
    here = workers[state.address]["host"]
    at_a_time = sum(each["nthreads"] for each in workers.values() if each["host"] == here)
    return int(max(joblib.cpu_count() // at_a_time, 1))


def main() -> None:
    """Run the experiment that the first line of the input describes."""
    from dvc.exceptions import DvcException

    job = Job(**json.loads(_read_parent()))
    with _free_folder(Path.cwd()) as clone:
        if not _is_to_do(job):
            return
        _clone(job, Path.cwd() / "repository.git", clone)
        os.environ["DVC_SITE_CACHE_DIR"] = str(clone / ".git" / "dvc")  # ends with the clone
        os.chdir(clone / job.project)
        _configure(job, Path.cwd(), clone.parent / "cache")
        try:
            _run(job, Path.cwd())
        except DvcException as error:  # the stage that failed has said why
            sys.exit(f"ERROR: {error}")
        refs = (f"{job.ref}:{job.ref}", f"{job.ref}:{DONE}/{job.revision}")
        _git("push", "--quiet", "--atomic", "origin", *refs)


def _read_parent() -> str:
    """Read a line from the Dask worker. When that is gone, end this and all that it started.

    Else the experiment would go on here while another worker takes it up.
    """
    parent = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what is started shall not read from it
    line = parent.readline()

    def wait() -> None:
        parent.readline()  # returns when the other end is closed
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
    return line


@contextmanager
def _free_folder(folder: Path) -> Iterator[Path]:
    """A folder for a clone that no other process uses; what a killed one left is removed."""
    from filelock import FileLock, Timeout

    for number in count():
        clone = folder / f"clone-{number}"
        lock = FileLock(f"{clone}.lock")
        with suppress(Timeout), lock.acquire(blocking=False):
            rmtree(clone, ignore_errors=True)
            try:
                yield clone
            finally:
                rmtree(clone, ignore_errors=True)
            return


def _is_to_do(job: Job) -> bool:
    """Whether the experiment is still queued: nobody has run it, or taken it from the queue."""
    queued, done = f"{QUEUED}/{job.revision}", f"{DONE}/{job.revision}"
    refs = _git("ls-remote", job.git_url, queued, done).split()
    return queued in refs and done not in refs


def _clone(job: Job, mirror: Path, clone: Path) -> None:
    """Clone the commit of the experiment by a repository that stays here for the next ones."""
    from filelock import FileLock

    queued = f"{QUEUED}/{job.revision}"
    with FileLock(f"{mirror}.lock"):
        for url, repository in ((job.git_url, mirror), (str(mirror), clone)):
            try:
                _fetch(url, repository, queued)
            except GitError:  # perhaps a kill left it half-written
                rmtree(repository, ignore_errors=True)
                _fetch(url, repository, queued)
    author, email = _git("log", "-1", "--format=%an%n%ae", job.revision, cwd=clone).splitlines()
    _git("remote", "add", "origin", job.git_url, cwd=clone)
    _git("config", "user.name", author, cwd=clone)
    _git("config", "user.email", email, cwd=clone)
    _git("checkout", "--quiet", "--detach", job.head, cwd=clone)


def _fetch(url: str, repository: Path, ref: str) -> None:
    _git("init", "--quiet", *(["--bare"] if repository.suffix else []), str(repository))
    _git("-c", "gc.auto=0", "fetch", "--quiet", url, f"+{ref}:{ref}", cwd=repository)


def _git(*arguments: str, cwd: Path | None = None) -> str:
    """What git prints; what it says of an error goes to the log."""
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise GitError(f"git ended with the exit code {done.returncode}")
    return done.stdout


def _configure(job: Job, project: Path, cache: Path) -> None:
    """Let DVC find its remote, and keep its cache for the next experiments."""
    from dvc.repo import Repo

    with Repo(str(project)) as repo, repo.config.edit("local") as config:
        config["core"] = {"remote": job.dvc_remote}
        config["remote"] = {job.dvc_remote: {"url": job.dvc_url}}
        config["cache"] = {"dir": str(cache)}


def _run(job: Job, project: Path) -> None:
    """Run the experiment as DVC runs what it has stashed, and push what it made to the cache."""
    from dvc.exceptions import DownloadError
    from dvc.repo import Repo

    with Repo(str(project)) as repo:
        # What the remote lacks or has damaged, the stages make again.
        with suppress(DownloadError):
            repo.fetch(revs=[job.revision], workspace=False)
        queue = repo.experiments.workspace_queue
        message = queue.stash.format_message(job.head, job.baseline, job.name)
        repo.scm.set_ref(queue.ref, job.revision, message=f"commit: {message}")
        queue.reproduce()
    with Repo(str(project)) as repo:
        # Before the experiment's ref: who sees that can fetch all of it.
        repo.push(revs=[job.ref], workspace=False)


if __name__ == "__main__":
    main()
