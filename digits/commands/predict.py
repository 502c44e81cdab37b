"""`python -m digits predict`: the digit on each of some pictures, with its probability."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from digits.commands.output import check_writable, file_name, probability_text, write_png
from digits.commands.readers import add_model, open_reader
from digits.common.errors import BadInput
from digits.common.text import name_some, printable

if TYPE_CHECKING:
    from digits.inference.reader import Answer

HELP = "the digit on a picture, with its probability"

MAX_EXPLAINED = 30  # pictures

MAX_NAMED = 20  # pictures without an answer, in the last sentence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The pictures, which model reads them, and how its answers are shown."""
    parser.add_argument(
        "pictures",
        nargs="+",
        metavar="IMAGE",
        help="a picture file, a folder of them or a pattern such as 'scans/*.png': one digit on "
        "each, in any colours, of any size",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each picture")
    parser.add_argument(
        "--explain", type=Path, metavar="PATH", help="write a picture of what the model saw (PNG)"
    )
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print an answer for each picture; the exit code is 1 when one of them has none."""
    from tqdm import tqdm

    from digits.pictures.paths import picture_files

    check_writable("--explain", arguments.explain)
    reader = open_reader(arguments.model)
    paths = list(picture_files(arguments.pictures))
    n_answers = 0
    unanswered: list[str] = []
    explained: list[Answer] = []
    answers = reader.read(paths)
    with tqdm(answers, "reading", len(paths), unit="picture", disable=None, leave=False) as bar:
        for answer in bar:
            n_answers += 1
            if answer.error:
                unanswered.append(answer.name)
                tqdm.write(printable(f"digits: {answer.error}"), sys.stderr)
            elif len(explained) < MAX_EXPLAINED:
                explained.append(answer)
            if arguments.json or not answer.error:
                line = _json_line(answer) if arguments.json else _text_line(answer)
                tqdm.write(printable(line), sys.stdout)
                sys.stdout.flush()
    if arguments.explain:
        _write_explanation(explained, arguments.explain)
    if unanswered and n_answers > 1:
        names = name_some(unanswered, MAX_NAMED)  # each had its own sentence before
        print(f"digits: {len(unanswered)} of {n_answers} not answered: {names}.", file=sys.stderr)
    return 1 if unanswered else 0


def _text_line(answer: "Answer") -> str:
    return f"{answer.name}  {answer.digit}  {probability_text(answer.probability)}"


def _json_line(answer: "Answer") -> str:
    of_picture = {"path": str(answer.path)} | ({"page": answer.page} if answer.page else {})
    if answer.error:
        return json.dumps(of_picture | {"error": answer.error})
    return json.dumps(of_picture | {"digit": answer.digit, "probability": answer.probability})


def _write_explanation(answers: Sequence["Answer"], path: Path) -> None:
    from digits.commands.side_by_side import pictures_as_read
    from digits.pictures.photo import thumbnail

    if not answers:
        raise BadInput(f"--explain {path} was not written: no picture could be read.")
    captions = [f"{answer.digit}   {probability_text(answer.probability)}" for answer in answers]
    names = [file_name(answer.name) for answer in answers]
    pictures = [thumbnail(answer.path, page=answer.page or 1) for answer in answers]
    images = [answer.image for answer in answers if answer.image is not None]
    write_png("--explain", pictures_as_read(pictures, images, names, captions), path)
