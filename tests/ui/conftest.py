"""`make ui` over three real experiments, and a real browser."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import psutil
import pytest
from mlflow.entities import Run
from playwright.sync_api import Browser, Page, sync_playwright

from tests.runs import free_port, wait_for_health
from tests.scratch import Project
from tests.ui.pages import EXECUTABLE, EXPERIMENTS, TIMEOUT, wait_for_table

# Of itself Chromium asks its makers' servers for this and that; with these it cannot, nor can a
# page.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="module")
def project(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A scratch repository with three experiments."""
    project = fresh.copy(tmp_path_factory.mktemp("shown") / "digits")
    for name, changes in EXPERIMENTS.items():
        options = [word for change in changes for word in ("-S", change)]
        project.dvc("exp", "run", "-n", name, *options)
    return project


@pytest.fixture(scope="module")
def served(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, psutil.Process]]:
    """The UI's address and process, as long as the module's tests run; in the end none is left."""
    with serve(project, tmp_path_factory.mktemp("elsewhere")) as (address, process):
        yield address, process
        family = [process, *process.children(recursive=True)]
    _, left = psutil.wait_procs(family, timeout=20)
    assert not left


@pytest.fixture(scope="module")
def address(served: tuple[str, psutil.Process]) -> str:
    """Where `make ui` says that the runs are."""
    return served[0]


@contextmanager
def serve(project: Project, elsewhere: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`python -m digits ui`, called from another folder: the address it prints, and its process."""
    port = free_port()
    # Not a pipe: nobody empties it while the browser is asking.
    log = elsewhere / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "digits", "ui", "--port", str(port)],
            cwd=elsewhere,
            env=project.env | {"PYTHONPATH": str(project.path)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_health(process, port)
        printed = re.search(r"http://127\.0\.0\.1:\S+", log.read_text(encoding="utf-8"))
        assert printed, "it does not say where"
        yield printed[0], psutil.Process(process.pid)
    finally:
        running = process.poll() is None
        family = psutil.Process(process.pid).children(recursive=True) if running else []
        for child in family:
            child.terminate()
        process.terminate()
        process.wait(timeout=20)
        psutil.wait_procs(family, timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # For root, Chromium's sandbox does not start.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=FLAGS, chromium_sandbox=not is_root
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A user's first visit, in a browser that remembers nothing.

    In the end nobody but our server was asked.
    """
    context = browser.new_context(
        viewport={"width": 1700, "height": 1000}, locale="en-GB", timezone_id="UTC"
    )
    context.set_default_timeout(TIMEOUT)
    asked: list[str] = []
    errors: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    page.goto(address)
    # The chat window that MLflow opens on a first visit.
    page.get_by_role("button", name="Close").click()
    wait_for_table(page)
    yield page
    context.close()
    hosts = {
        urlsplit(url.removeprefix("blob:")).netloc for url in asked if not url.startswith("data:")
    }
    assert hosts == {urlsplit(address).netloc}
    assert not errors


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("DIGITS_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def runs(address: str) -> dict[str, Run]:
    """The runs by name, as MLflow's client gets them from the server."""
    parts = urlsplit(address)
    client = mlflow.MlflowClient(f"{parts.scheme}://{parts.netloc}")
    experiment = client.get_experiment_by_name("digits")
    assert experiment
    runs = {str(run.info.run_name): run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(EXPERIMENTS)
    return runs
