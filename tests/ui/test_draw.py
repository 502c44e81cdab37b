"""The drawing page in a real browser: drawn on, read, kept, by mouse, pen, finger and keyboard."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.drawing import Server, drawing_server
from tests.scratch import Project
from tests.ui.pages import EXECUTABLE, TIMEOUT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not EXECUTABLE, reason="no Chromium found: apt install chromium, or set DIGITS_BROWSER"
    ),
]

Stroke = tuple[tuple[float, float], ...]  # points, from 0 to 1 across the paper
SEVEN: Stroke = ((0.3, 0.15), (0.72, 0.15), (0.38, 0.88))
SCRIBBLE: Stroke = (
    (0.1, 0.1), (0.9, 0.9), (0.1, 0.5), (0.9, 0.2), (0.2, 0.9), (0.5, 0.05), (0.7, 0.95),
    (0.05, 0.6), (0.95, 0.5),
)  # fmt: skip
NOTHING = "Nothing is drawn yet."


@pytest.fixture(scope="module")
def project(
    reproduced: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    return reproduced().copy(tmp_path_factory.mktemp("drawing") / "digits")


@pytest.fixture(scope="module")
def server(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with drawing_server(project, tmp_path_factory.mktemp("log") / "server.log") as server:
        yield server


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Server, project: Project) -> Iterator[Open]:
    """Opens the page; in the end nobody but our server was asked, and nothing is kept."""
    contexts: list[BrowserContext] = []
    asked: list[str] = []
    errors: list[str] = []
    complaints: list[str] = []

    def open_one(
        width: int = 1280, scheme: Literal["light", "dark"] = "light", touch: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 850}, color_scheme=scheme, has_touch=touch
        )
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        context.on("request", lambda request: asked.append(request.url))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda message: complaints.append(message.text))
        page = context.new_page()
        page.goto(server.address)
        expect(page.locator("#bars li")).to_have_count(10)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(server.address).netloc}
    assert not errors
    refused = "Failed to load resource: the server responded with a status of 40"  # as tests ask
    assert not [text for text in complaints if not text.startswith(refused)]
    assert not kept_in(project)


def kept_in(project: Project) -> list[Path]:
    return [path for path in (project.path / "data/own/drawn").rglob("*") if path.is_file()]


def draw(page: Page, stroke: Stroke, by: str = "mouse") -> None:
    """Draw a stroke, as the browser gets it of a mouse, a pen or a finger."""
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    assert box
    devtools = page.context.new_cdp_session(page)
    ends = pairwise(stroke)
    points = [
        (
            box["x"] + (a + (c - a) * n / 8) * box["width"],
            box["y"] + (b + (d - b) * n / 8) * box["height"],
        )
        for (a, b), (c, d) in ends
        for n in range(9)
    ]
    names = ["Pressed", *["Moved"] * (len(points) - 1), "Released"]
    touches = ["touchStart", *["touchMove"] * (len(points) - 1), "touchEnd"]
    for (x, y), name, touch in zip([*points, points[-1]], names, touches, strict=True):
        if by == "finger":
            touched = [] if touch == "touchEnd" else [{"x": x, "y": y}]
            devtools.send("Input.dispatchTouchEvent", {"type": touch, "touchPoints": touched})
        else:
            event = {"type": f"mouse{name}", "x": x, "y": y, "button": "left", "buttons": 1}
            devtools.send("Input.dispatchMouseEvent", event | {"clickCount": 1, "pointerType": by})


def expect_read(page: Page, digit: str) -> None:
    expect(page.locator("#digit")).to_have_text(digit)


def digits_kept(page: Page) -> list[str]:
    return page.locator("#labels small").all_inner_texts()


@pytest.mark.parametrize("by", ["mouse", "pen", "finger"])
def test_a_drawn_7_is_read_as_7(open_page: Open, by: str) -> None:
    page = open_page(touch=by == "finger")
    draw(page, SEVEN, by)
    expect_read(page, "7")
    expect(page.locator("#bars .first")).to_contain_text("7")
    shares = [float(text.removesuffix(" %")) for text in page.locator(".value").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    certainty = page.locator("#certainty").inner_text()
    assert certainty == page.locator("#bars .first .value").inner_text()
    levels = page.locator("#seen").evaluate(
        "it => [...it.getContext('2d').getImageData(0, 0, it.width, it.height).data]"
    )
    assert len(levels) == 4 * 64 and max(levels[::4]) == 255 and min(levels[::4]) == 0
    assert page.evaluate("() => scrollY") == 0, "a finger draws, and scrolls nothing"


def test_it_is_kept_and_taken_back(open_page: Open, project: Project) -> None:
    page = open_page()
    draw(page, SEVEN)
    page.get_by_role("button", name="Keep as 7").click()
    message = page.locator("#message")
    expect(message).to_contain_text("Kept as 7: data/own/drawn/7/")
    expect(page.locator("#why")).to_have_text(NOTHING)
    (file,) = kept_in(project)
    assert message.inner_text().endswith(file.relative_to(project.path).as_posix())
    assert digits_kept(page) == ["0 kept"] * 7 + ["1 kept"] + ["0 kept"] * 2
    line = json.loads(project.digits("predict", "--json", str(file)))
    assert line["digit"] == 7

    page.reload()  # the server remembers
    expect(page.get_by_role("button", name="Keep as 7 (1 kept)")).to_be_visible()
    page.get_by_role("button", name="Take the last one back").click()
    expect(message).to_contain_text("Taken back: data/own/drawn/7/")
    assert not kept_in(project) and digits_kept(page) == ["0 kept"] * 10
    page.get_by_role("button", name="Take the last one back").click()
    expect(message).to_contain_text("Nothing to take back")
    page.get_by_role("button", name="Keep as 7").click()
    expect(message).to_contain_text("The picture holds no ink")


def test_a_key_keeps_what_is_drawn_while_the_pen_is_down(open_page: Open, project: Project) -> None:
    page = open_page()
    box = page.locator("#paper").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + box["height"] / 2, steps=5)
    page.keyboard.press("1")
    expect(page.locator("#message")).to_contain_text("Kept as 1")
    page.mouse.move(x + 20, y, steps=3)  # the stroke is over: this draws nothing
    page.mouse.up()
    expect(page.locator("#why")).to_have_text(NOTHING)
    assert len(kept_in(project)) == 1
    draw(page, SEVEN)
    expect_read(page, "7")
    page.get_by_role("button", name="Take the last one back").click()
    expect(page.locator("#message")).to_contain_text("Taken back")


def test_by_keyboard_alone(open_page: Open, project: Project) -> None:
    """All but the drawing: every control is reached, has a name, and shows its focus."""
    page = open_page()
    focused = page.locator(":focus")
    names = []
    for _ in range(14):
        page.keyboard.press("Tab")
        names.append(focused.get_attribute("aria-label") or focused.inner_text())
        assert focused.evaluate("it => getComputedStyle(it).outlineStyle") == "solid"
    assert names[0].startswith("Paper to draw") and names[1:3] == ["Undo stroke", "Clear"]
    assert [name.split(" (")[0] for name in names[3:13]] == [f"Keep as {d}" for d in range(10)]
    assert names[13] == "Take the last one back"

    draw(page, SEVEN)
    expect_read(page, "7")
    page.keyboard.press("7")
    expect(page.locator("#message")).to_contain_text("Kept as 7")
    assert len(kept_in(project)) == 1
    page.get_by_role("button", name="Take the last one back").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Taken back")
    expect_read(page, "7")  # it is on the paper again, for another label
    page.locator("#paper").focus()
    for key in ("Backspace", "Delete"):
        page.keyboard.press(key)
        expect(page.locator("#why")).to_have_text(NOTHING)
        draw(page, SEVEN)
        expect_read(page, "7")


def test_a_scribble_is_no_digit(open_page: Open) -> None:
    page = open_page()
    draw(page, SEVEN)
    expect_read(page, "7")
    draw(page, SCRIBBLE)
    expect(page.locator("#why")).to_contain_text("The picture holds no single digit, as ")
    expect_read(page, "-")
    assert set(page.locator(".value").all_inner_texts()) == {""}
    page.get_by_role("button", name="Undo stroke").click()
    expect_read(page, "7")


def test_an_answer_to_what_was_cleared_is_not_shown(open_page: Open) -> None:
    page = open_page()
    with page.expect_response("**/read"):
        draw(page, SEVEN)
        page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(300)
    expect(page.locator("#why")).to_have_text(NOTHING)
    expect_read(page, "-")


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(1280, "light"), (1280, "dark"), (800, "light"), (400, "dark"), (400, "light")],
)
def test_it_fits(
    open_page: Open, screenshots: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    page = open_page(width, scheme)
    draw(page, SEVEN)
    expect_read(page, "7")
    page.screenshot(path=screenshots / f"draw-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    cut = page.locator("button, p, h1, h2, #bars li").evaluate_all(
        "all => all.filter(it => it.scrollWidth > it.clientWidth + 1).map(it => it.innerText)"
    )
    assert not cut
    bars = page.locator("#bars li").evaluate_all("all => all.map(it => it.offsetHeight)")
    assert len(set(bars)) == 1, "a share is on one line"
    sizes = page.locator("button").evaluate_all("all => all.map(it => it.getBoundingClientRect())")
    assert min(min(size["width"], size["height"]) for size in sizes) >= 44, "for a finger"
    page_is = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (page_is == "rgb(20, 23, 27)") == (scheme == "dark")
