"""The digit on a picture, in the form of the data set that the model learned from.

Light ink on 0, of one size, in the middle of a square. The steps are `read_picture`, `clean`,
`find_ink` and `normalize`; `extract_digit` is all of them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from digits.common.errors import BadInput
from digits.pictures.ink import NoInk, clean, from_paper, ink_of
from digits.pictures.photo import name_of, read_pages, read_picture
from digits.pictures.single import why_not_single

_EDGE = 0.15  # of full ink: what is darker lies in the box around the digit

_THIN_STROKE = 1.2  # pixels of a digit 20 pixels high: thinner strokes are thickened
_THICKENED_STROKE = 1.7  # pixels of a digit 20 pixels high: what they are thickened to


def extract_digit(source: Path | bytes, side: int) -> NDArray[np.uint8]:
    """The digit on a picture, as an image that a model reads.

    Parameters
    ----------
    source : Path or bytes
        A picture file, or the content of one.
    side : int
        Height and width of the image that the model reads, in pixels.

    Returns
    -------
    ndarray of shape (side, side), uint8
        Ink up to 255 on 0.

    Raises
    ------
    BadInput
        As `read_picture`, and when there is no ink.
    """
    return _digit(read_picture(source), name_of(source), side)


def extract_digits(source: Path | bytes, side: int) -> Iterator[NDArray[np.uint8] | BadInput]:
    """The digit on each page or frame of a picture file.

    Parameters
    ----------
    source, side
        As of `extract_digit`.

    Yields
    ------
    ndarray of shape (side, side), uint8, or BadInput
        One for each page; one `BadInput` if the file cannot be read.
    """
    try:
        for name, pixels in read_pages(source):
            try:
                yield pixels if isinstance(pixels, BadInput) else _digit(pixels, name, side)
            except BadInput as error:
                yield error
    except BadInput as error:
        yield error


def _digit(picture: NDArray[np.uint8], name: str, side: int) -> NDArray[np.uint8]:
    away = from_paper(clean(picture))
    try:
        ink = ink_of(away)
    except NoInk as error:
        raise BadInput(
            f"{name} holds no ink: allowed is a digit on paper of one colour, darker, "
            "lighter or of another colour."
        ) from error
    if why := why_not_single(away, ink):
        raise BadInput(f"{name} holds no single digit, as {why}: allowed is one digit a picture.")
    return normalize(ink, side)


def normalize(ink: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """Normalize the size of a digit and centre it, as the data sets have it.

    MNIST's digits fit a box of 20 x 20 with their aspect kept, and the centre of their mass is in
    the middle of 28 x 28: on pixel 14, counted from 0, within half a pixel. Images of another size
    are filled from side to side, as scikit-learn's of 8 x 8 are.

    Parameters
    ----------
    ink : ndarray of shape (height, width), float32
        From 0 to 1, some of it above 0.
    side : int
        Height and width of the result, in pixels.

    Returns
    -------
    ndarray of shape (side, side), uint8

    References
    ----------
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    box, middle = (20, 14.0) if side == 28 else (side, (side - 1) / 2)
    shape = thicken(_crop(ink), box)
    height, width = (max(round(length * box / max(shape.shape)), 1) for length in shape.shape)
    resized = Image.fromarray(shape).resize((width, height), Image.Resampling.BICUBIC)
    small = np.asarray(resized).clip(0, 1)
    small = small / small.max()
    centre = ndimage.center_of_mass(small)
    top, left = (
        int(np.clip(np.floor(middle - c + 0.5), 0, side - length))
        for c, length in zip(centre, small.shape, strict=True)
    )
    image = np.zeros((side, side), np.uint8)
    image[top : top + height, left : left + width] = np.rint(255 * small)
    return image


def thicken(ink: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    """Thicken strokes that would vanish when the ink is reduced.

    Parameters
    ----------
    ink : ndarray of shape (h, w), float32
        From 0 to 1, without a margin.
    height : int
        That it is to be reduced to, in pixels.

    Returns
    -------
    ndarray of shape (h, w) or larger, float32
        ``ink`` itself, if its strokes are thick enough.
    """
    drawn = ink > 0.5
    scale = max(ink.shape) / height  # pixels of the picture for one of the image
    inside = ndimage.distance_transform_edt(np.pad(drawn, 1))[1:-1, 1:-1]
    # Of a band w wide, the mean distance to its edge is w / 4.
    stroke = max(4 * float(inside[drawn].mean()) - 2, 1.0) / scale
    if stroke >= _THIN_STROKE or scale <= 1:
        return ink
    grow = (_THICKENED_STROKE - stroke) / 2 * scale
    margin = int(grow) + 1
    wider = np.pad(ink, margin)
    outside = ndimage.distance_transform_edt(np.pad(~drawn, margin, constant_values=True))
    return np.maximum(wider, np.clip(grow + 1 - outside, 0, 1).astype(np.float32))


def _crop(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box that holds the ink."""
    rows, columns = (np.flatnonzero((ink > _EDGE).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
