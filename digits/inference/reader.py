"""A fitted model put to work on pictures: its prediction for each, with the probability of it."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.common.versions import installed_versions, other_versions, read_versions
from digits.metrics.calibration import Calibration, fit_calibration, probabilities
from digits.metrics.predictions import Predictions, decide, decision_scores, has_probability
from digits.models.persistence import load_model
from digits.pictures.batches import BATCH, Page, extract_in_batches
from digits.pictures.photo import page_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a reader makes of one picture: a prediction, or an error.

    Parameters
    ----------
    path : Path
        The picture.
    digit : int or str or None
        A digit; for a yes/no target d, "d" or "not d". None if there is an error.
    probability : float or None
        That the digit is correct; None if the model has no probabilities and was not validated.
    image : ndarray of shape (side, side), uint8, or None
        The image that the model was given; None if there is an error.
    error : str or None
        Why the picture cannot be read, as a sentence.
    page : int or None
        Which of the file's pages or frames, counted from 1; None if it has but one.
    """

    path: Path
    digit: int | str | None = None
    probability: float | None = None
    image: NDArray[np.uint8] | None = None
    error: str | None = None
    page: int | None = None

    @property
    def name(self) -> str:
        """The picture's path, with the page if there are several: scan.tiff[2]."""
        return page_name(self.path, self.page)


@dataclass(frozen=True)
class Reader:
    """A model that reads pictures.

    Parameters
    ----------
    model : Pipeline
        The fitted model.
    calibration : Calibration or None
        Turns its scores into probabilities; None if it has probabilities of its own, or was not
        validated.
    target : int or str
        "digit", or the digit that it tells from all others.
    """

    model: Pipeline
    calibration: Calibration | None
    target: int | str

    @property
    def side(self) -> int:
        """Height and width of the images that the model learned from, in pixels."""
        return isqrt(self.model.n_features_in_)

    def read(self, paths: Iterable[Path], batch: int = BATCH) -> Iterator[Answer]:
        """Read pictures, page by page, in their order; what cannot be read stops nothing else.

        Parameters
        ----------
        paths : iterable of Path
            The pictures.
        batch : int, default=BATCH
            How many are in memory at a time; answers come as they are ready.
        """
        for pages in extract_in_batches(paths, self.side, batch):
            yield from self._answer(pages)

    def _answer(self, pages: Sequence[Page]) -> Iterator[Answer]:
        readable = [image for *_, image in pages if not isinstance(image, BadInput)]
        predicted = iter(self.predict(np.stack(readable)) if readable else [])
        for path, page, image in pages:
            if isinstance(image, BadInput):
                yield Answer(path, error=str(image), page=page)
            else:
                yield Answer(path, *next(predicted), image, page=page)

    @property
    def labels(self) -> list[int | str]:
        """What it tells apart: the digits, or for a yes/no target d "not d" and "d"."""
        if self.target == "digit":
            return [int(label) for label in self.model.classes_]
        return [f"not {self.target}", str(self.target)]

    @property
    def has_probabilities(self) -> bool:
        """Whether its answers have one: the model's own, or a calibrated score."""
        return self.calibration is not None or has_probability(self.model)

    def predict(self, images: NDArray[np.uint8]) -> list[tuple[int | str, float | None]]:
        """Predict images in the form of the data set.

        Parameters
        ----------
        images : ndarray of shape (n, side, side), uint8
            255 being ink.

        Returns
        -------
        list of tuple
            The `Answer.digit` and `Answer.probability` of each image.
        """
        predicted, values = self.classify(images)
        labels = self.labels
        digits = [labels[column] for column in predicted]
        if not self.has_probabilities:
            return [(digit, None) for digit in digits]
        probability = values[np.arange(len(values)), predicted]
        return list(zip(digits, probability.tolist(), strict=True))

    def classify(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Predict images, with a value for each of the labels.

        Parameters
        ----------
        images : ndarray of shape (n, side, side), uint8
            As of `predict`.

        Returns
        -------
        predicted : ndarray of shape (n,), int
            The column of each image's label.
        values : ndarray of shape (n, labels), float64
            The probabilities of `labels`; their scores if it `has_probabilities` not.
        """
        scores = decision_scores(self.model, images.reshape(len(images), -1), "pictures")
        predicted = decide(scores, has_probability(self.model)).astype(np.intp)
        if self.calibration is not None:
            scores = probabilities(scores, self.calibration)
        if scores.ndim == 1:
            no = 1 - scores if self.has_probabilities else -scores
            scores = np.column_stack([no, scores])
        return predicted, scores


def load_reader(model_file: Path, validation_folder: Path | None, target: int | str) -> Reader:
    """Load a reader, its probabilities calibrated on the model's predictions in validation.

    Parameters
    ----------
    model_file : Path
        As `save_model` writes it.
    validation_folder : Path or None
        As `Predictions.save` writes it; None, or one that does not exist, if the model was not
        validated.
    target : int or str
        "digit", or the digit that the model tells from all others.

    Raises
    ------
    BadInput
        When the model is missing, cannot be trusted, reads images that are not square, or has
        another target; or when the predictions cannot be read.
    """
    if not model_file.is_file():
        raise BadInput(f"{model_file} is not there: `dvc repro` makes it, `dvc pull` brings it.")
    _warn_of_versions(model_file)
    model = load_model(model_file)
    if isqrt(model.n_features_in_) ** 2 != model.n_features_in_:
        raise BadInput(
            f"{model_file} reads images of {model.n_features_in_} pixels, allowed are square ones."
        )
    if (model.classes_.dtype == bool) == (target == "digit"):
        other = "one of the ten digits" if target == "digit" else "yes or no"
        raise BadInput(
            f"{model_file} does not answer with {other}, as target {target} asks for: "
            "`dvc repro` makes one that does."
        )
    if has_probability(model) or validation_folder is None or not validation_folder.is_dir():
        return Reader(model, None, target)
    return Reader(model, _load_calibration(model, validation_folder), target)


def _warn_of_versions(model_file: Path) -> None:
    """Say that the model was made by other libraries than those that are here, if it was."""
    made_by = read_versions(model_file.with_name("versions.json"))
    if others := other_versions(made_by, installed_versions(*made_by), "installed"):
        log.warning(
            "%s was made by %s: what it says may differ a little here",
            model_file,
            ", ".join(others),
        )


def _load_calibration(model: Pipeline, folder: Path) -> Calibration:
    predictions = Predictions.load_folder(folder)
    labels = predictions.labels
    truth = labels if predictions.is_yes_no else np.searchsorted(model.classes_, labels)
    return fit_calibration(predictions.scores, truth)
