"""From Markdown to HTML, as far as this project writes Markdown."""

from typing import Any

from markdown_it import MarkdownIt

# No links, no images, no HTML: a revision's name or an error cannot bring any into the page.
RULES = ("heading", "table", "list", "backticks", "emphasis", "escape")


def to_html(markdown: str) -> str:
    """Blocks of Markdown as HTML; wide tables scroll, and their numbers have the class number."""
    parser = _parser()
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.attrs.pop("style", "") == "text-align:right":
            token.attrSet("class", "number")
    return str(parser.renderer.render(tokens, parser.options, {}))


def to_inline_html(markdown: str) -> str:
    """One line of Markdown as HTML, without a paragraph around it."""
    return _parser().renderInline(markdown)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero").enable(RULES)
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    return parser


def _open_table(*_: Any) -> str:
    return '<div class="wide"><table>\n'


def _close_table(*_: Any) -> str:
    return "</table></div>\n"
