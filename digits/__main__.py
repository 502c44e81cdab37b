"""`python -m digits COMMAND`: what there is to do with results, outside the pipeline."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from digits.common.errors import BadInput
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from digits.experiments.revisions import Revision
    from digits.inference.reader import Answer, Reader
    from digits.tracking.store import Store

NOT_CACHED = 3  # exit code
EXPLAINED = 30  # pictures at most


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 for what went wrong, 3 for results that are not on this machine."""
    given = _parser().parse_args(arguments)
    from digits.experiments.revisions import NotCached

    try:
        code: int | None = given.command(given)
    except NotCached as error:
        print(f"digits: {error}", file=sys.stderr)
        return NOT_CACHED
    except BadInput as error:
        print(f"digits: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read what is printed has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m digits", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    what = "which differences between revisions are real: B against A, image by image"
    compare = commands.add_parser("compare", help=what, description=what)
    compare.add_argument(
        "revisions", nargs="*", metavar="REVISION",
        help="branches, tags, commits, DVC experiments, workspace; by default main and the workspace. Several make a matrix.",
    )  # fmt: skip
    compare.add_argument(
        "--validation",
        action="store_true",
        help="compare on validation, as any choice should be made",
    )
    compare.add_argument(
        "--confidence", type=_level, default=0.95, help="of intervals and verdicts (default 0.95)"
    )
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.add_argument("--md", action="store_true", help="print Markdown")
    compare.add_argument(
        "--gallery",
        type=Path,
        metavar="PATH",
        help="write a picture of the images fixed and broken (PNG)",
    )
    compare.set_defaults(command=_compare)
    what = "experiments ranked by validation, and which of them cannot be told from the first"
    best = commands.add_parser("best", help=what, description=what)
    best.add_argument(
        "revisions",
        nargs="*",
        metavar="REVISION",
        help="by default all DVC experiments and the workspace",
    )
    best.add_argument(
        "--confidence", type=_level, default=0.95, help="of the comparison (default 0.95)"
    )
    best.set_defaults(command=_best)
    what = "report.html, one page that needs no network, and report.md for a pull request"
    report = commands.add_parser("report", help=what, description=what)
    report.add_argument(
        "against",
        nargs="?",
        default="main",
        help="the revision to compare the workspace with (default main)",
    )
    report.set_defaults(command=_report)
    what = "make an experiment's model the champion in MLflow's registry, if on validation it is better for real than today's"
    promote = commands.add_parser("promote", help=what, description=what)
    promote.add_argument("experiment", help="a DVC experiment, branch, tag, commit, or workspace")
    promote.add_argument(
        "--force", action="store_true", help="even if it is not better; a tag says so"
    )
    promote.set_defaults(command=_promote)
    what = "bring a run's code, params and results back into the workspace"
    restore = commands.add_parser("restore", help=what, description=what)
    restore.add_argument("run", help="a run's id or name in MLflow")
    restore.set_defaults(command=_restore)
    what = "the digit on a picture, with its probability"
    predict = commands.add_parser("predict", help=what, description=what)
    predict.add_argument(
        "pictures", nargs="+", metavar="IMAGE",
        help="a picture file, a folder of them or a pattern such as 'scans/*.png': one digit on each, in any colours, of any size",
    )  # fmt: skip
    predict.add_argument("--json", action="store_true", help="print JSON, a line for each picture")
    predict.add_argument(
        "--explain", type=Path, metavar="PATH", help="write a picture of what the model saw (PNG)"
    )
    predict.add_argument(
        "--champion",
        action="store_true",
        help="by the champion in MLflow's registry, not the workspace's model",
    )
    predict.set_defaults(command=_predict)
    return parser


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number between 0 and 1")
    return level


def _compare(given: argparse.Namespace) -> None:
    from digits.commands.compare import as_json, as_text, matrix
    from digits.experiments.comparison import compare, compare_pairs
    from digits.experiments.revisions import WORKSPACE, read_revision

    _check_writable("--gallery", given.gallery)
    names = given.revisions or ["main"]
    names = [*names, WORKSPACE] if len(names) == 1 else names
    revisions = [
        read_revision(ROOT, name, "validation" if given.validation else "test") for name in names
    ]
    if len(revisions) > 2:
        if given.gallery:
            raise BadInput(f"--gallery takes two revisions, not {len(revisions)}.")
        found = compare_pairs(revisions, given.confidence)
        print(as_json(found) if given.json else matrix(found, given.md), end="")
        return
    a, b = revisions
    found = [compare(a, b, given.confidence)]
    print(as_json(found) if given.json else as_text(found[0], given.md), end="")
    if given.gallery:
        _gallery(a, b, given.gallery)


def _gallery(a: "Revision", b: "Revision", path: Path) -> None:
    from digits.experiments.revisions import read_array
    from digits.plots.galleries import gallery

    said = a.predictions
    images = read_array(ROOT, b.name, "data/raw/images.npy")[said.rows]
    names = [str(digit) for digit in range(10)] if said.scores.ndim == 2 else ["no", "yes"]
    y, of_a, of_b = (
        each.astype(int) for each in (said.labels, said.predicted, b.predictions.predicted)
    )
    _write_png("--gallery", gallery(images, said.rows, y, of_a, of_b, a.name, b.name, names), path)


def _check_writable(option: str, path: Path | None) -> None:
    """Before any work, rather than after it."""
    if path and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise BadInput(
            f"{option} {path} cannot be written: allowed is a file in a folder that is there."
        )


def _write_png(option: str, figure: "Figure", path: Path) -> None:
    from digits.plots.charts import save_png

    new = path.with_name(path.name + ".new")
    try:
        save_png(figure, new)
        new.replace(path)
    except OSError as error:
        raise BadInput(f"{option} {path} cannot be written: {error.strerror or error}.") from error
    finally:
        new.unlink(missing_ok=True)


def _best(given: argparse.Namespace) -> None:
    from digits.commands.best import as_text
    from digits.experiments.ranking import rank_experiments
    from digits.experiments.revisions import WORKSPACE, experiment_names

    names = given.revisions or [WORKSPACE, *experiment_names(ROOT)]
    print(as_text(*rank_experiments(ROOT, names, given.confidence), given.confidence), end="")


def _report(given: argparse.Namespace) -> None:
    from digits.commands.compare import as_text
    from digits.commands.report import main as write
    from digits.experiments.comparison import compare
    from digits.experiments.revisions import WORKSPACE, read_revision

    try:
        comparison = as_text(
            compare(read_revision(ROOT, given.against), read_revision(ROOT, WORKSPACE)),
            markdown=True,
        )
    except BadInput as error:
        comparison = f"Not compared with `{given.against}`: {error}\n"
        print(f"digits: not compared with {given.against}: {error}", file=sys.stderr)
    write(ROOT, comparison)
    print("report.html and report.md are written.")


def _promote(given: argparse.Namespace) -> None:
    from digits.tracking.registry import promote

    print(promote(ROOT, _store(), given.experiment, given.force))


def _restore(given: argparse.Namespace) -> None:
    from digits.commands.restore import restore

    print(restore(ROOT, _store(), given.run))


def _store() -> "Store":
    from digits.tracking.lookup import store_folder
    from digits.tracking.store import require_store

    return require_store(store_folder(ROOT))


def _predict(given: argparse.Namespace) -> int:
    from tqdm import tqdm

    from digits.inference.reader import picture_files

    _check_writable("--explain", given.explain)
    for stream in (sys.stdout, sys.stderr):  # a file's name may be of bytes that are no text
        stream.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    reader = _champion() if given.champion else _workspace()
    paths = list(picture_files(given.pictures))
    failed = 0
    shown: list[Answer] = []
    with tqdm(
        reader.answers(paths), "reading", len(paths), unit="picture", disable=None, leave=False
    ) as bar:
        for answer in bar:
            if answer.error:
                failed += 1
                tqdm.write(f"digits: {answer.error}", sys.stderr)
            elif len(shown) < EXPLAINED:
                shown.append(answer)
            if given.json or not answer.error:
                tqdm.write(_json_line(answer) if given.json else _line(answer), sys.stdout)
                sys.stdout.flush()
    if given.explain:
        _explain(shown, given.explain)
    return 1 if failed else 0


def _workspace() -> "Reader":
    from digits.inference.reader import load_reader
    from digits.params.schema import read_params

    target = read_params(ROOT / "params.yaml").target
    return load_reader(ROOT / "models" / "model.skops", ROOT / "models" / "validation", target)


def _champion() -> "Reader":
    from digits.inference.reader import load_reader
    from digits.tracking.registry import champion_files

    with TemporaryDirectory() as temporary:
        files = champion_files(_store(), Path(temporary))
        return load_reader(files.model, files.validation, files.target)


def _line(answer: "Answer") -> str:
    return f"{answer.path}  {answer.digit}  {_percent(answer.probability)}"


def _json_line(answer: "Answer") -> str:
    if answer.error:
        return json.dumps({"path": str(answer.path), "error": answer.error})
    return json.dumps(
        {"path": str(answer.path), "digit": answer.digit, "probability": answer.probability}
    )


def _percent(probability: float | None) -> str:
    """Nothing but 1 reads as 100 %."""
    if probability is None:
        return "-"
    return ">99.9 %" if 0.9995 <= probability < 1 else f"{100 * probability:.1f} %"


def _explain(answers: Sequence["Answer"], path: Path) -> None:
    from digits.inference.photo import thumbnail
    from digits.plots.explanation import seen

    if not answers:
        raise BadInput(f"--explain {path} was not written: no picture could be read.")
    captions = [f"{answer.digit}   {_percent(answer.probability)}" for answer in answers]
    names = [os.fsencode(answer.path.name).decode(errors="replace") for answer in answers]
    images = [answer.image for answer in answers if answer.image is not None]
    _write_png(
        "--explain",
        seen([thumbnail(answer.path) for answer in answers], images, names, captions),
        path,
    )


if __name__ == "__main__":
    sys.exit(main())
