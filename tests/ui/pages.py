"""The browser, the experiments, and what the pages of the MLflow UI show of them."""

import json
import os
import shutil
from typing import Any

from mlflow.entities import Run
from playwright.sync_api import Locator, Page, expect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = os.environ.get("DIGITS_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)

EXPERIMENTS = {
    "one-neighbour": ("models.knn.n_neighbors=1",),
    "nine-neighbours": ("models.knn.n_neighbors=9",),
    "forest": ("train.model=forest", "models.forest.n_estimators=20"),
}

TIMEOUT = 30_000  # milliseconds: the first page of a server that has just started takes longest

expect.set_options(timeout=TIMEOUT)


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
    """A metric on the compare page, one value for each run.

    Its table is drawn as columns of cells with a height.
    """
    link = page.get_by_role("link", name=name, exact=True)
    link.scroll_into_view_if_needed()
    values = link.evaluate(
        """link => {
            const name = link.parentElement;
            const grid = ".ReactVirtualized__Grid__innerScrollContainer > div";
            const inRow = cell => cell !== name && cell.style.top === name.style.top;
            return [...document.querySelectorAll(grid)].filter(inRow).map(cell => cell.innerText);
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
