"""Blocks that documents are made of; each output format decides how they look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Mood = Literal["plain", "strong", "good", "bad", "quiet"]


@dataclass(frozen=True)
class Marked:
    """Text with a mood, such as "bad" or "quiet", that each output format shows in its own way.

    `href` makes it a link where there are links: a path of the console.
    """

    text: str
    mood: Mood = "plain"
    href: str = ""


Span = str | Marked
#: Text of a cell or a paragraph. A line break in it is kept where there is room for one.
Words = Span | tuple[Span, ...]


@dataclass(frozen=True)
class Heading:
    """A heading; the one of level 1 is the document's title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    words: Words


@dataclass(frozen=True)
class Bullets:
    """A bulleted list."""

    items: Sequence[Words]


@dataclass(frozen=True)
class Code:
    """Preformatted lines for copying; they are never wrapped."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A PNG image with a text alternative."""

    path: Path
    alternative: str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
        May have two lines, for a head wider than its cells.
    is_right : bool
        Whether cells are aligned to the right, as figures are.
    wraps : bool
        Whether cells wrap if the table is too wide; columns without it wrap only as a last
        resort.
    """

    name: str
    is_right: bool = False
    wraps: bool = False


def left(name: str) -> Column:
    """A column aligned to the left, for names."""
    return Column(name)


def right(name: str) -> Column:
    """A column aligned to the right, for figures."""
    return Column(name, is_right=True)


def wrap(name: str) -> Column:
    """A column whose texts wrap to the width that is left."""
    return Column(name, wraps=True)


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    columns : sequence of Column
        If all names are empty, no header is written.
    rows : sequence of sequences of Words
    title : str
        A line above it.
    notes : sequence of str
        Remarks below it.
    last_in_words : str
        Stands in for the last column on a terminal too narrow for it.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Words]]
    title: str = ""
    notes: Sequence[str] = ()
    last_in_words: str = ""


@dataclass(frozen=True)
class Bar:
    """A figure drawn to scale: its name, how it is spelled, and its interval where it has one."""

    name: Words
    text: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bars:
    """Figures of one unit below each other, from zero on where none is negative."""

    bars: Sequence[Bar]
    title: str = ""

    def as_table(self) -> Table:
        """Names and figures, where nothing can be drawn."""
        return Table([left(""), right("")], [[bar.name, bar.text] for bar in self.bars], self.title)

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest value to be drawn; they differ."""
        ends = [
            end for bar in self.bars for end in (bar.value, bar.low, bar.high) if end is not None
        ]
        low, high = min([0.0, *ends]), max([0.0, *ends])
        return (low, high) if low < high else (low, low + 1.0)


@dataclass(frozen=True)
class SideBySide:
    """Lists side by side; each has a heading, and rows of a label and a text."""

    lists: Sequence[tuple[str, Sequence[tuple[str, str]]]]

    def as_table(self) -> Table:
        """The lists as columns of one table, for a page that can scroll sideways."""
        length = max(len(rows) for _, rows in self.lists)
        texts = [[f"{label} {text}".strip() for label, text in rows] for _, rows in self.lists]
        padded = [column + [""] * (length - len(column)) for column in texts]
        return Table([wrap(heading) for heading, _ in self.lists], list(zip(*padded, strict=True)))


Block = Heading | Paragraph | Bullets | Code | Picture | Table | Bars | SideBySide
Document = Sequence[Block]


def mark(cells: Sequence[str], mood: Mood) -> list[Words]:
    """Cells of a row, all marked with one mood."""
    return [Marked(cell, mood) for cell in cells]


def spans(words: Words) -> list[Marked]:
    """Pieces of a text with their moods, without control characters (`printable`)."""
    pieces = words if isinstance(words, tuple) else (words,)
    marked = [piece if isinstance(piece, Marked) else Marked(piece, "plain") for piece in pieces]
    return [replace(piece, text=printable(piece.text)) for piece in marked]


def printable(text: str) -> str:
    r"""Text without control characters, including those that change the writing direction.

    Examples
    --------
    >>> printable("red\x1b[31m\tmug")
    'red [31m mug'
    """
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", " ", text)
