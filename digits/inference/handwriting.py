"""Pictures from anywhere, brought to the form in which the models know digits: light ink on 0, of one size, in the middle.

Four steps, each a function: `read_picture`, `clean`, `find_ink`, `fit_to`; `read_digit` is all of them.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from digits.common.errors import BadInput
from digits.inference.ink import NoInk, clean, find_ink
from digits.inference.photo import _named, read_picture

_EDGE = 0.15  # of the ink's darkness: where its box ends

_THIN, _PEN = (
    1.2,
    1.7,
)  # pixels of a digit 20 pixels high: strokes thinner than the first are drawn with a pen of the second


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


def thickened(ink: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    """Ink whose strokes do not vanish when it is reduced to `height` pixels: a thin pen's are drawn again with a thicker one.

    Parameters and returns: float32 (height, width), 0 to 1, cut to the ink.
    """
    drawn = ink > 0.5
    scale = max(ink.shape) / height  # pixels of the picture for one of the image
    inside = ndimage.distance_transform_edt(np.pad(drawn, 1))[1:-1, 1:-1]
    stroke = (
        max(4 * float(inside[drawn].mean()) - 2, 1.0) / scale
    )  # of a band w wide, the mean distance to its edge is w / 4
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
    small = np.asarray(
        Image.fromarray(shape).resize((width, height), Image.Resampling.BICUBIC)
    ).clip(0, 1)
    small = small / small.max()
    centre = ndimage.center_of_mass(small)
    top, left = (
        int(np.clip(np.floor(middle - c + 0.5), 0, side - length))
        for c, length in zip(centre, small.shape, strict=True)
    )
    image = np.zeros((side, side), np.uint8)
    image[top : top + height, left : left + width] = np.rint(255 * small)
    return image


def _cut(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part that holds the ink."""
    rows, columns = (np.flatnonzero((ink > _EDGE).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
