"""Write a document as Markdown."""

from __future__ import annotations

import re

from pipelines.show.document import (
    Bars,
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    SideBySide,
    Table,
    Words,
    spans,
)
from pipelines.show.figures import TIE


def to_markdown(document: Document) -> str:
    """A document as Markdown; texts are escaped."""
    return "\n\n".join(filter(None, map(_block, document))) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_inline(text)}"
        case Paragraph(words):
            return _inline(words)
        case Bullets(items):
            return "\n".join(f"* {_inline(item)}" for item in items)
        case Code(text):
            return f"```sh\n{text}\n```"
        case Picture(path, alternative):
            return f"![{_inline(alternative)}]({path.name})"
        case Table() | Bars() | SideBySide():
            return _table(block if isinstance(block, Table) else block.as_table())


def _table(table: Table) -> str:
    dashes = ["--:" if column.is_right else "---" for column in table.columns]
    cells = [[_inline(cell) for cell in row] for row in table.rows]
    lines = [[_inline(column.name) for column in table.columns], dashes, *cells]
    grid = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([*([_inline(table.title)] * bool(table.title)), grid, *table.notes])


def _inline(words: Words) -> str:
    """Escaped text on one line."""
    written = ""
    for span in spans(words):
        text = escape(" ".join(span.text.replace(TIE, " ").split("\n")))
        written += f"**{text}**" if span.mood in {"strong", "bad"} and text else text
    return written


def escape(text: str) -> str:
    r"""Escape Markdown syntax in a text, including what would end a table cell.

    Examples
    --------
    >>> print(escape("a|b *c* <d> snake_case [.1, .2] [e](f)"))
    a\|b \*c\* \<d> snake_case [.1, .2] [e]\(f)
    """
    signs = r"[\\`*|~]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<=\])\(|(?<![^\W_])_|_(?![^\W_])"
    return re.sub(signs, lambda found: "\\" + found.group(), text)
