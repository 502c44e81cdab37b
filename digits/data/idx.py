"""The IDX format of MNIST's own files: big-endian sizes, then unsigned bytes.

References
----------
Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database, http://yann.lecun.com/exdb/mnist
"""

import gzip
import math
import zlib

import numpy as np
from numpy.typing import NDArray

from digits.common.errors import BadInput

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def parse_idx(content: bytes, ndim: int, name: str) -> NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes.

    Parameters
    ----------
    content : bytes
        Of the file, raw or gzipped.
    ndim : int
        How many dimensions it must have: 3 for images, 1 for labels.
    name : str
        The file's name, for the message.

    Returns
    -------
    ndarray of `ndim` dimensions, uint8
        Read-only.

    Raises
    ------
    BadInput
        When the content is anything else.
    """
    raw = unpack(content, name)
    start = 4 + 4 * ndim
    if raw[:4] != bytes([0, 0, 8, ndim]) or len(raw) < start:
        raise BadInput(
            f"{name} begins with {raw[:12]!r}, "
            f"allowed are unsigned bytes in {ndim} dimension(s) as IDX, raw or .gz."
        )
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", count=ndim, offset=4))
    if len(raw) - start != math.prod(shape):
        raise BadInput(
            f"{name} announces {shape} values but holds {len(raw) - start} of them: "
            "the file is not whole."
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def unpack(content: bytes, name: str) -> bytes:
    """Return the content of a file, raw or gzipped, as it was before it was gzipped.

    Raises
    ------
    BadInput
        When it is a damaged gzip file; the message has the file's name.
    """
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{name} is a damaged gzip file ({error}).") from error
