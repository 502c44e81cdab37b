"""Links in README and docs lead somewhere, and the params that they name are there."""

import re
import tomllib
from urllib.parse import urlsplit

import pytest

from digits.common.dvc_yaml import parse_yaml
from digits.params.nested import flatten
from digits.params.schema import parse_params
from tests.imports import ROOT
from tests.pages import PAGES, anchors_of, links_of, path_of, text_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_index_names_every_page() -> None:
    pages = {page for page in PAGES if page.startswith("docs/") and page != "docs/README.md"}
    linked = {f"docs/{target}" for target in links_of("docs/README.md")}
    assert pages <= linked


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page: str) -> None:
    for target in links_of(page):
        if "://" in target:
            address = urlsplit(target)
            assert address.scheme in ("http", "https") and "." in address.netloc, target
            continue
        path = path_of(page, target)
        assert path.exists(), f"{page}: {target}"
        if anchor := urlsplit(target).fragment:
            inner = path.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors_of(inner), f"{page}: {target}"


# docs/params.md has the members of ensembles that are not in the file too; it has its own test.
@pytest.mark.parametrize("page", sorted({*PAGES} - {"docs/params.md"}))
def test_params_that_a_page_names_are_there(page: str) -> None:
    values = parse_params((ROOT / "params.yaml").read_bytes()).model_dump(by_alias=True)
    keys, sections = set(flatten(values)), "|".join(values)
    named = re.findall(rf"(?<![\w/.-])((?:{sections})\.[\w.]+\w)(?=[:=`])", text_of(page))
    for name in named:
        assert any(key == name or key.startswith(f"{name}.") for key in keys), f"{page}: {name}"


def test_the_citation_is_of_this_version() -> None:
    citation = parse_yaml((ROOT / "CITATION.cff").read_bytes(), "CITATION.cff")
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert f"## {citation['version']}" in text_of("CHANGELOG.md")
