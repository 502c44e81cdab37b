"""`python -m digits predict`: the digit on each of some pictures, with its probability."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from digits.commands.output import check_writable, percent, printable, write_png
from digits.commands.runs import download, mlflow_errors_as_bad_input
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from digits.inference.reader import Answer, Reader

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
    parser.add_argument(
        "--champion",
        action="store_true",
        help="by the champion in MLflow's registry, not the workspace's model",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print an answer for each picture; the exit code is 1 when one of them has none."""
    from tqdm import tqdm

    from digits.inference.paths import picture_files

    check_writable("--explain", arguments.explain)
    reader = open_reader("champion" if arguments.champion else "workspace")
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
        print(printable(f"digits: {_count(unanswered, n_answers)}"), file=sys.stderr)
    return 1 if unanswered else 0


def open_reader(model: str) -> "Reader":
    """A model, ready to read pictures.

    Parameters
    ----------
    model : str
        "workspace", "champion", or a run's id or name.

    Raises
    ------
    BadInput
        When there is no such model, or the workspace is not one result.
    """
    from digits.experiments.names import WORKSPACE
    from digits.inference.reader import load_reader

    if model == WORKSPACE:
        target = workspace_target()
        return load_reader(ROOT / "models" / "model.skops", ROOT / "models" / "validation", target)
    with mlflow_errors_as_bad_input(), TemporaryDirectory() as temporary:
        files = download(model, Path(temporary))
        return load_reader(files.model, files.validation, files.target)


def workspace_target() -> int | str:
    """The target of the workspace's model. Raises NotOneResult when that is not dvc.lock's."""
    from digits.experiments.names import WORKSPACE
    from digits.experiments.revisions import open_result

    with open_result(ROOT, WORKSPACE) as result:
        result.check("validation")  # the model belongs to it
        target: int | str = result.params["target"]
    return target


def _count(unanswered: Sequence[str], n_answers: int) -> str:
    """How many pictures have no answer, and which: each had its own sentence before."""
    named = ", ".join(unanswered[:MAX_NAMED])
    further = len(unanswered) - MAX_NAMED
    return (
        f"{len(unanswered)} of {n_answers} not answered: {named}"
        f"{f' and {further} more' if further > 0 else ''}."
    )


def _text_line(answer: "Answer") -> str:
    return f"{answer.name}  {answer.digit}  {_probability(answer.probability)}"


def _json_line(answer: "Answer") -> str:
    of_picture = {"path": str(answer.path)} | ({"page": answer.page} if answer.page else {})
    if answer.error:
        return json.dumps(of_picture | {"error": answer.error})
    return json.dumps(of_picture | {"digit": answer.digit, "probability": answer.probability})


def _probability(probability: float | None) -> str:
    """A probability as a percentage; nothing but 1 reads as 100 %."""
    if probability is None:
        return "-"
    return ">99.9 %" if 0.9995 <= probability < 1 else percent(probability, ".1f")


def _write_explanation(answers: Sequence["Answer"], path: Path) -> None:
    from digits.commands.side_by_side import pictures_as_read
    from digits.inference.photo import thumbnail

    if not answers:
        raise BadInput(f"--explain {path} was not written: no picture could be read.")
    captions = [f"{answer.digit}   {_probability(answer.probability)}" for answer in answers]
    names = [os.fsencode(Path(answer.name).name).decode(errors="replace") for answer in answers]
    pictures = [thumbnail(answer.path, page=answer.page or 1) for answer in answers]
    images = [answer.image for answer in answers if answer.image is not None]
    write_png("--explain", pictures_as_read(pictures, images, names, captions), path)
