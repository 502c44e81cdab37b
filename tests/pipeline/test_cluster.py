"""`make queue` on a Dask cluster whose two workers share nothing but the remotes."""

from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import joblib
import pytest

from digits.experiments.git import list_experiments, read_file
from digits.experiments.queue import read_queue
from tests.dask_cluster import LONG, needs_dask, says, scheduler, started, worker
from tests.runs import MlflowServer, free_port
from tests.scratch import Project, assert_complete, wait_until

pytestmark = [pytest.mark.services, needs_dask]

NAMES = [f"k-{number}" for number in range(1, 9)]


@pytest.fixture
def shared(project: Project, tmp_path: Path) -> Project:
    """A project with a git remote and a DVC remote, and an edit that is not committed."""
    project.git("init", "-q", "--bare", str(tmp_path / "hub.git"))
    project.git("remote", "add", "origin", str(tmp_path / "hub.git"))
    storage = str(tmp_path / "storage")
    project.dvc("remote", "modify", "--local", "storage", "url", storage)
    return project


def names(project: Project) -> list[str]:
    """The experiments that are here."""
    return sorted(file.name for file in project.path.glob(".git/refs/exps/??/*/*"))


def on_remote(project: Project, kind: str) -> int:
    """How many experiments are queued or done on the git remote."""
    return len([*project.path.parent.glob(f"hub.git/refs/digits/{kind}/*")])


def locks(project: Project) -> dict[str, str]:
    """The dvc.lock of each experiment."""
    experiments = list_experiments(project.path)
    return {each.name: read_file(project.path, each.commit, "dvc.lock") for each in experiments}


def test_eight_experiments_while_a_worker_and_the_sender_are_killed(
    shared: Project, server: MlflowServer, tmp_path: Path
) -> None:
    """Nothing twice, nothing lost, and the same dvc.lock as by DVC's own queue."""
    seen, port = tmp_path / "seen", free_port()
    with (shared.path / "stages" / "train.py").open("a", encoding="utf-8") as file:
        file.write(
            "\n\nimport os\n\n"
            f"with open({str(seen)!r}, 'a') as seen:\n"
            "    print(os.environ['DVC_EXP_NAME'], os.environ['DIGITS_THREADS'], file=seen)\n"
        )
    locally = shared.copy(tmp_path / "locally" / "digits")
    for project in (shared, locally):
        grid = "models.knn.n_neighbors=1,2,3,4,5,6,7,8"
        project.dvc("exp", "run", "--queue", "-n", "k", "-S", grid)
    locally.digits("queue", "--jobs", "2")
    seen.unlink()
    shared.dvc("exp", "run", "--queue", "-n", "bad", "-S", "models.knn.n_neighbors=9000")
    cluster = {
        "DASK_SCHEDULER_ADDRESS": f"tcp://127.0.0.1:{port}",
        "MLFLOW_TRACKING_URI": server.uri,
    }
    with ExitStack() as processes:
        processes.enter_context(scheduler(tmp_path / "scheduler", port))
        first = processes.enter_context(worker(tmp_path / "first", port))
        # It knows the cluster, and shall not send it the fits of its own experiments.
        processes.enter_context(worker(tmp_path / "second", port, **cluster))
        for name in ("first", "second"):
            there = Project(tmp_path / name, tmp_path / name / "home")
            wait_until(partial(says, there, "Registered to"), seconds=LONG)
        with started(shared, "-m", "digits", "queue", **cluster) as sender:
            wait_until(lambda: names(shared), sender, LONG)
            first.kill()
            processes.enter_context(worker(tmp_path / "first", port))
            wait_until(lambda: len(names(shared)) >= 3, sender, LONG)
            sender.kill()
        fetched = names(shared)
        wait_until(lambda: on_remote(shared, "done") >= 2, seconds=LONG)
        assert names(shared) == fetched and len(fetched) < len(NAMES), "nobody fetches"
        output = shared.digits("queue", fails=True, **cluster)
    assert "bad failed: `cat .dvc/tmp/exps/cluster/NAME.log` says why." in output
    log = shared.path / ".dvc" / "tmp" / "exps" / "cluster" / "bad.log"
    assert "n_neighbors of models.knn is 9000" in log.read_text("utf-8")
    assert [*read_queue(shared.path).left.values()] == ["bad"]
    assert (on_remote(shared, "queue"), on_remote(shared, "done")) == (1, 0)

    assert locks(shared) == locks(locally) and [*sorted(locks(shared))] == NAMES
    finished = [run for run in server.runs() if run.info.status == "FINISHED"]
    assert sorted(str(run.info.run_name) for run in finished) == NAMES
    for run in finished:
        assert_complete(run, shared, server.uri, after_a_kill=True)
    assert not [run for run in server.runs() if run.info.status == "RUNNING"]
    trained = [line.split() for line in seen.read_text("utf-8").splitlines()]
    assert trained[0][1] == str(max(joblib.cpu_count() // 2, 1)), "two share the cores"
    times = Counter(name for name, _ in trained)
    assert times.pop("bad") >= 2
    assert set(times) == set(NAMES) and times.total() <= len(NAMES) + 1, "one was killed"
    shared.git("checkout", "--", ".")
    shared.dvc("exp", "apply", "k-8")
    assert shared.repro() == ["track"], "all that the experiment made is here"


def test_a_sender_waits_for_a_worker_and_names_one_with_other_versions(
    shared: Project, tmp_path: Path
) -> None:
    """Before any work: nothing is on the git remote."""
    package = tmp_path / "packages" / "skops-0.0.1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: skops\nVersion: 0.0.1\n")
    shared.dvc("exp", "run", "--queue", "-n", "k", "-S", "models.knn.n_neighbors=1")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    with ExitStack() as processes:
        processes.enter_context(scheduler(tmp_path / "scheduler", port))
        queue = started(shared, "-m", "digits", "queue", DASK_SCHEDULER_ADDRESS=address)
        sender = processes.enter_context(queue)
        wait_until(partial(says, shared, "no worker is at the scheduler"), sender, LONG)
        other = worker(tmp_path / "worker", port, PYTHONPATH=str(package.parent))
        processes.enter_context(other)
        assert sender.wait(LONG) == 1
    assert says(shared, "has skops 0.0.1 (the sender's is ") and not on_remote(shared, "queue")
    assert [*read_queue(shared.path).left.values()] == ["k"]
