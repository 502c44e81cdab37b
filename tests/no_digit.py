"""Pictures without a single digit, and single digits that are hard to tell from those."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from tests.drawn import Ink, Make, encoded, enlarged, grained, on_page, painted, to_uint8

Colour = tuple[int, ...]
Without = Callable[[np.random.Generator], NDArray]
TOUCHING = ("two digits that touch", "two digits that hardly touch")  # often taken for one
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
COLOURS = ((20, 20, 20), (30, 60, 170), (180, 30, 40), (20, 110, 50))
WORDS = (
    "seven",
    "eight",
    "hello",
    "digit",
    "pen",
    "paper",
    "yes",
    "total",
    "sum",
    "name",
    "street",
)
RULED: dict[str, tuple[Colour, int, bool, bool]] = {
    "thin light rows": ((200, 200, 200), 1, False, False),
    "blue rows": ((160, 190, 230), 2, False, False),
    "grey squares": ((180, 180, 180), 1, True, False),
    "blue squares": ((120, 160, 220), 2, True, False),
    "blue squares, red margin": ((120, 160, 220), 2, True, True),
    "dark squares": ((70, 70, 70), 2, True, False),
}


def of_height(image: NDArray[np.uint8], height: int) -> Ink:
    """The digit of an image without its margin."""
    rows, columns = (np.flatnonzero((image > 50).any(axis=axis)) for axis in (1, 0))
    shape = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size = max(1, round(shape.shape[1] * height / shape.shape[0])), height
    large = Image.fromarray(shape.astype(np.float32) / 255).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(large).clip(0, 1)


def without_a_digit(images: NDArray[np.uint8]) -> dict[str, Without]:
    """How each kind of picture without a single digit is made, by a random generator."""

    def some(rng: np.random.Generator, height: int) -> Ink:
        return of_height(images[rng.integers(len(images))], height)

    def row(
        rng: np.random.Generator, n: int, gap: float,
        colours: tuple[Colour, ...] = (BLACK,), paper: Colour = WHITE,
    ) -> NDArray:  # fmt: skip
        digits = [some(rng, 120) for _ in range(n)]
        space = round(gap * 120)
        page = np.empty((180, sum(d.shape[1] for d in digits) + space * (n - 1) + 60, 3))
        page[:], left = paper, 30
        for number, ink in enumerate(digits):
            part = page[30:150, left : left + ink.shape[1]]
            part += ink[..., None] * (np.array(colours[number % len(colours)]) - part)
            left += ink.shape[1] + space
        return page

    def two_places(rng: np.random.Generator, page: Ink, tops: tuple[int, int]) -> NDArray:
        for number, top in enumerate(tops):
            ink = some(rng, int(rng.integers(95, 125)))[:, :140]
            left = 20 + number * (page.shape[1] - 180)
            page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
        return painted(page)

    def many(rng: np.random.Generator, form: bool, enlarge: int = 1) -> NDArray:
        n_rows, n_columns = int(rng.integers(5, 30)), int(rng.integers(4, 20))
        page = np.zeros((36 * n_rows + 60, 32 * n_columns + 80), np.float32)
        for y in range(n_rows):
            for x in range(n_columns):
                ink = some(rng, 20)[:, :28]
                page[36 * y + 38 : 36 * y + 58, 32 * x + 42 : 32 * x + 42 + ink.shape[1]] = ink
        if form:
            page[30:-20:36, 36:-30] = page[31:-20:36, 36:-30] = 1
            page[30:-28, 36:-30:32] = page[30:-28, 37:-30:32] = 1
        return painted(np.kron(page, np.ones((enlarge, enlarge), np.float32)))

    return {
        "two digits, a wide gap": lambda rng: row(rng, 2, rng.uniform(0.3, 1.5)),
        "two digits, a narrow gap": lambda rng: row(rng, 2, rng.uniform(0.1, 0.3)),
        TOUCHING[0]: lambda rng: row(rng, 2, rng.uniform(-0.05, 0.02)),
        TOUCHING[1]: lambda rng: row(rng, 2, rng.uniform(0.02, 0.1)),
        "three to eight digits": lambda rng: row(
            rng, int(rng.integers(3, 9)), rng.uniform(0.05, 0.8)
        ),
        "four digits in four colours, on grey": lambda rng: row(
            rng, 4, rng.uniform(0.1, 0.5), COLOURS, (150, 150, 150)
        ),
        "white and black digits, on green": lambda rng: row(
            rng, int(rng.integers(2, 5)), rng.uniform(0.1, 0.6), (WHITE, BLACK), (90, 140, 60)
        ),
        "two, one above the other": lambda rng: two_places(
            rng, np.zeros((400, 190), np.float32), (20, int(rng.integers(170, 260)))
        ),
        "two in opposite corners": lambda rng: two_places(
            rng, np.zeros((500, 500), np.float32), (20, 350)
        ),
        "a page of digits": lambda rng: many(rng, form=False),
        "a form of digits": lambda rng: many(rng, form=True),
        "a large form of digits": lambda rng: many(rng, form=True, enlarge=2),
        "a word": lambda rng: _text(WORDS[rng.integers(len(WORDS))], 60),
        "a line of text": lambda rng: _text(" ".join(rng.choice(WORDS, 5)), 30),
        "blank": _blank,
        "a solid area": _solid,
        "a gradient": _gradient,
        "noise": _noise,
        "a chequerboard": lambda rng: _chequers(int(rng.integers(8, 60))),
        "a scribble": _scribble,
        "a dash": _dash,
    }  # fmt: skip


def _text(words: str, size: int) -> NDArray:
    page = Image.new("RGB", (int(0.8 * size * len(words)) + 60, 2 * size), "white")
    font = ImageFont.load_default(size)
    ImageDraw.Draw(page).text((30, size // 3), words, (20, 20, 60), font)
    return np.asarray(page)


def _blank(rng: np.random.Generator) -> NDArray:
    page = np.broadcast_to(rng.integers(0, 256, 3).astype(float), (150, 200, 3))
    return grained(page, rng, rng.uniform(2, 25)) if rng.random() < 0.5 else page


def _solid(rng: np.random.Generator) -> NDArray:
    y, x = np.mgrid[:200, :240]
    areas = (
        (abs(y - 100) < rng.integers(40, 90)) & (abs(x - 120) < rng.integers(50, 100)),
        x < rng.integers(60, 180),
        y > rng.integers(60, 140),
        np.hypot(y - 100, x - 120) < rng.integers(40, 80),
        y - 30 > abs(x - 120) * rng.uniform(1, 2),
    )
    inside = areas[rng.integers(len(areas))].astype(np.float32)
    return painted(inside, tuple(rng.integers(0, 160, 3)))


def _gradient(rng: np.random.Generator) -> NDArray:
    y, x = np.mgrid[:200, :240] / 200
    wave = np.sin(rng.uniform(2, 12) * x) / 2 + 0.5
    level = (x / 1.2, y, np.hypot(y - 0.5, x - 0.6) / 0.8, x * y / 1.2, wave)[rng.integers(5)]
    first, second = (tuple(colour) for colour in rng.integers(0, 256, (2, 3)))
    return painted(level.astype(np.float32), first, second)


def _noise(rng: np.random.Generator) -> NDArray:
    if rng.random() < 0.3:
        return rng.integers(0, 256, (160, 200, 3))
    blurred = ndimage.gaussian_filter(rng.normal(size=(160, 200)), rng.uniform(0, 10))
    return painted(((blurred - blurred.min()) / np.ptp(blurred)).astype(np.float32))


def _chequers(size: int) -> NDArray:
    y, x = np.mgrid[:240, :300] // size
    return painted(((y + x) % 2).astype(np.float32))


def _scribble(rng: np.random.Generator) -> NDArray:
    page = Image.new("RGB", (300, 300), "white")
    points = [tuple(point) for point in rng.uniform(20, 280, (int(rng.integers(25, 60)), 2))]
    ImageDraw.Draw(page).line(points, (0, 0, 80), 5, "curve")
    return np.asarray(page)


def _dash(rng: np.random.Generator) -> NDArray:
    page, y = Image.new("RGB", (300, 120), "white"), int(rng.integers(40, 80))
    ends = [(30, y), (270, y + int(rng.integers(-15, 16)))]
    ImageDraw.Draw(page).line(ends, BLACK, int(rng.integers(3, 20)))
    return np.asarray(page)


def hard_digits() -> dict[str, Make]:
    """How each kind of picture of a digit that may seem several is made from an image."""
    return {
        "on plain paper": lambda image, rng: encoded(painted(_on_paper(image), (20, 30, 100))),
        **{name: _ruled(*lines) for name, lines in RULED.items()},
        "the bar of a 5 apart": lambda image, rng: encoded(painted(_cut(_on_paper(image), rng))),
        "in two pieces": lambda image, rng: encoded(painted(_cut(_on_paper(image).T, rng).T)),
        "an ink blot beside it": _with_blot,
        "dirt all over a page": lambda image, rng: encoded(
            255 * (1 - np.maximum(
                on_page(enlarged(image, 140), rng, 600, 500), rng.random((600, 500)) < 4e-4
            ))
        ),
    }  # fmt: skip


def shadow_edges() -> dict[str, Make]:
    """How pictures of a digit that the edge of a shadow crosses are made from an image."""
    return {
        "a shadow's hard edge across it": _shadow(0.3, (5, 25)),
        "a shadow's soft edge across it": _shadow(0.4, (60, 60)),
    }


def _shadow(depth: float, blurs: tuple[int, int]) -> Make:
    def make(image: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
        y, x = np.mgrid[:300, :300]
        edge = x * rng.uniform(-0.5, 0.5) + y > rng.uniform(60, 260)
        shadow = ndimage.gaussian_filter(edge.astype(np.float32), rng.uniform(*blurs))
        lit = painted(_on_paper(image), (30, 30, 60), (235, 230, 220))
        return encoded(lit * (1 - depth * shadow[..., None]))

    return make


def _on_paper(image: NDArray[np.uint8]) -> Ink:
    return np.pad(enlarged(image, 250), 25)


def _ruled(colour: Colour, width: int, squared: bool, margin: bool) -> Make:
    def make(image: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
        paper = Image.new("RGB", (300, 300), "white")
        draw = ImageDraw.Draw(paper)
        for at in range(int(rng.integers(0, 25)), 300, 25):
            draw.line([(0, at), (299, at)], colour, width)
            if squared:
                draw.line([(at, 0), (at, 299)], colour, width)
        if margin:
            draw.line([(40, 0), (40, 299)], (220, 60, 60), 3)
        lines = np.asarray(paper) / 255
        return encoded(lines * painted(_on_paper(image), (20, 30, 100)))

    return make


def _cut(ink: Ink, rng: np.random.Generator) -> Ink:
    """Without a thin band, a third from its beginning."""
    rows = np.flatnonzero((ink > 0.3).any(axis=1))
    first = int(rows[0] + (rows[-1] - rows[0]) * rng.uniform(0.2, 0.35))
    parted = ink.copy()
    parted[first : first + int(rng.integers(5, 12))] = 0
    return parted


def _with_blot(image: NDArray[np.uint8], rng: np.random.Generator) -> bytes:
    ink = np.pad(enlarged(image, 200), 100)
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(130, 180)
    y, x = np.mgrid[:400, :400]
    centre_y, centre_x = 200 + away * np.sin(angle), 200 + away * np.cos(angle)
    blot = np.hypot(y - centre_y, x - centre_x) < rng.uniform(5, 22)
    return encoded(painted(np.maximum(ink, blot)))


def picture_of(pixels: NDArray) -> bytes:
    """As a picture file."""
    return encoded(Image.fromarray(to_uint8(pixels)))
