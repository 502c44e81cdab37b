import base64
import json
import re
import shutil
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import vl_convert
from matplotlib.image import imread

from digits.commands.report import render_report
from digits.commands.report_plots import VEGA_LITE
from digits.common.errors import BadInput
from digits.metrics.tables import read_metrics
from tests.imports import ROOT
from tests.scratch import Project, make_once

COMPARISON = """`workspace` against `main`: **worse** than `main`.

| metric | A | B |
| ------ | --: | --: |
| accuracy | 0.9 | 0.8 |
| a\\|b | `x\\|y` | <b> |

Params that differ:

- `train.C` & more
"""


class Page(HTMLParser):
    """What a page refers to, shows and runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self._in_cell = False
        self._within: tuple[str, dict[str, str | None]] = ("", {})
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._within = (tag, dict(attrs))
        self.references += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "srcset", "data", "action", "poster")
        ]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._within = ("", {})
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        tag, attributes = self._within
        if tag == "script":
            self.scripts.append((attributes, data))
        elif tag == "style":
            self.styles.append(data)
        else:
            self.text.append(data)
            if self._in_cell:
                self.rows[-1][-1] += data


def table_rows(markdown: str) -> list[list[str]]:
    """The cells of all lines of tables."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.fixture
def root(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scratch repository, with its own DVC settings for what runs in this process too."""
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    return project.path


@pytest.fixture
def reports(
    reproduced: Callable[..., Project], workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str | None], tuple[str, str]]:
    """The report of the unchanged project as a page and as Markdown, made once for all tests."""
    for name, value in reproduced().env.items():
        monkeypatch.setenv(name, value)

    def make(folder: Path) -> None:
        project = reproduced().copy(folder / "digits")
        for name, comparison in (("alone", None), ("compared", COMPARISON)):
            page, markdown = render_report(project.path, comparison)
            (folder / f"{name}.html").write_text(page, encoding="utf-8")
            (folder / f"{name}.md").write_text(markdown, encoding="utf-8")

    def get(comparison: str | None) -> tuple[str, str]:
        assert comparison in (None, COMPARISON)
        stem = make_once(workshop / "reports", make) / ("compared" if comparison else "alone")
        page, markdown = (
            stem.with_suffix(end).read_text(encoding="utf-8") for end in (".html", ".md")
        )
        return page, markdown

    return get


Reports = Callable[[str | None], tuple[str, str]]


def test_the_page_needs_nothing_from_elsewhere_and_shows_all_there_is(
    reproduced: Callable[..., Project], reports: Reports, tmp_path: Path
) -> None:
    root = reproduced().path
    text, _ = reports(COMPARISON)
    page = Page(text)
    assert not [each for each in page.references if not each.startswith("data:image/png;base64,")]
    assert not [style for style in page.styles if "@import" in style or "url(" in style]
    assert not re.search(r"@import|url\(\s*['\"]?(https?:|//)", text)
    assert "default-src 'none'" in text, "the browser is told to load nothing"
    pictures = [*(root / "plots").glob("*.png"), *(root / "plots" / "pictures").glob("*.png")]
    assert len(page.references) == page.tags.count("img") == len(pictures) > 0
    embedded = [base64.b64decode(each.partition(",")[2], validate=True) for each in page.references]
    assert sorted(embedded) == sorted(picture.read_bytes() for picture in pictures)
    for number, picture in enumerate(embedded):
        copy = tmp_path / f"{number}.png"
        copy.write_bytes(picture)
        assert imread(copy).ndim == 3
    shown = "".join(page.text)
    for picture_file in pictures:
        assert picture_file.stem.replace("_", " ").capitalize() in shown


def test_dvcs_plots_are_in_the_page_with_the_library_that_draws_them(reports: Reports) -> None:
    page = Page(reports(None)[0])
    specs = {
        (attributes["data-plot"] or ""): json.loads(text)
        for attributes, text in page.scripts
        if "data-plot" in attributes
    }
    titles = [spec["title"]["text"] for spec in specs.values()]
    assert "Test images, as a share of each true digit" in titles
    assert any(title.startswith("Precision at each recall") for title in titles)
    each_digit = ": precision, recall and F1, with their intervals"
    assert {f"Validation{each_digit}", f"Test images{each_digit}"} <= {*titles}
    assert not [
        title for title in titles if title.startswith(("plots/", "Learning curve", "ROC"))
    ], "drawn already, or without data"
    assert all(spec["data"]["values"] for spec in specs.values())
    for spec in specs.values():
        assert vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE).startswith("<svg")
    (library,) = [text for attributes, text in page.scripts if attributes.get("type") == "module"]
    assert len(library) > 500_000
    assert "vega-embed" in library
    assert "script[data-plot]" in library, "and what calls it"


def test_what_dvc_cannot_load_and_what_was_not_validated_is_named_and_no_obstacle(
    root: Path,
) -> None:
    (root / "plots" / "robustness_shift.csv").unlink()
    shutil.rmtree(root / "plots" / "pictures")
    (root / "metrics" / "validation.json").write_text('{"n": 0}', encoding="utf-8")
    text, markdown = render_report(root, None)
    assert "DVC could not load" in text
    assert "Robustness, test images moved by pixels" in text
    assert "<h2>Pictures</h2>" not in text
    assert "Not validated" in markdown


def test_every_metric_is_there_with_its_interval(
    reproduced: Callable[..., Project], reports: Reports
) -> None:
    root = reproduced().path
    text, markdown = reports(None)
    shown = Page(text).text
    for part in ("validation", "test"):
        values = read_metrics(root, part)
        assert "recall_3_high" in values
        for name, value in values.items():
            if name.endswith(("_low", "_high")) or name == "test_set":
                continue
            number = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
            assert number in shown, name
            if f"{name}_low" in values:
                interval = f"{values[f'{name}_low']:.4f} to {values[f'{name}_high']:.4f}"
                assert interval in shown, name
                in_markdown = any(
                    (number, interval) in pairwise(cells) for cells in table_rows(markdown)
                )
                assert re.fullmatch(r"\w+_\d", name) or in_markdown, name
        assert f"**{values['accuracy'] * 100:.2f} %**" in markdown
    assert values["test_set"][:12] in markdown


def test_what_is_not_ours_is_escaped(project: Project, root: Path) -> None:
    project.edit(fetch__dataset="idx:<script>alert(1)</script>|`x`")
    text, markdown = render_report(root, COMPARISON)
    assert "<script>alert" not in text
    assert "<b>" not in text
    page = Page(text)
    assert "dataset=idx:<script>alert(1)</script>|`x`" in page.text
    assert ["a|b", "x|y", "<b>"] in page.rows
    assert "`` dataset=idx:<script>alert(1)</script>\\|`x` ``" in markdown
    assert ", with changes not committed" in markdown


def test_the_markdown_is_for_a_pull_request(reports: Reports) -> None:
    _, markdown = reports(COMPARISON)
    assert markdown.startswith("# Report on `main` at `")
    assert COMPARISON.strip() in markdown
    assert "base64" not in markdown
    assert "## Comparison" not in reports(None)[1]
    blocks = [block.splitlines() for block in markdown.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    for block in blocks:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block}) == 1
        assert re.fullmatch(r"\|( *:?-+:? *\|)+", block[1])


def test_missing_results_are_named(root: Path) -> None:
    for damage, problem in (
        (lambda file: file.write_text('{"n": 3}'), "has no n, errors and accuracy"),
        (Path.unlink, "is missing"),
    ):
        damage(root / "metrics" / "test.json")
        with pytest.raises(
            BadInput, match=rf"^metrics/test\.json {problem}.*`dvc repro` makes it"
        ) as error:
            render_report(root, None)
        assert "\n" not in str(error.value)
    (root / "plots" / "metrics_validation.csv").unlink()
    with pytest.raises(BadInput, match=r"^plots/metrics_validation\.csv is missing"):
        render_report(root, None)


def test_twice_the_same_and_both_files_written_whole(
    project: Project, root: Path, reports: Reports
) -> None:
    """Also in another copy, by another process."""
    before = {
        file for file in root.rglob("*") if ".git" not in file.parts and ".dvc" not in file.parts
    }
    code = (
        "from digits.commands.report import write_report; from pathlib import Path; "
        f"write_report(Path({str(root)!r}), {COMPARISON!r})"
    )
    project.run(
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}",
        PYTHONHASHSEED="7",
    )
    after = {
        file for file in root.rglob("*") if ".git" not in file.parts and ".dvc" not in file.parts
    }
    assert {file.relative_to(root).as_posix() for file in after - before} == {
        "report.html",
        "report.md",
    }
    assert reports(COMPARISON) == tuple(
        (root / f"report.{end}").read_text(encoding="utf-8") for end in ("html", "md")
    )
