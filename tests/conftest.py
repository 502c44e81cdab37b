"""Scratch repositories, for the tests that run real DVC, git and MLflow."""

import gc

from digits.common.environment import set_environment  # isort: skip

gc.disable()  # until all is imported, see pytest_collection_finish
set_environment()  # before NumPy is imported: the tests compute as the stages do

import hashlib
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from digits.__main__ import main
from digits.models.persistence import save_model
from tests.imports import ROOT
from tests.scratch import SETTINGS, STAGES, Project, enter, make_once
from tests.small import IMAGES, LABELS, learned

# Seconds, whatever the default experiment is.
SMALL = {
    "target": "digit",
    "fetch__dataset": "digits_8x8",
    "split__strategy": "canonical",
    "split__folds": 3,
    "augment__shifts": [[-1, 0], [1, 0], [0, -1], [0, 1]],
    "augment__rotations": [],
    "augment__scales": [],
    "augment__shears": [],
    "augment__elastic__copies": 0,
    "train__model": "knn",
    "train__features": "pixels",
    "train__scale": "none",
    "train__components": 0,
    "train__clusters": 0,
    "train__copies": "all",
    "train__engine": "scikit-learn",
    "train__validate": "holdout",
    "train__train_sizes": [],
    "models__knn__n_neighbors": 4,
    "models__knn__weights": "distance",
    "evaluate__robustness": {"images": 30, "shifts": [1], "rotations": [10]},
}
# The same examples each time, and no limit of time that a busy machine would break.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

# The longest tests, and how many seconds they take: they begin first.
SECONDS = {
    "test_the_pages_commands_do_what_is_written": 240,
    "test_an_experiment_here_set_back_forced_pushed_and_aside": 110,
    "test_a_server_that_is_there_is_down_or_dies": 100,
    "test_what_was_lost_with_a_killed_worker_fails_and_the_rest_is_done": 90,
    "test_make_ladder_runs_what_is_missing_and_writes_the_table": 60,
    "test_a_grid_is_worked_off_and_what_fails_is_named": 60,
    "test_a_wiped_store_and_what_is_measured_otherwise": 55,
    "test_a_folder_of_pictures_is_a_data_set": 50,
    "test_git_does_not_merge_what_never_ran": 45,
    "test_an_edit_on_a_branch_and_back": 45,
    "test_a_failed_stage_is_a_failed_run_and_the_next_repro_ends_right": 45,
    "test_an_addition_takes_few_files_and_is_found_everywhere": 40,
    "test_after_a_kill_the_next_repro_ends_right": 40,
}

GIT_CONFIG = "[user]\nname = t\nemail = t@example.org\n[init]\ndefaultBranch = main\n"


@pytest.fixture(scope="session", autouse=True)
def _newcomer() -> Iterator[None]:
    """No setting of whoever runs the tests reaches one, nor another fixture.

    In a git hook they would commit to that repository.
    """
    kept = {"DIGITS_BROWSER", "DIGITS_SCREENSHOTS"}  # of test_ui.py
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS) and name not in kept]:
            patch.delenv(name)
        set_environment()  # which sets some of MLflow's
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, "127.0.0.1,localhost", prepend=",")
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Ctrl-C reaches what the tests start, also where they run in the background.

    A shell lets its background jobs ignore SIGINT, and what they start inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """What MLflow and DVC leave in the environment is gone after each test.

    Also what they left in a fixture of a module: another module's would write to that store.
    """
    names = "MLFLOW_TRACKING_URI MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT DVC_ROOT DVC_EXP_NAME"
    for name in names.split():
        os.environ.pop(name, None)
    yield
    for name in names.split():
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training leaves: model.skops, and plots/."""
    folder = tmp_path_factory.mktemp("made")
    save_model(learned("knn", IMAGES[:200], LABELS[:200]), folder / "model.skops")
    save_model(
        learned("forest", IMAGES[:200], LABELS[:200] == 5, scale="none", components=10),
        folder / "yes_or_no.skops",
    )
    np.save(folder / "example.npy", IMAGES[:1])
    (folder / "plots").mkdir()
    (folder / "plots" / "errors.png").write_bytes(b"a picture")
    (folder / "plots" / "confusion.csv").write_bytes(b"actual,predicted\n")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that several tests use, each for keys of its own."""
    return tmp_path_factory.mktemp("repository") / ".mlflow"


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def fresh(workshop: Path) -> Project:
    """The project as a newcomer clones it, set to a small experiment; nothing has run.

    Tests copy it, by `newcomer` or by itself.
    """

    def make(folder: Path) -> None:
        project = Project(folder / "digits", folder / "home")
        copy_sources(project.path)
        project.home.mkdir()
        (project.home / ".gitconfig").write_text(GIT_CONFIG, encoding="utf-8")
        project.git("init", "-q")
        project.edit(**SMALL)
        project.commit("the project")

    folder = make_once(workshop / "fresh", make)
    return Project(folder / "digits", folder / "home")


def copy_sources(path: Path) -> None:
    """Copy what git knows of this project, but for its results and its tests."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in filter(None, subprocess.check_output(command, cwd=ROOT, text=True).split("\0")):
        is_result = name == "dvc.lock" or name.startswith(("metrics/", "plots/"))
        if not is_result and not name.startswith("tests/") and (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)


@pytest.fixture(scope="session")
def reproduced(fresh: Project, workshop: Path) -> Callable[..., Project]:
    """A project in which `dvc repro` has run with these params, and its results are committed.

    It is made once for all tests that ask for the same params. They look at it, or copy it. Which
    stages ran, .git/stages says.
    """

    def get(**params: Any) -> Project:
        def make(path: Path) -> None:
            project = (get() if params else fresh).copy(path)
            project.edit(**params)
            stages = project.repro()
            assert params or stages == list(STAGES)
            project.commit("its results")
            (path / ".git" / "stages").write_text(" ".join(stages), encoding="utf-8")

        name = hashlib.sha256(repr(sorted(params.items())).encode()).hexdigest()[:16]
        return Project(make_once(workshop / f"reproduced-{name}", make), fresh.home)

    return get


@pytest.fixture
def new_project(reproduced: Callable[..., Project], tmp_path: Path) -> Callable[..., Project]:
    """A scratch repository in which `dvc repro` has run with these params; the store is empty."""

    def copy(**params: Any) -> Project:
        project = reproduced(**params).copy(tmp_path / "digits")
        project.forget_runs()
        return project

    return copy


@pytest.fixture
def project(new_project: Callable[..., Project]) -> Project:
    """A scratch repository in which `dvc repro` has run and its results are committed.

    The MLflow store has no run yet.
    """
    return new_project()


@pytest.fixture
def newcomer(fresh: Project, tmp_path: Path) -> Project:
    """A scratch repository in which nothing has run yet."""
    return fresh.copy(tmp_path / "newcomer" / "digits")


@pytest.fixture
def digits(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[..., tuple[int, str, str]]:
    """`python -m digits` in a project: its exit code, and what it prints for programs and people.

    In this process, which is faster.
    """

    def run(project: Project, *arguments: str, **env: str) -> tuple[int, str, str]:
        capsys.readouterr()
        caplog.clear()
        with pytest.MonkeyPatch.context() as patch:
            enter(project, patch, **env)
            code = main(arguments)
        out, err = capsys.readouterr()
        warned = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
        return code, out, "".join([err, *(f"{message}\n" for message in warned)])

    return run


@pytest.fixture
def here(digits: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """All that `digits` prints; the test fails when it does not exit as expected."""

    def run(project: Project, *arguments: str, fails: bool = False, **env: str) -> str:
        code, out, err = digits(project, *arguments, **env)
        assert (code != 0) == fails, f"digits {' '.join(arguments)} exited with {code}:\n{out}{err}"
        return out + err

    return run


def pytest_collection_finish() -> None:
    """Let Python look for garbage, but not among what was imported.

    In each worker that is half a million objects.
    """
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)  # after those that are not asked for were left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of the long tests, the longest first.

    pytest-xdist gives each worker a piece of the list, all of the same size. So no worker is left
    alone with a long test at the end.
    """
    longest: list[pytest.Item] = []
    long: list[pytest.Item] = []
    quick: list[pytest.Item] = []
    for item in items:
        if getattr(item, "originalname", "") in SECONDS:
            longest.append(item)
        else:
            (long if "fresh" in getattr(item, "fixturenames", ()) else quick).append(item)
    longest.sort(key=lambda item: -SECONDS[item.originalname])  # type: ignore[attr-defined]
    n_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    left = len(items)
    items.clear()
    for worker in range(n_workers):
        size, n_long = left // (n_workers - worker), len(long) // (n_workers - worker)
        piece = longest[worker::n_workers] + long[:n_long]
        n_quick = max(0, size - len(piece))
        items += piece + quick[:n_quick]
        left -= size
        del long[:n_long], quick[:n_quick]
    items += quick
