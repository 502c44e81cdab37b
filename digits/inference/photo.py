"""Picture files decoded: upright, in colour, without transparency and not too large."""

import threading
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from digits.common.errors import BadInput

# What Pillow reads by itself: its reader of EPS would start another program.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "TGA", "ICO", "JPEG2000")

_ALLOWED_PATHS = "allowed are a picture, a folder of pictures or a pattern such as 'scans/*.png'"

_ALLOWED_FILES = "allowed are pictures as PNG, JPEG, GIF, BMP, WebP, TIFF and the like"

# Pixels of the longer side: larger pictures are reduced to about that before anything else.
WORKING_SIDE = 800

# Pixels in memory at once, after what the JPEG decoder skips: some 250 MiB.
MAX_PIXELS = 64_000_000

# Pixels from which on pictures are decoded one after the other, however many threads there are.
_LARGE = 8_000_000

_ONE_LARGE = threading.Lock()


def read_picture(source: Path | bytes, longest: int = WORKING_SIDE) -> NDArray[np.uint8]:
    """Decode a picture: upright by its EXIF orientation, without transparency, reduced.

    Parameters
    ----------
    source : Path or bytes
        A file in any of `FORMATS`, or the content of one. It may be in colour, grey of 8 to 32 bits
        (its darkest becomes black and its lightest white), with a palette, or black and white; of
        several frames the first is taken.
    longest : int, default=WORKING_SIDE
        A longer side of more than twice as many pixels is reduced to ``longest .. 2 * longest``.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.

    Raises
    ------
    BadInput
        When the file is missing, locked, damaged, too large or no picture.
    """
    name = name_of(source)
    if isinstance(source, Path) and source.exists() and not (source.is_file() or source.is_dir()):
        raise BadInput(f"{name} is no file: {_ALLOWED_PATHS}.")  # a pipe would be waited for
    file = source if isinstance(source, Path) else BytesIO(source)
    try:
        with Image.open(file, formats=FORMATS) as image:
            return _decode(image, longest, name)
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{name} is not there: {_ALLOWED_PATHS}.") from error
    except IsADirectoryError as error:
        raise BadInput(
            f"{name} is a folder without pictures that can be read: {_ALLOWED_FILES}."
        ) from error
    except PermissionError as error:
        raise BadInput(
            f"{name} cannot be read ({error.strerror}): "
            "allowed is a picture file that you may read."
        ) from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} is no picture: {_ALLOWED_FILES}.") from error
    except Image.DecompressionBombError as error:
        limit = _millions(2 * (Image.MAX_IMAGE_PIXELS or 0))
        raise BadInput(f"{name} is too large: allowed are up to {limit} pixels.") from error
    # Pillow's readers raise a dozen kinds on damaged files, of which struct.error is one.
    except Exception as error:
        raise BadInput(
            f"{name} is damaged or unfinished ({_first_line(error)}): {_ALLOWED_FILES}."
        ) from error


def thumbnail(source: Path | bytes, longest: int = 120) -> NDArray[np.uint8]:
    """The picture itself, upright and small.

    Parameters
    ----------
    source : Path or bytes
        As of `read_picture`.
    longest : int, default=120
        Pixels of its longer side.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.

    Raises
    ------
    BadInput
        As `read_picture`.
    """
    small = Image.fromarray(read_picture(source, 4 * longest))
    small.thumbnail((longest, longest))
    return np.asarray(small)


def name_of(source: Path | bytes) -> str:
    """What a picture is called in messages."""
    return str(source) if isinstance(source, Path) else "the picture"


def _decode(image: Image.Image, longest: int, name: str) -> NDArray[np.uint8]:
    """The pixels of an opened picture, decoded no larger than necessary."""
    width, height = image.size
    scale = min(longest / max(width, height), 1)
    # JPEG's decoder can skip 7 pixels of 8.
    image.draft(None, (max(int(width * scale), 1), max(int(height * scale), 1)))
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise BadInput(
            f"{name} is too large: allowed are up to {_millions(MAX_PIXELS)} pixels, "
            f"and it has {_millions(pixels)} ({width} x {height})."
        )
    if pixels > _LARGE:
        with _ONE_LARGE:
            small = _reduce(image, longest)
    else:
        small = _reduce(image, longest)
    upright = ImageOps.exif_transpose(small)
    decoded = np.asarray(upright)
    return flatten_transparency(decoded) if upright.mode == "RGBA" else decoded


def _reduce(image: Image.Image, longest: int) -> Image.Image:
    return _in_colour(image).reduce(max(max(image.size) // longest, 1))


def _in_colour(image: Image.Image) -> Image.Image:
    """The picture as RGB, or as RGBA where something is transparent."""
    if image.mode[0] not in "IF":
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    values = np.nan_to_num(np.asarray(image, np.float32))
    low, high = float(values.min()), float(values.max())
    values -= low
    values *= 255 / max(high - low, 1e-6)
    grey = Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")
    grey.info.update(image.info)
    return grey


def flatten_transparency(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a picture with transparency on paper.

    The paper has the colour that most of the picture has. If little of it is opaque, as where a
    signature pad draws ink alone, the paper is black or white, whichever the ink is not.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 4), uint8
        RGBA.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.
    """
    colour, alpha = pixels[..., :3].astype(np.float32), pixels[..., 3:].astype(np.float32)
    opacity = alpha / max(float(alpha.max()), 1.0)
    opaque = colour[opacity[..., 0] > 0.5]
    if len(opaque) == 0:
        return np.full(colour.shape, 255, np.uint8)
    if opacity.mean() > 0.5:
        paper = np.median(opaque, axis=0)
    else:
        paper = np.full(3, 0.0 if opaque.mean() > 127.5 else 255.0)
    flat: NDArray[np.uint8] = np.rint(opacity * colour + (1 - opacity) * paper).astype(np.uint8)
    return flat


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} million"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
