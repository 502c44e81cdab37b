"""`python -m digits report`: what the workspace's experiment came to, as a page that needs no network and as Markdown."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vl_convert import javascript_bundle

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.common.files import read_json, replace
from digits.experiments.git import branch_name, short_head_commit, try_git
from digits.params.schema import Params, read_params

VEGA_LITE = "5.21"  # DVC's plots are written for the fifth

_PER_DIGIT = re.compile(r"(recall|precision|f1)_(\d)")

_PARTS = ("validation", "test")


def main(root: Path, comparison: str | None) -> None:
    """Write report.html and report.md. Raises BadInput as `report`."""
    page, markdown = report(root, comparison)
    for name, text in {"report.html": page, "report.md": markdown}.items():
        new = root / f"{name}.new"
        new.write_text(text, encoding="utf-8", newline="\n")
        replace(new, root / name)


def report(root: Path, comparison: str | None) -> tuple[str, str]:
    """The report on the workspace, as HTML and as Markdown; `comparison` (Markdown) goes into both.

    Raises BadInput when something is missing that `dvc repro` makes.
    """
    params = read_params(root / "params.yaml")
    validation, test = (_metrics(root, part) for part in _PARTS)
    title = f"# {_revision(root)}"
    head = [title, _headline(params, validation, test)]
    what = ["## The experiment", _experiment(params)]
    compared = ["## Comparison", comparison.strip()] if comparison else []
    numbers = ["## Metrics", _metrics_table(validation, test), _notes(params, test)]
    markdown = [
        *head,
        *compared,
        *numbers,
        *what,
        "Each digit, the plots and the pictures: `make report`, then open `report.html`.",
    ]
    page = [_to_html(block) for block in (*head, *what, *compared, *numbers)]
    page += [*_digits(validation, test), *_plots(root), *_pictures(root)]
    return _page(title.removeprefix("# ").replace("`", ""), page), "\n\n".join(markdown) + "\n"


def _metrics(root: Path, part: str) -> dict[str, Any]:
    path = root / "metrics" / f"{part}.json"
    if not path.is_file():
        raise BadInput(
            f"metrics/{part}.json is missing, so there is nothing to report yet: `dvc repro` makes it."
        )
    values = read_json(path)
    not_validated = part == "validation" and values.get("n") == 0
    if not not_validated and not {"n", "errors", "accuracy"} <= values.keys():
        raise BadInput(
            f"metrics/{part}.json has no n, errors and accuracy: `dvc repro` makes it again."
        )
    return values


def _revision(root: Path) -> str:
    branch, commit = branch_name(root), short_head_commit(root)
    is_changed = try_git(root, "status", "--porcelain", "--untracked-files=no")
    changed = ", with changes not committed" if is_changed else ""
    where = (
        f"{_code(branch)} at {_code(commit)}"
        if branch and commit
        else _code(branch or commit or "no commit yet")
    )
    return f"Report on {where}{changed}"


# What both reports say is written once, in Markdown; every name and value that is not ours stands in backticks.


def _headline(params: Params, validation: dict[str, Any], test: dict[str, Any]) -> str:
    target = "which digit" if params.target == "digit" else f"whether it is a {params.target}"
    of_test = (
        f"**{_percent(test['accuracy'])} %** of {test['n']:,} test images are read right ({target}): "
        f"{test['errors']:,} errors{_within(test, params.evaluate.confidence)}."
    )
    if not validation["n"]:
        return f"{of_test} Not validated (`train.validate` is `none`)."
    return (
        f"{of_test} On validation **{_percent(validation['accuracy'])} %** of {validation['n']:,}: "
        f"{validation['errors']:,} errors{_within(validation, 0.95)}."
    )


def _within(values: Mapping[str, Any], confidence: float) -> str:
    if "accuracy_low" not in values:
        return ""
    low, high = (_percent(values[f"accuracy_{end}"]) for end in ("low", "high"))
    return f", {confidence * 100:g} % interval {low} to {high} %"


def _percent(share: float) -> str:
    return f"{share * 100:.2f}"


def _experiment(params: Params) -> str:
    rows = []
    for section, values in params.effective().items():
        if section == "models":
            ((model, values),) = values.items()
            section = f"models.{model}"
        leaves = _leaves(values) if isinstance(values, Mapping) else [("", values)]
        texts = [value if isinstance(value, str) else json.dumps(value) for _, value in leaves]
        settings = [
            _code(f"{name}={text}" if name else text)
            for (name, _), text in zip(leaves, texts, strict=True)
        ]
        rows.append([_code(section), " ".join(settings)])
    return _table(["params", ""], rows)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves = []
    for name, value in values.items():
        leaves += (
            _leaves(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else [(f"{prefix}{name}", value)]
        )
    return leaves


def _metrics_table(validation: dict[str, Any], test: dict[str, Any]) -> str:
    names = [name for name in _named(test | validation) if not _PER_DIGIT.fullmatch(name)]
    rows = [[_code(name), *_number(validation, name), *_number(test, name)] for name in names]
    return _table(["metric", "validation", "interval", "test", "interval"], rows, numbers=True)


def _named(values: Mapping[str, Any]) -> Iterator[str]:
    """The metrics without the ends of their intervals and without the digest of the test set."""
    for name in values:
        end = re.fullmatch("(.+)_(low|high)", name)
        if not (end and end[1] in values) and name != "test_set":
            yield name


def _number(values: Mapping[str, Any], name: str) -> tuple[str, str]:
    """A metric and its interval; empty where there is none."""
    if name not in values:
        return "", ""
    low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
    return _shown(
        values[name]
    ), "" if low is None or high is None else f"{_shown(low)} to {_shown(high)}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"
    return (
        "none" if value is None else f"{value:,}" if isinstance(value, int) else _code(str(value))
    )


def _notes(params: Params, test: Mapping[str, Any]) -> str:
    digest = (
        [f"- The test set's SHA-256 begins with {_code(str(test['test_set'])[:12])}."]
        if "test_set" in test
        else []
    )
    level = f"{params.evaluate.confidence * 100:g} %"
    return "\n".join([f"- Intervals have 95 % confidence on validation, {level} on test.", *digest])


def _code(text: str) -> str:
    """Text that Markdown shows as it is, on one line, in tables too."""
    text = " ".join(text.split()).replace("|", r"\|")
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (1 + max(map(len, re.findall("`+", text))))
    return f"{fence} {text} {fence}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = False) -> str:
    """A table in Markdown; with `numbers`, all but the first column go to the right."""
    rule = ["---", *("---:" if numbers else "---" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


# From Markdown to HTML, as far as we and `digits compare` use it.

_SPAN = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)|\*\*(?P<bold>.+?)\*\*"
)


def _to_html(markdown: str) -> str:
    return "\n".join(_block(block.splitlines()) for block in re.split(r"\n\s*\n", markdown.strip()))


def _block(lines: Sequence[str]) -> str:
    """One heading, table, list or paragraph."""
    if heading := re.fullmatch("(#{1,5}) (.+)", lines[0]):
        level = len(heading[1])
        rest = f"\n{_block(lines[1:])}" if lines[1:] else ""
        return f"<h{level}>{_inline(heading[2])}</h{level}>{rest}"
    if lines[0].startswith("|") and len(lines) > 1:
        return _html_table([_cells(line) for line in lines])
    if all(line.startswith("- ") for line in lines):
        return "<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>"
    return f"<p>{_inline(' '.join(lines))}</p>"


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def _html_table(lines: Sequence[Sequence[str]]) -> str:
    header, rule, *rows = lines
    styles = [' class="number"' if mark.endswith(":") else "" for mark in rule]
    head = "".join(
        f"<th{style}>{_inline(cell)}</th>" for cell, style in zip(header, styles, strict=False)
    )
    body = [
        "".join(
            f"<td{style}>{_inline(cell)}</td>" for cell, style in zip(row, styles, strict=False)
        )
        for row in rows
    ]
    text = [
        f"<thead><tr>{head}</tr></thead><tbody>",
        *(f"<tr>{row}</tr>" for row in body),
        "</tbody>",
    ]
    return "\n".join(['<div class="wide"><table>', *text, "</table></div>"])


def _inline(text: str) -> str:
    parts, end = [], 0
    for span in _SPAN.finditer(text):
        parts.append(escape(text[end : span.start()]))
        code, bold = span["code"], span["bold"]
        parts.append(
            f"<strong>{_inline(bold)}</strong>"
            if code is None
            else f"<code>{escape(code.strip())}</code>"
        )
        end = span.end()
    return "".join(parts) + escape(text[end:])


# What only the page has.


def _digits(validation: dict[str, Any], test: dict[str, Any]) -> list[str]:
    """The metrics of each digit, their intervals below them; nothing for a yes/no target."""
    found = [match for name in test | validation if (match := _PER_DIGIT.fullmatch(name))]
    if not found:
        return []
    names, digits = (
        list(dict.fromkeys(match[1] for match in found)),
        sorted({match[2] for match in found}),
    )
    head = "".join(f'<th colspan="{len(names)}" class="number">{part}</th>' for part in _PARTS)
    columns = "".join(f'<th class="number">{name}</th>' for _ in _PARTS for name in names)
    rows = []
    for digit in digits:
        cells = [
            _number(values, f"{name}_{digit}") for values in (validation, test) for name in names
        ]
        texts = (
            f"{value}<br><small>{interval}</small>" if interval else value
            for value, interval in cells
        )
        rows.append(
            f"<tr><th>{digit}</th>"
            + "".join(f'<td class="number">{text}</td>' for text in texts)
            + "</tr>"
        )
    table = [
        f'<thead><tr><th rowspan="2">digit</th>{head}</tr>',
        f"<tr>{columns}</tr></thead><tbody>",
        *rows,
        "</tbody>",
    ]
    return ["<h2>Digit by digit</h2>", '<div class="wide"><table>', *table, "</table></div>"]


def _plots(root: Path) -> list[str]:
    """DVC's own plots, drawn by Vega in the page itself."""
    specs, failed = _specs(root)
    text = ["<h2>Plots</h2>"] if specs or failed else []
    if failed:
        text.append(
            f"<p>DVC could not load {escape(', '.join(failed))}: <code>dvc repro</code> makes what is missing.</p>"
        )
    if not specs:
        return text
    text.append('<div class="plots">')
    for number, (name, spec) in enumerate(specs.items()):
        # JSON may hold `<` only in strings, where the escape says the same and cannot end the script.
        content = json.dumps(spec, separators=(",", ":")).replace("<", r"\u003c")
        text.append(
            f'<figure><div class="plot" id="plot-{number}" role="group" aria-label="{escape(name)}"></div></figure>'
        )
        text.append(f'<script type="application/json" data-plot="plot-{number}">{content}</script>')
    script = javascript_bundle(_DRAW, vl_version=VEGA_LITE).replace("</script", r"<\/script")
    return [*text, "</div>", f'<script type="module">{script}</script>']


def _specs(root: Path) -> tuple[dict[str, Any], list[str]]:
    """DVC's Vega-Lite plots by name, without those that have no data, and the names of those that it could not load."""
    with TemporaryDirectory() as pictures:  # DVC copies them, even for JSON
        command = [sys.executable, "-m", "dvc", "plots", "show", "--json", "-o", pictures]
        environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BadInput(f"`dvc plots show` failed in {root}: {reason}")
    answer = json.loads(done.stdout)
    # A file that a plot of dvc.yaml draws, DVC draws once more by itself, line by line: that says nothing new.
    drawn = _drawn(root)
    plots = {name: plot for name, plot in answer.get("data", {}).items() if name not in drawn}
    specs = {
        name: each["content"]
        for name, plot in plots.items()
        for each in plot
        if each["type"] == "vega"
    }
    failed = [error.get("name", "dvc.yaml") for error in answer.get("errors", [])]
    return specs, [
        name for name in dict.fromkeys(failed) if name not in specs and name not in drawn
    ]


def _drawn(root: Path) -> set[str]:
    """The files that the named plots in dvc.yaml draw."""
    plots = parse_yaml((root / "dvc.yaml").read_text(encoding="utf-8"), "dvc.yaml").get("plots", [])
    sources = [
        props.get("y")
        for plot in plots
        if isinstance(plot, Mapping)
        for props in plot.values()
        if props
    ]
    return {file for source in sources if isinstance(source, Mapping) for file in source}


def _pictures(root: Path) -> list[str]:
    files = [
        *sorted((root / "plots").glob("*.png")),
        *sorted((root / "plots" / "pictures").glob("*.png")),
    ]
    figures = [_figure(file) for file in files]
    return ["<h2>Pictures</h2>", *figures] if figures else []


def _figure(file: Path) -> str:
    caption = escape(file.stem.replace("_", " ").capitalize())
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<figure><img src="data:image/png;base64,{data}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _page(title: str, body: Sequence[str]) -> str:
    head = [
        '<meta charset="utf-8">',
        # The browser itself refuses whatever would come from elsewhere. Vega compiles its expressions, hence unsafe-eval.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data: blob:; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head>',
            *head,
            "</head><body><main>",
            *body,
            "</main></body></html>\n",
        ]
    )


_DRAW = """
for (const script of document.querySelectorAll("script[data-plot]")) {
  const place = document.getElementById(script.dataset.plot);
  const options = {renderer: "svg", actions: {export: true, source: false, compiled: false, editor: false}};
  vegaEmbed(place, JSON.parse(script.textContent), options).catch(error => { place.textContent = String(error); });
}
"""

# Pictures and plots are drawn for white paper, so they get it on a dark screen too.
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h1 + p { font-size: 1.15rem; }
p, ul { max-width: 46rem; }
.wide { overflow-x: auto; }
.wide + .wide { margin-top: 1.25rem; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.35; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; }
th.number, td.number { padding: .3rem 0 .3rem 1.25rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.number + :not(.number) { padding-left: 1.25rem; }
td:first-child code { white-space: nowrap; }
code { font: .92em ui-monospace, monospace; overflow-wrap: anywhere; }
small { opacity: .7; }
figure { margin: 1rem 0; }
figure > img, .plot { background: #fff; color: #000; color-scheme: light; border-radius: 4px; }
img { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; opacity: .8; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; }
.plots figure { margin: 0; max-width: 100%; overflow-x: auto; }
.plot { padding: .5rem; }
@media print {
  main { max-width: none; padding: 0; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .vega-embed summary, .vega-bindings { display: none; }
}
"""
