"""A fitted model put to work on pictures: its answer to each, with its probability."""

import glob
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import inf, isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.common.resources import n_threads
from digits.inference.handwriting import read_digit
from digits.inference.photo import SUFFIXES
from digits.metrics import predictions
from digits.metrics.calibration import Calibration, fit_calibration, probabilities
from digits.models.persistence import load_model

BATCH = 250  # pictures read before the model is asked: memory stays flat and answers come as they are found


@dataclass(frozen=True)
class Answer:
    """What came of one picture.

    `digit` 0-9, or for a yes/no target d "d" or "not d"; `probability` that it is right, None when there is nothing to tell it by;
    `image` uint8 (side, side), what the model saw. If `error` is a sentence, the others are None.
    """

    path: Path
    digit: int | str | None = None
    probability: float | None = None
    image: NDArray[np.uint8] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Reader:
    """A model that reads pictures.

    `calibration` turns its scores into probabilities, None if it has probabilities of its own or was not validated; `target` is
    "digit", or the digit that it tells from all others.
    """

    model: Pipeline
    calibration: Calibration | None
    target: int | str

    @property
    def side(self) -> int:
        """Of the square images that the model learned from, in pixels."""
        return isqrt(self.model.n_features_in_)

    def answers(self, paths: Iterable[Path], batch: int = BATCH) -> Iterator[Answer]:
        """The answer to each picture, in their order, `batch` in memory at a time; one that cannot be read stops no other."""
        todo = iter(paths)
        with ThreadPoolExecutor(n_threads()) as pool:
            while some := list(islice(todo, batch)):
                with warnings.catch_warnings():
                    # Of pixels on the large side, of EXIF that is damaged: what matters is whether the picture can be read.
                    warnings.filterwarnings("ignore", module=r"PIL\.")
                    read = list(pool.map(self._read, some))
                yield from self._answered(some, read)

    def _read(self, path: Path) -> NDArray[np.uint8] | str:
        """What the model shall see, or the sentence why it cannot."""
        try:
            return read_digit(path, self.side)
        except BadInput as error:
            return str(error)

    def _answered(
        self, paths: Sequence[Path], read: Sequence[NDArray[np.uint8] | str]
    ) -> Iterator[Answer]:
        images = [image for image in read if not isinstance(image, str)]
        said = iter(self.said(np.stack(images))) if images else iter(())
        for path, image in zip(paths, read, strict=True):
            yield (
                Answer(path, error=image)
                if isinstance(image, str)
                else Answer(path, *next(said), image)
            )

    def said(self, images: NDArray[np.uint8]) -> list[tuple[int | str, float | None]]:
        """The model's answers to images (n, side, side), and how likely each is right."""
        scores = predictions.decision_scores(
            self.model, images.reshape(len(images), -1), "pictures"
        )
        own = predictions.has_probability(self.model)
        decided = predictions.decide(scores, own)
        if self.target == "digit":
            digits: list[int | str] = [int(self.model.classes_[column]) for column in decided]
        else:
            digits = [str(self.target) if yes else f"not {self.target}" for yes in decided]
        if not own and self.calibration is None:
            return [(digit, None) for digit in digits]
        each = scores if self.calibration is None else probabilities(scores, self.calibration)
        of_answer = (
            each[np.arange(len(each)), decided]
            if each.ndim == 2
            else np.where(decided, each, 1 - each)
        )
        return list(zip(digits, of_answer.tolist(), strict=True))


def load_reader(model_file: Path, validation_folder: Path | None, target: int | str) -> Reader:
    """The reader that a model file makes, its probabilities calibrated on what it said of the images held out in validation.

    Parameters: `validation_folder` as `Predictions.save` wrote it; None, or one that is not there, if the model was not validated.
    Raises BadInput when the model is missing, cannot be trusted, reads images that are not square, or has another target.
    """
    if not model_file.is_file():
        raise BadInput(f"{model_file} is not there: `dvc repro` makes it, `dvc pull` brings it.")
    model = load_model(model_file)
    if isqrt(model.n_features_in_) ** 2 != model.n_features_in_:
        raise BadInput(
            f"{model_file} reads images of {model.n_features_in_} pixels, allowed are square ones."
        )
    if (model.classes_.dtype == bool) == (target == "digit"):
        other = "one of the ten digits" if target == "digit" else "yes or no"
        raise BadInput(
            f"{model_file} does not answer with {other}, as target {target} asks for: `dvc repro` makes one that does."
        )
    calibration = None
    if (
        not predictions.has_probability(model)
        and validation_folder is not None
        and validation_folder.is_dir()
    ):
        calibration = _calibration(model, validation_folder)
    return Reader(model, calibration, target)


def _calibration(model: Pipeline, folder: Path) -> Calibration:
    try:
        said = predictions.Predictions.load(lambda name: (folder / name).open("rb"))
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(
            f"{folder} cannot be read as a model's answers in validation ({error}); `dvc repro` makes it again."
        ) from error
    truth = said.labels if said.scores.ndim == 1 else np.searchsorted(model.classes_, said.labels)
    return fit_calibration(said.scores, truth)


def picture_files(names: Iterable[str]) -> Iterator[Path]:
    """The pictures that names stand for: each a file, a folder of pictures, or a pattern such as scans/*.png.

    What is in a folder or fits a pattern comes in natural order, 2.png before 10.png. Yields also what is not there, for whoever
    opens it to say so; raises nothing.
    """
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = in_folder(path)
        elif not path.exists() and glob.has_magic(name):
            matches = glob.glob(name, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
            found = sorted((Path(match) for match in matches), key=natural)
        else:
            found = [path]
        yield from found or [path]


def in_folder(folder: Path) -> list[Path]:
    """The pictures directly in a folder, known by their suffixes, in natural order; none in a folder that is locked."""
    try:
        every = list(folder.iterdir())
    except OSError:
        return []
    return sorted(
        (
            path
            for path in every
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        ),
        key=natural,
    )


def natural(path: Path) -> tuple[list[tuple[float, str]], str]:
    """A key that sorts paths as people count: 2.png before 10.png."""
    parts = re.findall(r"\d+|\D+", str(path).lower())
    return [(int(part), "") if part.isdecimal() else (inf, part) for part in parts], str(path)
