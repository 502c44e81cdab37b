"""The project's pages in Markdown: their code, their links, and the commands in their code."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from digits.common.dvc_yaml import parse_yaml
from tests.imports import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "data/own/*.md")
    for path in ROOT.glob(pattern)
    if path.name not in ("report.md",)  # which `make report` writes
)
_MARK = re.compile(r"<!-- not run: (\S.*) -->\s*")


@dataclass(frozen=True)
class Block:
    """Code between fences: its language, and why it is not run by a test, if it is not."""

    language: str
    code: str
    not_run: str


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def tokens_of(page: str) -> list[Token]:
    """The tokens of a page, those within lines too."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text_of(page))
    return [inner for token in tokens for inner in (token, *(token.children or []))]


def blocks_of(page: str) -> list[Block]:
    found, mark = [], ""
    for token in tokens_of(page):
        if token.type == "fence":
            found.append(Block(token.info, token.content, mark))
        match = _MARK.fullmatch(token.content) if token.type == "html_block" else None
        mark = match[1] if match else ""
    return found


def links_of(page: str) -> list[str]:
    """The targets of its links and pictures."""
    targets = [token.attrs.get("href") or token.attrs.get("src") for token in tokens_of(page)]
    return [str(target) for target in targets if target]


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    tokens = MarkdownIt("commonmark").parse(text_of(page))
    titles = [
        "".join(child.content for child in text.children or [])
        for opening, text in pairwise(tokens)
        if opening.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def spans_of(page: str) -> list[str]:
    """What stands between backticks in its lines."""
    return [
        " ".join(token.content.split()) for token in tokens_of(page) if token.type == "code_inline"
    ]


def commands_of(code: str) -> Iterator[list[str]]:
    """The words of each command in lines for a shell.

    Left out are variables set before a command, `export`, and where its output goes.
    """
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words, before = list[str](), ""
        for word in [*lexer, ";"]:
            if re.fullmatch(r"[;&|]+", word):
                while words and (re.match(r"\w+=", words[0]) or words[0] == "export"):
                    words.pop(0)
                if words:
                    yield words
                words = []
            elif ">" not in (word, before):
                words.append(word)
            before = word


def edits_of(code: str) -> dict[str, Any]:
    """The params that a person is asked to edit: `# edit params.yaml: KEY: VALUE`."""
    found = re.findall(r"^# edit params\.yaml: ([\w.]+): (.+)$", code, re.MULTILINE)
    return {key: parse_yaml(value, "the page") for key, value in found}


def path_of(page: str, target: str) -> Path:
    """The file that a link without a scheme leads to."""
    name = target.partition("#")[0]
    return (ROOT / page).parent / name if name else ROOT / page
