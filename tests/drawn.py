"""Picture files as cameras, scanners and signature pads make them, drawn from small images."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy import ndimage

from tests.small import IMAGES

Ink = NDArray[np.float32]  # 0..1, (height, width)
IMAGES_8X8 = IMAGES.reshape(-1, 8, 8)
Make = Callable[[NDArray[np.uint8], np.random.Generator], bytes]


def enlarged(image: NDArray[np.uint8], side: int) -> Ink:
    """An image (side, side), 255 being ink, smoothly enlarged."""
    large = Image.fromarray(image.astype(np.float32) / 255).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    return np.asarray(large).clip(0, 1)


def painted(
    ink: Ink, colour: tuple[int, ...] = (0, 0, 0), paper: tuple[int, ...] = (255, 255, 255)
) -> NDArray[np.float32]:
    """Ink of a colour on paper of a colour: (height, width, 3), 0..255."""
    return ink[..., None] * np.array(colour, np.float32) + (1 - ink[..., None]) * np.array(
        paper, np.float32
    )


def encoded(pixels: NDArray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture file."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(to_uint8(pixels))
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def digit(number: int, side: int = 120) -> NDArray[np.float32]:
    """Ink with a margin."""
    return np.pad(enlarged(IMAGES_8X8[number], side), side // 4)


def to_uint8(picture: NDArray) -> NDArray[np.uint8]:
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def alike(a: NDArray, b: NDArray) -> float:
    """How alike two images are: their correlation."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def apart(a: NDArray, b: NDArray) -> float:
    """Mean difference of images, of which one may be moved by a pixel by rounding."""
    return min(
        float(np.abs(np.roll(a.astype(int), (y, x), (0, 1)) - b).mean())
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )


def on_page(ink: Ink, rng: np.random.Generator, height: int, width: int) -> Ink:
    """Ink anywhere on a page."""
    page = np.zeros((height, width), np.float32)
    top, left = (
        rng.integers(0, height - ink.shape[0] + 1),
        rng.integers(0, width - ink.shape[1] + 1),
    )
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def framed(pixels: NDArray, thickness: int, colour: tuple[int, ...]) -> NDArray:
    """A picture in a frame."""
    height, width = pixels.shape[:2]
    whole = np.empty((height + 2 * thickness, width + 2 * thickness, 3), np.float32)
    whole[:] = colour
    whole[thickness:-thickness, thickness:-thickness] = pixels
    return whole


def grained(pixels: NDArray, rng: np.random.Generator, deviation: float) -> NDArray:
    return pixels + rng.normal(0, deviation, pixels.shape)


def peppered(pixels: NDArray, rng: np.random.Generator, share: float) -> NDArray:
    drawn = rng.random(pixels.shape[:2])
    some = pixels.copy()
    some[drawn < share / 2] = 0
    some[drawn > 1 - share / 2] = 255
    return some


def shaded(pixels: NDArray) -> NDArray:
    """Lit from one corner: the other gets less than half the light."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    return pixels * (1 - 0.55 * (y / height + x / width) / 2 * 1.0)[..., None]


def specked(ink: Ink, rng: np.random.Generator) -> Ink:
    """With six grains of dirt."""
    dirty = ink.copy()
    for y, x in zip(
        rng.integers(2, ink.shape[0] - 4, 6), rng.integers(2, ink.shape[1] - 4, 6), strict=True
    ):
        dirty[y : y + 2, x : x + 2] = 1
    return dirty


def thinned(ink: Ink) -> Ink:
    """Drawn with a pen as thin as a pencil: the middle of the strokes alone."""
    inside = ndimage.distance_transform_edt(np.pad(ink > 0.5, 1))[1:-1, 1:-1]
    ridge = (inside > 0) & (inside >= ndimage.maximum_filter(inside, 3) - 0.5)
    thin: Ink = ndimage.grey_dilation(ridge.astype(np.float32), 3)
    return ndimage.gaussian_filter(thin, 0.6).clip(0, 1)


def turned_by_exif(ink: Ink, rng: np.random.Generator) -> bytes:
    """Stored as a camera holds it, with a note how to turn it."""
    back = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    orientation = int(rng.integers(2, 9))
    picture = Image.fromarray(to_uint8(painted(ink)))
    exif = Image.Exif()
    exif[0x0112] = back[orientation]
    stored = BytesIO()
    picture.save(stored, "PNG", exif=exif)
    exif[0x0112] = orientation
    return encoded(ImageOps.exif_transpose(Image.open(stored)), "JPEG", exif=exif, quality=90)


def deep(ink: Ink) -> bytes:
    """16 bits of grey."""
    return encoded(Image.fromarray(np.rint(50_000 - 40_000 * ink).astype(np.uint16)))


def drawn_on_nothing(ink: Ink, colour: int) -> bytes:
    """Ink as a signature pad gives it: all else is transparent, and black underneath."""
    alpha = np.rint(255 * ink).astype(np.uint8)
    grey = np.where(alpha > 0, colour, 0).astype(np.uint8)
    return encoded(Image.fromarray(np.stack([grey, grey, grey, alpha], axis=2)))


def kinds(side: int) -> dict[str, Make]:
    """How each kind of picture is made from an image of a side, by a random generator."""

    def times(factor: int) -> Callable[[NDArray[np.uint8]], Ink]:
        return lambda image: enlarged(image, factor * side)

    def page(image: NDArray[np.uint8], rng: np.random.Generator) -> Ink:
        return on_page(eight(image), rng, 15 * side, 20 * side)

    two, three, five, eight, twenty = (times(factor) for factor in (2, 3, 5, 8, 20))
    black, white = (0, 0, 0), (255, 255, 255)
    return {
        "as it is": lambda image, rng: encoded(image),
        "dark on light, 2 times": lambda image, rng: encoded(255 * (1 - two(image))),
        "light on dark, 5 times": lambda image, rng: encoded(255 * five(image)),
        "dark on light, 20 times": lambda image, rng: encoded(255 * (1 - twenty(image))),
        "black and white": lambda image, rng: encoded(
            Image.fromarray(255 * (eight(image) < 0.5).astype(np.uint8)).convert("1")
        ),
        "16 bits of grey": lambda image, rng: deep(five(image)),
        "palette (GIF)": lambda image, rng: encoded(
            painted(eight(image), (30, 30, 120), (250, 240, 200)), "GIF"
        ),
        "lossy WebP": lambda image, rng: encoded(painted(eight(image)), "WEBP", quality=30),
        "blue on yellow": lambda image, rng: encoded(
            painted(five(image), (30, 60, 170), (250, 235, 140))
        ),
        "red on green, equally bright": lambda image, rng: encoded(
            painted(five(image), (200, 60, 60), (30, 147, 60))
        ),
        "yellow on white": lambda image, rng: encoded(painted(five(image), (250, 225, 60))),
        "pale pencil": lambda image, rng: encoded(
            painted(five(image), (205, 205, 205), (240, 240, 240))
        ),
        "anywhere on a page": lambda image, rng: encoded(
            255 * (1 - on_page(five(image), rng, 30 * side, 22 * side))
        ),
        "anywhere on a large page": lambda image, rng: encoded(
            255 * (1 - on_page(eight(image), rng, 70 * side, 50 * side)), "JPEG"
        ),
        "cut close": lambda image, rng: encoded(255 * (1 - _crop(eight(image)))),
        "in a black frame": lambda image, rng: encoded(
            framed(painted(five(image)), side // 3, black)
        ),
        "in a blue frame, light on dark": lambda image, rng: encoded(
            framed(painted(eight(image), white, black), 9, (40, 90, 200))
        ),
        "in two frames": lambda image, rng: encoded(
            framed(framed(painted(eight(image)), 6, (90, 60, 20)), 25, white)
        ),
        "grain": lambda image, rng: encoded(
            grained(painted(eight(image), (60, 60, 60), (200, 200, 200)), rng, 30)
        ),
        "coarse grain, 4 times": lambda image, rng: encoded(
            grained(painted(times(4)(image)), rng, 50)
        ),
        "salt and pepper, 5 %": lambda image, rng: encoded(
            peppered(painted(five(image)), rng, 0.05)
        ),
        "salt and pepper, 15 %": lambda image, rng: encoded(
            peppered(painted(eight(image)), rng, 0.15)
        ),
        "JPEG of the worst quality": lambda image, rng: encoded(
            painted(five(image)), "JPEG", quality=8
        ),
        "JPEG, small": lambda image, rng: encoded(painted(three(image)), "JPEG", quality=30),
        "black on nothing": lambda image, rng: drawn_on_nothing(five(image), 0),
        "white on nothing": lambda image, rng: drawn_on_nothing(five(image), 255),
        "turned by EXIF": lambda image, rng: turned_by_exif(eight(image), rng),
        "in a shadow": lambda image, rng: encoded(
            shaded(painted(eight(image), (40, 40, 60), (235, 230, 220)))
        ),
        "in a shadow, on a page": lambda image, rng: encoded(
            grained(shaded(painted(page(image, rng), (40, 40, 60), (235, 230, 220))), rng, 6),
            "JPEG",
        ),
        "dirty": lambda image, rng: encoded(255 * (1 - specked(eight(image), rng))),
        "thin pen": lambda image, rng: encoded(painted(thinned(twenty(image)), (30, 30, 90))),
    }


def _crop(ink: Ink) -> Ink:
    rows, columns = (np.flatnonzero((ink > 0.2).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
