"""What a user sees who types `make ui`: the real server over real experiments, in a real browser."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import mlflow
import psutil
import pytest
from mlflow.entities import Run
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from digits.tracking.view import WIDTHS
from tests.runs import free_port, wait_for_health
from tests.scratch import Project

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = os.environ.get("DIGITS_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
# Of itself Chromium asks its makers' servers for this and that; with these it cannot, nor can a page.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
FLAGS += [
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

PATIENCE = 30_000  # milliseconds: the first page of a server that has just started takes longest
expect.set_options(timeout=PATIENCE)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not EXECUTABLE, reason="no Chromium found: apt install chromium, or set DIGITS_BROWSER"
    ),
]

EXPERIMENTS = {
    "one-neighbour": ("models.knn.n_neighbors=1",),
    "nine-neighbours": ("models.knn.n_neighbors=9",),
    "forest": ("train.model=forest", "models.forest.n_estimators=20"),
}


@pytest.fixture(scope="module")
def project(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A scratch repository with three experiments."""
    project = fresh.copy(tmp_path_factory.mktemp("shown") / "digits")
    for name, changes in EXPERIMENTS.items():
        project.dvc(
            "exp", "run", "-n", name, *(word for change in changes for word in ("-S", change))
        )
    return project


@pytest.fixture(scope="module")
def address(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `make ui` says that the runs are; the server runs as long as the module's tests."""
    with serve(project, tmp_path_factory.mktemp("elsewhere")) as (said, _):
        yield said


@contextmanager
def serve(project: Project, elsewhere: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`python -m digits ui`, called from another folder: the address that it prints, and its process."""
    port, log = (
        free_port(),
        elsewhere / "server.log",
    )  # a file: nobody empties a pipe while the browser is asking
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "digits", "ui", "--port", str(port)], cwd=elsewhere, env=project.env | {"PYTHONPATH": str(project.path)},
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for_health(process, port)
        found = re.search(r"http://127\.0\.0\.1:\S+", log.read_text(encoding="utf-8"))
        assert found, "it does not say where"
        yield found[0], psutil.Process(process.pid)
    finally:
        family = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        for child in family:
            child.terminate()
        process.terminate()
        process.wait(timeout=20)
        psutil.wait_procs(family, timeout=20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    root = (
        hasattr(os, "geteuid") and os.geteuid() == 0
    )  # for whom Chromium's sandbox does not start
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=FLAGS, chromium_sandbox=not root
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A user's first visit, in a browser that remembers nothing; in the end, nobody but our server was asked."""
    context = browser.new_context(
        viewport={"width": 1700, "height": 1000}, locale="en-GB", timezone_id="UTC"
    )
    context.set_default_timeout(PATIENCE)
    asked: list[str] = []
    errors: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    page.goto(address)
    page.get_by_role(
        "button", name="Close"
    ).click()  # of the chat window that MLflow opens on a first visit
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
    found = {str(run.info.run_name): run for run in client.search_runs([experiment.experiment_id])}
    assert set(found) == set(EXPERIMENTS)
    return found


def wait_for_table(page: Page) -> None:
    """The runs are there, then the columns, both asked of the server."""
    for name in EXPERIMENTS:
        expect(link(page, name)).to_be_visible()
    expect(page.locator("[role=columnheader][col-id^='metrics.']").first).to_be_visible()


def link(page: Page, name: str) -> Locator:
    """A run in the table."""
    return page.get_by_role("link", name=name, exact=True)


def heads(page: Page) -> list[str]:
    """The column heads right of the run's name and time, from left to right."""
    columns = page.locator(
        "[role=columnheader][col-id^='params.'], [role=columnheader][col-id^='metrics.']"
    )
    left = {
        str(column.get_attribute("col-id")): (column.bounding_box() or {"x": 0})["x"]
        for column in columns.all()
    }
    return sorted(left, key=left.__getitem__)


def cell(page: Page, run: Run, column: str) -> str:
    return page.locator(f"[row-id='{run.info.run_id}'] [col-id='{column}']").inner_text()


def table(page: Page, title: str) -> dict[str, tuple[Any, ...]]:
    """A table of the compare page: values by name, one for each run."""
    section = page.locator(".CompareRunView table").filter(has_text=title)
    rows = [row.locator("th, td").all_inner_texts() for row in section.locator("tr").all()]
    return {name.strip(): tuple(parsed(value) for value in values) for name, *values in rows}


def parsed(value: str) -> Any:
    """A param's value; MLflow draws lists in a layout of its own, and 5.0 in them as 5."""
    try:
        return json.loads(value)
    except ValueError:
        return value.strip()


def metric(page: Page, name: str) -> list[float]:
    """A metric on the compare page, one value for each run; its table is drawn as columns of cells with a height."""
    link = page.get_by_role("link", name=name, exact=True)
    link.scroll_into_view_if_needed()
    values = link.evaluate(
        """link => {
            const name = link.parentElement;
            const cells = [...document.querySelectorAll(".ReactVirtualized__Grid__innerScrollContainer > div")];
            return cells.filter(cell => cell !== name && cell.style.top === name.style.top).map(cell => cell.innerText);
        }"""
    )
    return [float(value) for value in values]


def n_metrics(page: Page) -> int:
    """How many metrics the compare page has, drawn or not."""
    name = page.locator(".ReactVirtualized__Grid__innerScrollContainer > div").first
    sizes = name.evaluate(
        "cell => [cell.parentElement.style.height, cell.style.height].map(parseFloat)"
    )
    return round(sizes[0] / sizes[1])


def test_the_runs_table_has_the_runs_and_the_columns(
    page: Page, runs: dict[str, Run], screenshots: Path
) -> None:
    page.screenshot(path=screenshots / "runs.png")
    assert heads(page) == list(WIDTHS)
    for run in runs.values():
        for column in WIDTHS:
            kind, name = column.rstrip("`").split(".`")
            shown = cell(page, run, column)
            if kind == "params":
                assert shown == run.data.params[name]
            else:
                assert float(shown) == run.data.metrics[name]


def test_the_heads_of_the_columns_can_be_read(page: Page) -> None:
    """None of ours is cut, by its column or by the edge of the table."""
    cut = page.locator(
        "[role=columnheader][col-id*='.`'] [data-testid^='sort-header-']"
    ).evaluate_all(
        """heads => {
            const right = part => part.getBoundingClientRect().right;
            const end = head => {
                const text = document.createRange();
                text.selectNodeContents(head);
                return right(text);
            };
            const edge = right(document.querySelector(".ag-center-cols-viewport"));
            return heads.filter(head => end(head) > Math.min(right(head.closest("[col-id]")), edge)).map(head => head.innerText);
        }"""
    )
    assert not cut


def test_the_columns_stay_once_the_view_is_taken_over(page: Page) -> None:
    page.get_by_role("button", name="Override saved view").click()
    page.reload()
    wait_for_table(page)
    assert heads(page) == list(WIDTHS)


def test_two_runs_compared(page: Page, runs: dict[str, Run], screenshots: Path) -> None:
    chosen = [runs["one-neighbour"], runs["nine-neighbours"]]
    for run in chosen:
        page.get_by_role("row").filter(has=link(page, str(run.info.run_name))).get_by_role(
            "checkbox"
        ).first.check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Comparing 2 Runs")).to_be_visible()

    assert table(page, "Run Name:")["Run Name:"] == ("one-neighbour", "nine-neighbours")
    params = table(page, "models.knn.n_neighbors")
    assert set(params) == set(chosen[0].data.params)
    for name, values in params.items():
        assert values == tuple(parsed(run.data.params[name]) for run in chosen)
    assert n_metrics(page) == len(chosen[0].data.metrics)

    for section in ("Parameters", "Metrics"):
        page.get_by_role("switch", name=f"{section} - Show diff only").click()
    expect(page.locator(".CompareRunView tr", has_text="models.knn.weights")).to_have_count(0)
    assert table(page, "models.knn.n_neighbors") == {"models.knn.n_neighbors": (1, 9)}
    differing = [
        name
        for name, value in chosen[0].data.metrics.items()
        if value != chosen[1].data.metrics[name]
    ]
    assert n_metrics(page) == len(differing)
    for name in ("cost/train_seconds", "test/accuracy", "test/errors"):
        # MLflow rounds to three decimals here
        assert metric(page, name) == [
            pytest.approx(run.data.metrics[name], abs=5.1e-4) for run in chosen
        ]
    page.get_by_role("switch", name="Parameters - Show diff only").scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "compare.png")


def test_a_runs_pictures_open(page: Page, project: Project, screenshots: Path) -> None:
    link(page, "forest").click()
    expect(page.get_by_role("heading", name="forest")).to_be_visible()
    page.screenshot(path=screenshots / "run.png")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("pictures", exact=True).click()
    pictures = sorted(
        path.name for path in (project.path / "plots" / "pictures").iterdir()
    )  # of the last experiment
    assert "errors.png" in pictures
    for name in pictures:
        page.get_by_text(name, exact=True).click()
        picture = page.get_by_role("img", name=f"pictures/{name}")
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("picture => picture.naturalWidth") > 100
        if name == "errors.png":
            page.screenshot(path=screenshots / "picture.png")


def test_the_server_is_ours_alone(project: Project, tmp_path: Path) -> None:
    """It reports nothing to MLflow's makers, tells the browser to report nothing, and leaves no process behind."""
    with serve(project, tmp_path) as (address, server):
        assert server.environ()["MLFLOW_DISABLE_TELEMETRY"] == "true"
        parts = urlsplit(address)
        with urlopen(f"{parts.scheme}://{parts.netloc}/ajax-api/3.0/mlflow/ui-telemetry") as answer:
            assert json.load(answer)["disable_ui_telemetry"] is True
        family = [server, *server.children(recursive=True)]
    deadline = time.monotonic() + 20
    while any(process.is_running() for process in family) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [process for process in family if process.is_running()]
