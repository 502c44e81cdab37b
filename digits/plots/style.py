"""What all figures have in common: resolution, colours, and how they become PNG files."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

DPI = 110

# The first of seaborn's palette "colorblind".
BLUE, ORANGE = "#0173b2", "#de8f05"


def save_png(figure: Figure, path: Path, comment: str = "") -> None:
    """Write a figure as a PNG file, whatever the file's name; equal figures are equal files.

    The file does not name the program that made it, unless there is a comment in it. It has at
    most 256 colours, which cannot be told from all of them and makes it a third as large.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels)
    about = PngInfo()
    if comment:
        about.add_text("Comment", comment)
    small = picture.quantize(256, dither=Image.Dither.NONE)
    small.save(path, "png", optimize=True, pnginfo=about)
