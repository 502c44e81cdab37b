"""What a user of `make ui` sees: the real server, real experiments, a real browser."""

import json
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import pytest
from mlflow.entities import Run
from playwright.sync_api import Page, expect

from digits.tracking.view import WIDTHS, column
from tests.scratch import Project
from tests.ui.pages import (
    EXECUTABLE,
    cell,
    heads,
    link,
    metric,
    n_metrics,
    parsed,
    table,
    wait_for_table,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not EXECUTABLE, reason="no Chromium found: apt install chromium, or set DIGITS_BROWSER"
    ),
]


# What is always there, and between it the param in which two of the runs differ.
COLUMNS = [*list(WIDTHS)[:1], column("models.knn.n_neighbors"), *list(WIDTHS)[1:]]


def test_the_runs_table_has_the_runs_and_the_columns(
    page: Page, runs: dict[str, Run], screenshots: Path
) -> None:
    page.screenshot(path=screenshots / "runs.png")
    assert heads(page) == COLUMNS
    for run in runs.values():
        for head in COLUMNS:
            kind, name = head.rstrip("`").split(".`")
            shown = cell(page, run, head)
            if kind == "params":
                assert shown == run.data.params.get(name, "-")
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
            const isCut = head => end(head) > Math.min(right(head.closest("[col-id]")), edge);
            return heads.filter(isCut).map(head => head.innerText);
        }"""
    )
    assert not cut


def test_the_columns_stay_once_the_view_is_taken_over(page: Page) -> None:
    page.get_by_role("button", name="Override saved view").click()
    page.reload()
    wait_for_table(page)
    assert heads(page) == COLUMNS


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
        # MLflow shows three decimals here, and no more than four digits.
        assert metric(page, name) == [
            pytest.approx(run.data.metrics[name], abs=5.1e-4, rel=5.1e-4) for run in chosen
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


def test_the_server_is_ours_alone(served: tuple[str, psutil.Process]) -> None:
    """It reports nothing to MLflow's makers, and tells the browser to report nothing.

    That it leaves no process behind is seen at its end.
    """
    address, server = served
    assert server.environ()["MLFLOW_DISABLE_TELEMETRY"] == "true"
    parts = urlsplit(address)
    with urlopen(f"{parts.scheme}://{parts.netloc}/ajax-api/3.0/mlflow/ui-telemetry") as answer:
        assert json.load(answer)["disable_ui_telemetry"] is True
