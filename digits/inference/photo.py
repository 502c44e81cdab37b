"""Pictures from anywhere, brought to the form in which the models know digits: light ink on 0, of one size, in the middle.

Four steps, each a function: `read_picture`, `clean`, `find_ink`, `fit_to`; `read_digit` is all of them.
"""

import threading
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from digits.common.errors import BadInput

# What Pillow reads by itself: its reader of EPS would start another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000")

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".ico", ".jp2", ".j2k",
)  # fmt: skip

WHERE = "allowed are a picture, a folder of pictures or a pattern such as 'scans/*.png'"

_ALLOWED = "allowed are pictures as PNG, JPEG, GIF, BMP, WebP, TIFF and the like"

WORKING_SIDE = (
    800  # pixels of the longer side: larger pictures are reduced to about that before anything else
)

MAX_PIXELS = 64_000_000  # in memory at once, after what the JPEG decoder skips: some 250 MiB

_LARGE = 8_000_000  # pixels from which pictures are decoded one after the other, however many threads there are

_ONE_LARGE = threading.Lock()


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
        with Image.open(
            source if isinstance(source, Path) else BytesIO(source), formats=FORMATS
        ) as image:
            return _reduced(image, longest, name)
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{name} is not there: {WHERE}.") from error
    except IsADirectoryError as error:
        raise BadInput(
            f"{name} is a folder without pictures that can be read: {_ALLOWED}."
        ) from error
    except PermissionError as error:
        raise BadInput(
            f"{name} cannot be read ({error.strerror}): allowed is a picture file that you may read."
        ) from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} is no picture: {_ALLOWED}.") from error
    except Image.DecompressionBombError as error:
        raise BadInput(
            f"{name} is too large: allowed are up to {_millions(2 * (Image.MAX_IMAGE_PIXELS or 0))} pixels."
        ) from error
    except Exception as error:  # Pillow's readers raise a dozen kinds on damaged files, of which struct.error is one
        raise BadInput(
            f"{name} is damaged or unfinished ({_first_line(error)}): {_ALLOWED}."
        ) from error


def thumbnail(source: Path | bytes, longest: int = 120) -> NDArray[np.uint8]:
    """The picture as it was given, upright and small: uint8 (height, width, 3). Raises BadInput as `read_picture`."""
    small = Image.fromarray(read_picture(source, 4 * longest))
    small.thumbnail((longest, longest))
    return np.asarray(small)


def _reduced(image: Image.Image, longest: int, name: str) -> NDArray[np.uint8]:
    """The pixels of an opened picture, decoded no larger than necessary."""
    width, height = image.size
    share = min(longest / max(width, height), 1)
    image.draft(
        None, (max(int(width * share), 1), max(int(height * share), 1))
    )  # JPEG's decoder can skip 7 pixels of 8
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
    paper = (
        np.median(seen, axis=0)
        if opacity.mean() > 0.5
        else np.full(3, 0.0 if seen.mean() > 127.5 else 255.0)
    )
    flat: NDArray[np.uint8] = np.rint(opacity * colour + (1 - opacity) * paper).astype(np.uint8)
    return flat


def _named(source: Path | bytes) -> str:
    return str(source) if isinstance(source, Path) else "the picture"


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} million"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
