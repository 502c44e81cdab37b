"""Pictures from anywhere, brought to the form in which the models know digits: light ink on 0, of one size, in the middle.

Four steps, each a function: `read_picture`, `clean`, `find_ink`, `fit_to`; `read_digit` is all of them.
"""

import threading
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError
from scipy import ndimage

from digits.errors import BadInput

# What Pillow reads by itself: its reader of EPS would start another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000")
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".ico", ".jp2", ".j2k",
)  # fmt: skip
WHERE = "allowed are a picture, a folder of pictures or a pattern such as 'scans/*.png'"
_ALLOWED = "allowed are pictures as PNG, JPEG, GIF, BMP, WebP, TIFF and the like"
WORKING_SIDE = 800  # pixels of the longer side: larger pictures are reduced to about that before anything else
MAX_PIXELS = 64_000_000  # in memory at once, after what the JPEG decoder skips: some 250 MiB
_LARGE = 8_000_000  # pixels from which pictures are decoded one after the other, however many threads there are
_ONE_LARGE = threading.Lock()

_SMALL = 40  # pixels of the shorter side below which there is nothing to smooth: a stroke is a pixel or two
_IMPULSE = 48  # of 255: how far a pixel must be from its neighbours to be salt or pepper
_FRAME_SHARE = 0.9  # of the pixels of a line must have the frame's colour
_FAINTEST = 20.0  # of 441, the way from black to white: ink that differs less from the paper is none
_FLOOR = 0.05  # of the ink's darkness: what is fainter is paper
_EDGE = 0.15  # of the ink's darkness: where its box ends
_SPECK = 0.03  # of the largest piece's ink: smaller pieces are dirt
_THIN, _PEN = 1.2, 1.7  # pixels of a digit 20 pixels high: strokes thinner than the first are drawn with a pen of the second


def read_digit(source: Path | bytes, side: int) -> NDArray[np.uint8]:
    """The digit on a picture as the models know it.

    Parameters: `source` a file, or the bytes of one; `side` of the square image that the model reads, in pixels.
    Returns: uint8 (side, side), ink up to 255 on 0. Raises BadInput as `read_picture`, and when there is no ink.
    """
    try:
        return fit_to(find_ink(clean(read_picture(source))), side)
    except NoInk as error:
        raise BadInput(
            f"{_named(source)} holds no ink: allowed is a digit on paper of one colour, darker, lighter or of another colour."
        ) from error


class NoInk(ValueError):
    """Nothing on the picture differs from its paper."""


def read_picture(source: Path | bytes, longest: int = WORKING_SIDE) -> NDArray[np.uint8]:
    """A picture upright, in colour and without transparency, its longer side reduced to `longest` .. 2 * `longest` or less.

    Parameters: `source` a file, or the bytes of one, in any of FORMATS: colour, grey (of 8 to 32 bits, then its darkest becomes
    black and its lightest white), palette or black and white; of several frames the first. EXIF's orientation is followed.
    Returns: uint8 (height, width, 3), RGB. Raises BadInput when the file is missing, locked, damaged, too large or no picture.
    """
    name = _named(source)
    if isinstance(source, Path) and source.exists() and not (source.is_file() or source.is_dir()):
        raise BadInput(f"{name} is no file: {WHERE}.")  # a pipe would be waited for
    try:
        with Image.open(source if isinstance(source, Path) else BytesIO(source), formats=FORMATS) as image:
            return _reduced(image, longest, name)
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{name} is not there: {WHERE}.") from error
    except IsADirectoryError as error:
        raise BadInput(f"{name} is a folder without pictures that can be read: {_ALLOWED}.") from error
    except PermissionError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror}): allowed is a picture file that you may read.") from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} is no picture: {_ALLOWED}.") from error
    except Image.DecompressionBombError as error:
        raise BadInput(f"{name} is too large: allowed are up to {_millions(2 * (Image.MAX_IMAGE_PIXELS or 0))} pixels.") from error
    except Exception as error:  # Pillow's readers raise a dozen kinds on damaged files, of which struct.error is one
        raise BadInput(f"{name} is damaged or unfinished ({_first_line(error)}): {_ALLOWED}.") from error


def thumbnail(source: Path | bytes, longest: int = 120) -> NDArray[np.uint8]:
    """The picture as it was given, upright and small: uint8 (height, width, 3). Raises BadInput as `read_picture`."""
    small = Image.fromarray(read_picture(source, 4 * longest))
    small.thumbnail((longest, longest))
    return np.asarray(small)


def _reduced(image: Image.Image, longest: int, name: str) -> NDArray[np.uint8]:
    """The pixels of an opened picture, decoded no larger than necessary."""
    width, height = image.size
    share = min(longest / max(width, height), 1)
    image.draft(None, (max(int(width * share), 1), max(int(height * share), 1)))  # JPEG's decoder can skip 7 pixels of 8
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise BadInput(
            f"{name} is too large: allowed are up to {_millions(MAX_PIXELS)} pixels, and it has {_millions(pixels)} "
            f"({width} x {height})."
        )
    if pixels > _LARGE:
        with _ONE_LARGE:
            small = _in_colour(image).reduce(max(max(image.size) // longest, 1))
    else:
        small = _in_colour(image).reduce(max(max(image.size) // longest, 1))
    small = ImageOps.exif_transpose(small)
    return flattened(np.asarray(small)) if small.mode == "RGBA" else np.asarray(small)


def _in_colour(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where something shines through."""
    if image.mode[0] not in "IF":
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    values = np.nan_to_num(np.asarray(image, np.float32))
    low, high = float(values.min()), float(values.max())
    values -= low
    values *= 255 / max(high - low, 1e-6)
    grey = Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")
    grey.info.update(image.info)
    return grey


def flattened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with transparency on paper: of the colour that most of it has, or if little of it is opaque, of the contrary.

    Little of it is opaque where ink alone was drawn, as signature pads do. Parameters: `pixels` uint8 (height, width, 4), RGBA.
    Returns: uint8 (height, width, 3).
    """
    colour, alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:].astype(np.float32)
    opacity = alpha / max(float(alpha.max()), 1.0)
    seen = colour[opacity[..., 0] > 0.5]
    if len(seen) == 0:
        return np.full(colour.shape, 255, np.uint8)
    paper = np.median(seen, axis=0) if opacity.mean() > 0.5 else np.full(3, 0.0 if seen.mean() > 127.5 else 255.0)
    flat: NDArray[np.uint8] = np.rint(opacity * colour + (1 - opacity) * paper).astype(np.uint8)
    return flat


def clean(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture without salt and pepper and without frames: see `without_impulses` and `without_frames`."""
    return without_frames(without_impulses(picture))


def without_impulses(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture without salt and pepper: where one in a hundred pixels stands alone, a median filter replaces such pixels.

    Parameters and returns: uint8 (height, width, 3).
    """
    for _ in range(2):  # where there is much of it, grains touch
        if min(picture.shape[:2]) < _SMALL:
            return picture
        median = np.asarray(Image.fromarray(picture).filter(ImageFilter.MedianFilter(3)))
        far = (np.abs(picture.astype(np.int16) - median) > _IMPULSE).any(axis=2)
        if _lonely(picture, far) < 0.01 * far.size:
            return picture
        picture = np.where(far[..., None], median, picture)
    return picture


def _lonely(picture: NDArray[np.uint8], where: NDArray[np.bool_]) -> int:
    """How many of some pixels are like no more than one of their eight neighbours: not so on the thinnest of lines."""
    y, x = np.nonzero(where[1:-1, 1:-1])
    here = picture[y + 1, x + 1].astype(np.int16)
    alike = np.zeros(len(y), np.int64)
    for down, right in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):
        alike += (np.abs(picture[y + down, x + right] - here) <= _IMPULSE).all(axis=1)
    return int(np.count_nonzero(alike <= 1))


def without_frames(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture without the frames around it: margins of one colour on all four sides, within which everything is another colour.

    Of several frames within each other all are taken away. Parameters: uint8 (height, width, 3). Returns: a part of it.
    """
    whole = picture
    for _ in range(4):
        inside = _within_margins(picture)
        if inside is None:
            break
        picture = inside
    # A thick bar is a 1, not a frame around nothing.
    return picture if picture is whole or _spread(picture) > 0.25 * _spread(whole) else whole


def _within_margins(picture: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """What lies within the outermost margins, if those are a frame."""
    height, width = picture.shape[:2]
    if min(height, width) < 8:
        return None
    ring = _ring(picture, 1)
    colour = np.median(ring, axis=0)
    tolerance = max(40.0, 4 * _noise(picture))
    like = (np.abs(picture - colour) <= tolerance).all(axis=2)
    rows, columns = (np.flatnonzero(like.mean(axis=axis) < _FRAME_SHARE) for axis in (1, 0))
    if len(rows) == 0 or len(columns) == 0:
        return None
    if min(rows[0], columns[0], height - 1 - rows[-1], width - 1 - columns[-1]) < 1:
        return None
    for soft in (1 + max(height, width) // 100, 0):  # where frame and paper blend; and if what follows is a thinner frame
        part = slice(rows[0] + soft, rows[-1] + 1 - soft), slice(columns[0] + soft, columns[-1] + 1 - soft)
        inside, still = picture[part], like[part]
        if min(inside.shape[0] / height, inside.shape[1] / width) >= 0.4 and min(inside.shape[:2]) >= 6:
            within, edge = _ring(inside, 1), _ring(still, 1)
            # The margins around a thick 0 end at ink too, but not everywhere, not in the corners, and not at one colour.
            even = (np.abs(within - np.median(within, axis=0)) <= tolerance).all(axis=1)
            if not still[[0, 0, -1, -1], [0, -1, 0, -1]].any() and edge.mean() < 0.15 and even.mean() > 0.7:
                return inside
    return None


def _ring(picture: NDArray, t: int) -> NDArray:
    """The outermost t pixels of a picture (height, width, ...), in a row (n, ...)."""
    sides = picture[:t], picture[-t:], picture[t:-t, :t], picture[t:-t, -t:]
    return np.concatenate([side.reshape(-1, *picture.shape[2:]) for side in sides])


def _spread(picture: NDArray[np.uint8]) -> float:
    """How much the colours differ, without the rarest."""
    low, high = np.percentile(picture.reshape(-1, 3), [0.2, 99.8], axis=0)
    return float((high - low).max())


def _noise(picture: NDArray) -> float:
    """The standard deviation of a picture's grain, from the differences of neighbours of which most lie on paper."""
    difference = np.abs(np.diff(picture.astype(np.float32), axis=1))
    return float(np.median(difference)) * 1.4826 / np.sqrt(2) if difference.size else 0.0


def find_ink(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much ink there is at each pixel.

    Colours are measured from the paper's, along the direction in which they differ most (the first principal component): ink may be
    darker or lighter than the paper, or of the same brightness in another colour. The paper may be unevenly lit. What is within its
    noise becomes 0, and so do specks.

    Parameters: `picture` uint8 (height, width, 3). Returns: float32 (height, width), 0 to 1. Raises NoInk.
    """
    away = picture - _paper(picture)
    flat = away.reshape(-1, 3)
    direction = np.linalg.eigh(flat.T @ flat)[1][:, -1].astype(np.float32)
    levels = away @ direction
    if (levels**3).sum() < 0:  # the paper is what most is like, so the long tail is ink
        levels = -levels
    noise = _deviation(levels)
    if noise > 0.04 * levels.max() and min(levels.shape) >= _SMALL:
        levels = ndimage.gaussian_filter(levels, 1.0)
        noise = _deviation(levels)
    if levels.max() < max(_FAINTEST, 6 * noise):
        raise NoInk
    floor = max(3.5 * noise, _FLOOR * float(levels.max()))
    kept = without_specks(np.where(levels > floor, levels, 0))
    darkness = float(np.percentile(kept[kept > kept.max() / 2], 75))
    kept[kept < _FLOOR * darkness] = 0
    return np.minimum(kept / darkness, 1)


def _deviation(levels: NDArray[np.floating]) -> float:
    """The standard deviation of the paper, 0 being its level: what is on the other side of it than the ink, or its grain.

    White paper has nothing on its other side.
    """
    beyond = levels[levels <= 0]
    grain = _noise(levels) if min(levels.shape) >= _SMALL else 0.0
    return max(-1.4826 * float(np.median(beyond)) if len(beyond) else 0.0, grain)


def _paper(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The colour of the paper, (3,); or where light and shadow fall on it, at each pixel (height, width, 3).

    At the edges of a picture there is more paper than ink.
    """
    height, width = picture.shape[:2]
    colour = _commonest(_ring(picture, 1 + min(height, width) // 50), 12 + 3 * _noise(picture))
    step = 1 + max(height, width) // 60
    some = picture[step // 2 :: step, step // 2 :: step].astype(np.float32)
    if min(height, width) < _SMALL or min(some.shape[:2]) < 8 or _within(edge := _ring(some - colour, 2), 30) < 6:
        return colour  # three pixels in ten are of one colour: the others are ink
    y, x = np.mgrid[: some.shape[0], : some.shape[1]]
    unit_y, unit_x = some.shape[0] - 1, some.shape[1] - 1
    terms = _quadratic(y / unit_y, x / unit_x)
    edges = _least_absolute(_ring(terms, 3), _ring(some, 3))
    away = np.abs(some - terms @ edges).max(axis=2)
    light = away <= 0.35 * np.percentile(away, 98)
    found = _least_absolute(terms[light], some[light])
    # Even paper stays even: a surface must explain most of what differs.
    if _within(_ring(some - terms @ found, 2), 60) > 0.5 * _within(edge, 60):
        return colour
    y, x = np.mgrid[:height, :width] - step // 2
    return _quadratic(y / (step * unit_y), x / (step * unit_x)) @ found


def _commonest(colours: NDArray[np.uint8], tolerance: float) -> NDArray[np.float32]:
    """The colour (3,) around which most of the colours (n, 3) are: the median may be half paper, half ink."""
    some = colours[:: 1 + len(colours) // 200].astype(np.float32)
    near = np.abs(some[:, None] - some).max(axis=2) <= tolerance
    return np.median(some[near[near.sum(axis=1).argmax()]], axis=0)


def _within(differences: NDArray[np.float32], percent: float) -> float:
    """How far from 0 that share of colours (n, 3) is at most."""
    return float(np.percentile(np.abs(differences).max(axis=1), percent))


def _quadratic(y: NDArray, x: NDArray) -> NDArray[np.float32]:
    return np.stack([np.ones_like(x), y, x, y * y, x * y, x * x], axis=-1).astype(np.float32)


def _least_absolute(terms: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients (terms, 3) of the least absolute deviations, by reweighted least squares: ink hardly bends the paper."""
    terms, values = terms.astype(np.float64), values.astype(np.float64)
    weighted = terms
    for _ in range(15):
        found = np.linalg.solve(weighted.T @ terms, weighted.T @ values)
        weighted = terms / np.maximum(np.abs(values - terms @ found).max(axis=1, keepdims=True), 1)
    return found.astype(np.float32)


def without_specks(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink without dirt: the piece with most ink, and those that belong to it.

    A piece belongs if it holds 3 % of that ink and is no farther from it than half its size: the bar of a 5 does.
    Parameters and returns: float32 (height, width), 0 being paper.
    """
    labels, n = ndimage.label(levels > 0, np.ones((3, 3)))
    if n <= 1:
        return levels
    mass = ndimage.sum_labels(levels, labels, np.arange(n + 1))
    main = int(mass.argmax())
    boxes = ndimage.find_objects(labels)
    reach = max(part.stop - part.start for part in boxes[main - 1]) / 2
    keep = np.zeros(n + 1, bool)
    for piece in np.flatnonzero(mass >= _SPECK * mass[main]):
        keep[piece] = all(
            max(b.start - a.stop, a.start - b.stop) <= reach for a, b in zip(boxes[main - 1], boxes[piece - 1], strict=True)
        )
    return np.where(keep[labels], levels, 0)


def thickened(ink: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    """Ink whose strokes do not vanish when it is reduced to `height` pixels: a thin pen's are drawn again with a thicker one.

    Parameters and returns: float32 (height, width), 0 to 1, cut to the ink.
    """
    drawn = ink > 0.5
    scale = max(ink.shape) / height  # pixels of the picture for one of the image
    inside = ndimage.distance_transform_edt(np.pad(drawn, 1))[1:-1, 1:-1]
    stroke = max(4 * float(inside[drawn].mean()) - 2, 1.0) / scale  # of a band w wide, the mean distance to its edge is w / 4
    if stroke >= _THIN or scale <= 1:
        return ink
    grow = (_PEN - stroke) / 2 * scale
    room = int(grow) + 1
    wider = np.pad(ink, room)
    outside = ndimage.distance_transform_edt(np.pad(~drawn, room, constant_values=True))
    return np.maximum(wider, np.clip(grow + 1 - outside, 0, 1).astype(np.float32))


def fit_to(ink: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """Ink as the data sets have it: LeCun, Cortes & Burges, "The MNIST database of handwritten digits".

    MNIST's digits fit a box of 20 x 20, their aspect kept, and the centre of their mass is in the middle of 28 x 28: on pixel 14,
    counted from 0, within half a pixel. Images of another size are filled from side to side, as scikit-learn's of 8 x 8 are.

    Parameters: `ink` float32 (height, width), 0 to 1, some of it above 0; `side` in pixels. Returns: uint8 (side, side), 0 to 255.
    """
    box, middle = (20, 14.0) if side == 28 else (side, (side - 1) / 2)
    shape = thickened(_cut(ink), box)
    height, width = (max(round(length * box / max(shape.shape)), 1) for length in shape.shape)
    small = np.asarray(Image.fromarray(shape).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    small = small / small.max()
    centre = ndimage.center_of_mass(small)
    top, left = (int(np.clip(np.floor(middle - c + 0.5), 0, side - length)) for c, length in zip(centre, small.shape, strict=True))
    image = np.zeros((side, side), np.uint8)
    image[top : top + height, left : left + width] = np.rint(255 * small)
    return image


def _cut(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part that holds the ink."""
    rows, columns = (np.flatnonzero((ink > _EDGE).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _named(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else "the picture"


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} million"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
