"""Picture files decoded: upright, in colour, without transparency and not too large."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from scipy.ndimage import binary_erosion

from digits.common.errors import BadInput
from digits.pictures.paths import pictures_in

# What Pillow reads by itself: its reader of EPS would start another program.
FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "AVIF", "TIFF", "PPM", "TGA", "ICO", "JPEG2000",
)  # fmt: skip

_ALLOWED_PATHS = "allowed are a picture, a folder of pictures or a pattern such as 'scans/*.png'"

_ALLOWED_FILES = "allowed are pictures as PNG, JPEG, GIF, BMP, WebP, AVIF, TIFF and the like"

# Grey levels by which ink differs at least from the paper that was cut out with it.
UNLIKE = 64

# Of one file, as each is decoded and answered.
MAX_PAGES = 1000

# Pixels of the longer side: larger pictures are reduced to about that before anything else.
WORKING_SIDE = 800

# Pixels in memory at once, after what the JPEG decoder skips: some 250 MiB.
MAX_PIXELS = 64_000_000

# Pixels from which on pictures are decoded one after the other, however many threads there are.
_LARGE = 8_000_000

_SUBFILE_TYPE = 254  # TIFF's tag: 1 is a smaller form of another page, 4 a mask

_ONE_LARGE = threading.Lock()


def read_picture(
    source: Path | bytes, longest: int = WORKING_SIDE, page: int = 1
) -> NDArray[np.uint8]:
    """Decode a page of a picture file, by default the first, as `read_pages` does.

    Raises
    ------
    BadInput
        When the file is missing, locked, damaged, too large or no picture.
    """
    _, pixels = next(islice(read_pages(source, longest), page - 1, None))
    if isinstance(pixels, BadInput):
        raise pixels
    return pixels


def read_pages(
    source: Path | bytes, longest: int = WORKING_SIDE
) -> Iterator[tuple[str, NDArray[np.uint8] | BadInput]]:
    """Decode the pages or frames of a picture file: upright, without transparency, reduced.

    Parameters
    ----------
    source : Path or bytes
        A file in any of `FORMATS`, or the content of one. It may be in colour, grey of 8 to 32 bits
        (its darkest becomes black and its lightest white), with a palette, or black and white.
    longest : int, default=WORKING_SIDE
        A longer side of more than twice as many pixels is reduced to ``longest .. 2 * longest``.

    Yields
    ------
    name : str
        As `page_name`.
    pixels : ndarray of shape (height, width, 3), uint8, or BadInput
        RGB, or what is wrong with this page; the others are read all the same.

    Raises
    ------
    BadInput
        When the file is missing, locked, damaged or no picture.
    """
    name = name_of(source)
    if isinstance(source, Path) and source.exists() and not (source.is_file() or source.is_dir()):
        raise BadInput(f"{name} is no file: {_ALLOWED_PATHS}.")  # a pipe would be waited for
    file = source if isinstance(source, Path) else BytesIO(source)
    with _errors_as_bad_input(name), Image.open(file, formats=FORMATS) as image:
        pages = _pages(image)
        for number, page in enumerate(pages[:MAX_PAGES], 1):
            name_of_page = page_name(name, number if len(pages) > 1 else None)
            try:
                with _errors_as_bad_input(name_of_page):
                    image.seek(page)
                    pixels: NDArray[np.uint8] | BadInput = _decode(image, longest, name_of_page)
            except BadInput as error:
                pixels = error
            yield name_of_page, pixels
        if further := len(pages[MAX_PAGES:]):
            sentence = f"{further} further pages of {name} were not read: allowed are {MAX_PAGES}."
            yield page_name(name, MAX_PAGES + 1), BadInput(sentence)


def page_name(name: Path | str, page: int | None) -> str:
    """A page's name, counted from 1: scan.tiff[2]; that of a file with one page is the file's."""
    return f"{name}[{page}]" if page else str(name)


def _pages(image: Image.Image) -> list[int]:
    """The pages or frames of an opened picture, counted from 0.

    Not those that are the same picture in another form: the gain map or preview that a camera puts
    into its JPEG, a TIFF's thumbnails and masks.
    """
    if image.format == "MPO":
        return [0]
    pages = list(range(getattr(image, "n_frames", 1)))
    if len(pages) == 1 or not isinstance(image, TiffImageFile):
        return pages
    kept = []
    for page in pages:
        image.seek(page)
        if not image.tag_v2.get(_SUBFILE_TYPE, 0) & 0b101:
            kept.append(page)
    return kept or [0]


@contextmanager
def _errors_as_bad_input(name: str) -> Iterator[None]:
    """Turn what Pillow raises into a sentence about a file or page."""
    try:
        yield
    except BadInput:
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{name} is not there: {_ALLOWED_PATHS}.") from error
    except IsADirectoryError as error:
        if pictures_in(Path(name)):
            raise BadInput(
                f"{name} is a folder within what was named, and was not read: allowed is to name "
                "it too."
            ) from error
        raise BadInput(
            f"{name} is a folder without pictures that can be read: {_ALLOWED_FILES}."
        ) from error
    except PermissionError as error:
        raise BadInput(
            f"{name} cannot be read ({error.strerror}): "
            "allowed is a picture file that you may read."
        ) from error
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} is no picture that can be read: {_ALLOWED_FILES}.") from error
    except Image.DecompressionBombError as error:
        limit = _millions(2 * (Image.MAX_IMAGE_PIXELS or 0))
        raise BadInput(f"{name} is too large: allowed are up to {limit} pixels.") from error
    # Pillow's readers raise a dozen kinds on damaged files, of which struct.error is one.
    except Exception as error:
        raise BadInput(
            f"{name} is damaged or unfinished ({_first_line(error)}): {_ALLOWED_FILES}."
        ) from error


def thumbnail(source: Path | bytes, longest: int = 120, page: int = 1) -> NDArray[np.uint8]:
    """The picture itself, upright and small.

    Parameters
    ----------
    source : Path or bytes
        As of `read_picture`.
    longest : int, default=120
        Pixels of its longer side.
    page : int, default=1
        Of the file.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        RGB.

    Raises
    ------
    BadInput
        As `read_picture`.
    """
    small = Image.fromarray(read_picture(source, 4 * longest, page))
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

    The paper has the colour that most of the picture has. If little of it is opaque, there may be
    some paper around the ink, as where a digit was cut out: then all paper is as that at its edge.
    Of ink alone, as a signature pad draws it, the paper is black or white, whichever the ink is
    not.

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
    elif (edge := _edge_unlike_inside(colour, opacity[..., 0] > 0.5)) is not None:
        paper = edge
    else:
        paper = np.full(3, 0.0 if opaque.mean() > 127.5 else 255.0)
    flat: NDArray[np.uint8] = np.rint(opacity * colour + (1 - opacity) * paper).astype(np.uint8)
    return flat


def _edge_unlike_inside(
    colour: NDArray[np.float32], opaque: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """Return the colour at the edge of what is opaque, if what is within has quite another."""
    edge = colour[opaque & ~binary_erosion(opaque, border_value=1)]
    if len(edge) == 0:
        return None
    at_edge: NDArray[np.float32] = np.median(edge, axis=0)
    within = np.percentile(colour[opaque].mean(axis=1), (5, 95))
    return at_edge if np.abs(within - at_edge.mean()).max() > UNLIKE else None


def _millions(pixels: int) -> str:
    return f"{pixels / 1e6:,.0f} million"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
