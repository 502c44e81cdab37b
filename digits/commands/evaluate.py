"""`python -m digits evaluate`: how well a model reads a folder of labelled pictures."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.commands.options import add_confidence
from digits.commands.output import (
    check_writable,
    file_name,
    percent,
    probability_text,
    text_table,
    write_png,
)
from digits.commands.readers import WORKSPACE, add_model, open_reader
from digits.common.text import name_some, printable
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from digits.inference.reader import Answer, Reader

HELP = "how well a folder of labelled pictures is read, with an interval and the mistakes"

MAX_SHOWN = 30  # mistakes in the picture

MAX_NAMED = 20  # pictures that were not scored, in the last sentence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, which model reads it, and where the mistakes are shown."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="anywhere, with pictures in a subfolder for each digit, 0 to 9; with train and test "
        "above them, those of test are read",
    )
    add_model(parser)
    add_confidence(parser, "of the interval")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--mistakes",
        type=Path,
        metavar="PATH",
        default=Path("mistakes.png"),
        help="write a picture of the mistakes (PNG, by default mistakes.png)",
    )


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of labelled pictures.

    Attributes
    ----------
    names : list of str
        The classes, as shown.
    truth : list of int
        Of each picture that was scored, which class it is labelled with.
    answers : list of Answer
        To these pictures.
    refused : list of str
        The names of the other pictures.
    """

    names: list[str]
    truth: list[int]
    answers: list["Answer"]
    refused: list[str]

    @property
    def predicted(self) -> list[int]:
        """Which class each answer names."""
        return [self.names.index(str(answer.digit)) for answer in self.answers]

    @property
    def mistakes(self) -> list[tuple[int, "Answer"]]:
        """The class and the answer of each picture that was read wrongly, the surest first."""
        pairs = zip(self.truth, self.predicted, self.answers, strict=True)
        wrong = [(truth, answer) for truth, predicted, answer in pairs if truth != predicted]
        return sorted(wrong, key=lambda mistake: -(mistake[1].probability or 0))


def run(arguments: argparse.Namespace) -> int:
    """Print the score of a model; the exit code is 1 when a picture could not be scored."""
    from digits.metrics.classification import proportion_metric
    from digits.pictures.labelled import find_parts

    check_writable("--mistakes", arguments.mistakes)
    parts = find_parts(arguments.folder)
    folder = parts[1] if parts else arguments.folder
    reader = open_reader(arguments.model)
    evaluation = evaluate(reader, folder)
    n, n_mistakes = len(evaluation.answers), len(evaluation.mistakes)
    accuracy = proportion_metric("accuracy", n - n_mistakes, n, arguments.confidence)
    values = {"n": n, "errors": n_mistakes, "refused": len(evaluation.refused)} | accuracy
    write_png("--mistakes", _draw_mistakes(evaluation), arguments.mistakes)
    if arguments.model == WORKSPACE and (n_learned := _count_learned(evaluation.answers)):
        print(
            f"digits: the model learned from {n_learned} of these pictures: they say nothing of "
            "how others are read.",
            file=sys.stderr,
        )
    if arguments.json:
        print(_json(evaluation, values))
    else:
        print(printable(_headline(folder, values, arguments.confidence)))
        print(f"\n{_confusion_table(evaluation)}\n")
        if n_mistakes:
            print(printable(f"{arguments.mistakes} shows the mistakes."))
    if evaluation.refused:
        names = name_some(evaluation.refused, MAX_NAMED)  # each had its own sentence before
        print(f"digits: {len(evaluation.refused)} not scored: {names}.", file=sys.stderr)
    return 1 if evaluation.refused else 0


def evaluate(reader: "Reader", folder: Path) -> Evaluation:
    """Read all pictures in the subfolders 0 to 9 of a folder; say which cannot be scored, and why.

    Raises BadInput as `find_labelled`.
    """
    from tqdm import tqdm

    from digits.data.folds import name_classes
    from digits.pictures.labelled import find_labelled, label_of

    pictures = find_labelled(folder)
    evaluation = Evaluation(name_classes(reader.target), [], [], [])

    def refuse(name: str, sentence: str) -> None:
        evaluation.refused.append(name)
        tqdm.write(printable(f"digits: {sentence}"), sys.stderr)

    for stray in pictures.strays:
        refuse(str(stray), f"{stray} is in none of the subfolders 0 to 9, and so has no label.")
    answers, total = reader.read(pictures.files), len(pictures.files)
    with tqdm(answers, "reading", total, unit="picture", disable=None, leave=False) as bar:
        for answer in bar:
            if answer.error:
                refuse(answer.name, answer.error)
                continue
            label = label_of(answer.path)
            is_class = label if reader.target == "digit" else label == reader.target
            evaluation.truth.append(int(is_class))
            evaluation.answers.append(answer)
    return evaluation


def _count_learned(answers: Sequence["Answer"]) -> int:
    """How many pictures are training images of the workspace's model, pixel by pixel."""
    import numpy as np

    from digits.common.arrays import open_array
    from digits.data.dataset import open_raw
    from digits.data.folds import TEST

    if not (ROOT / "data" / "raw").is_dir() or not (ROOT / "data" / "split").is_dir():
        return 0  # the model was pulled alone
    raw = open_raw(ROOT / "data" / "raw")
    fold = open_array(ROOT / "data" / "split" / "fold.npy", np.int8, raw.labels.shape)
    learned = {image.tobytes() for image in raw.images[fold != TEST]}
    return sum(answer.image is not None and answer.image.tobytes() in learned for answer in answers)


def _headline(folder: Path, values: Mapping[str, Any], confidence: float) -> str:
    low, high = 100 * values["accuracy_low"], percent(values["accuracy_high"], ".2f")
    return (
        f"{folder}: {percent(values['accuracy'], '.2f')} of {values['n']:,} pictures are read "
        f"right ({percent(confidence)} interval {low:.2f} to {high}): {values['errors']:,} "
        f"{'error' if values['errors'] == 1 else 'errors'}. "
        f"Not scored: {values['refused']:,}."
    )


def _confusion(evaluation: Evaluation) -> list[list[int]]:
    """The counts of the pictures: a row for what they are, a column for what the model said."""
    counts = [[0] * len(evaluation.names) for _ in evaluation.names]
    for truth, predicted in zip(evaluation.truth, evaluation.predicted, strict=True):
        counts[truth][predicted] += 1
    return counts


def _confusion_table(evaluation: Evaluation) -> str:
    rows = [
        [name, *(str(count) if count else "." for count in line)]
        for name, line in zip(evaluation.names, _confusion(evaluation), strict=True)
    ]
    return text_table(["is, read as", *evaluation.names], rows, "l" + "r" * len(evaluation.names))


def _json(evaluation: Evaluation, values: Mapping[str, Any]) -> str:
    mistakes = [
        {"path": answer.name, "digit": answer.digit, "probability": answer.probability}
        for _, answer in evaluation.mistakes
    ]
    further = {
        "confusion": _confusion(evaluation),
        "mistakes": mistakes,
        "not_scored": evaluation.refused,
    }
    return json.dumps({**values, **further})


def _draw_mistakes(evaluation: Evaluation) -> "Figure":
    from digits.commands.side_by_side import pictures_as_read
    from digits.pictures.photo import thumbnail
    from digits.plots.tiles import sentence

    mistakes = evaluation.mistakes
    if not mistakes:
        return sentence(f"None of the {len(evaluation.answers):,} pictures was read wrongly.")
    shown = mistakes[:MAX_SHOWN]
    which = f"The {len(shown)} surest of {len(mistakes):,} mistakes"
    if len(shown) == len(mistakes):
        which = f"All {len(mistakes)} mistakes" if len(mistakes) > 1 else "The only mistake"
    return pictures_as_read(
        [thumbnail(answer.path, page=answer.page or 1) for _, answer in shown],
        [answer.image for _, answer in shown if answer.image is not None],
        [f"{answer.path.parent.name}/{file_name(answer.name)}" for _, answer in shown],
        [
            f"{evaluation.names[truth]} → {answer.digit}   {probability_text(answer.probability)}"
            for truth, answer in shown
        ],
        f"{which}: what it is → what the model said, its probability",
    )
