"""`python -m digits report`: the workspace's experiment as a page and as Markdown."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from digits.commands.output import code_span
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from jinja2 import Environment

HELP = "report.html, one page that needs no network, and report.md for a pull request"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to compare the workspace with."""
    parser.add_argument(
        "against",
        nargs="?",
        default="main",
        help="the revision to compare the workspace with (default main)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write both reports; if there is no comparison, they say why."""
    from digits.commands.compare import comparison_text
    from digits.experiments.comparison import compare
    from digits.experiments.names import WORKSPACE
    from digits.experiments.revisions import open_result, read_revision

    against = arguments.against
    with open_result(ROOT, WORKSPACE) as result:
        result.check("test")  # all that the report shows is in the workspace
        try:
            a, b = read_revision(ROOT, against), result.read("test")
            comparison = comparison_text(compare(a, b), markdown=True)
        except BadInput as error:
            comparison = f"Not compared with {code_span(against)}: {error}"
            print(f"digits: not compared with {against}: {error}", file=sys.stderr)
    write_report(ROOT, comparison)
    print("report.html and report.md are written.")


def write_report(root: Path, comparison: str | None) -> None:
    """Write report.html and report.md, each whole. Parameters and errors as `render_report`."""
    from digits.common.files import replace

    page, markdown = render_report(root, comparison)
    for name, text in {"report.html": page, "report.md": markdown}.items():
        new = root / f"{name}.new"
        new.write_text(text, encoding="utf-8", newline="\n")
        replace(new, root / name)


def render_report(root: Path, comparison: str | None) -> tuple[str, str]:
    """The report on the workspace.

    Parameters
    ----------
    root : Path
        The repository.
    comparison : str or None
        Markdown that goes into both reports.

    Returns
    -------
    tuple of str
        The report as HTML, and as Markdown.

    Raises
    ------
    BadInput
        When something is missing that `dvc repro` makes.
    """
    from digits.commands.report_plots import embedded_pictures, plot_script, read_plots
    from digits.commands.report_sections import sections

    values = sections(root) | {"comparison": (comparison or "").strip()}
    plots, not_loaded = read_plots(root)
    templates = _templates()
    page = templates.get_template("report.html.jinja").render(
        values,
        plots=plots,
        not_loaded=not_loaded,
        plot_script=plot_script() if plots else "",
        pictures=embedded_pictures(root),
    )
    return page, templates.get_template("report.md.jinja").render(values)


def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup

    from digits.commands.markdown import to_html, to_inline_html

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html.jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    # What these make is HTML already, with all else escaped.
    environment.filters["markdown"] = lambda text: Markup(to_html(text))  # noqa: S704
    environment.filters["inline_markdown"] = lambda text: Markup(to_inline_html(text))  # noqa: S704
    return environment
