"""Scratch repositories, for the tests that run real DVC, git and MLflow."""

from digits.common.environment import set_environment  # isort: skip

set_environment()  # before NumPy is imported: the tests compute as the stages do

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from digits.models.persistence import save_model
from tests.imports import ROOT
from tests.scratch import SETTINGS, STAGES, Project
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
}


@pytest.fixture(scope="session", autouse=True)
def _newcomer() -> Iterator[None]:
    """No setting of whoever runs the tests reaches one, nor another fixture: in a git hook they would commit to that repository."""
    kept = {"DIGITS_BROWSER", "DIGITS_SCREENSHOTS"}  # of test_ui.py
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(SETTINGS) and name not in kept]:
            patch.delenv(name)
        set_environment()  # which sets some of MLflow's
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, "127.0.0.1,localhost", prepend=",")
        yield


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What MLflow and DVC leave in the environment of a test is gone after it."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


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
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as a newcomer clones it, set to a small experiment; nothing has run."""
    home, path = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("project") / "digits"
    (home / ".gitconfig").write_text(
        "[user]\nname = t\nemail = t@example.org\n[init]\ndefaultBranch = main\n", encoding="utf-8"
    )
    listed = subprocess.check_output(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, text=True
    )
    for name in filter(None, listed.split("\0")):
        if (
            name.startswith(("metrics/", "plots/", "tests/"))
            or name == "dvc.lock"
            or not (ROOT / name).is_file()
        ):
            continue
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path / name)
    project = Project(path, home)
    project.git("init", "-q")
    project.edit(**SMALL)
    project.commit("the project")
    return project


@pytest.fixture(scope="session")
def _reproduced(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = fresh.copy(tmp_path_factory.mktemp("reproduced") / "digits")
    assert project.repro() == list(STAGES)
    project.commit("its results")
    return project


@pytest.fixture
def newcomer(fresh: Project, tmp_path: Path) -> Project:
    """A scratch repository in which nothing has run yet."""
    return fresh.copy(tmp_path / "newcomer" / "digits")


@pytest.fixture
def project(_reproduced: Project, tmp_path: Path) -> Project:
    """A scratch repository in which `dvc repro` has run and its results are committed. No MLflow store is there yet."""
    project = _reproduced.copy(tmp_path / "digits")
    # A store knows its artifacts by absolute path, so the copied one is of no use; what says that nothing is to do stays.
    (project.store / "mlflow.db").unlink()
    shutil.rmtree(project.store / "artifacts")
    return project
