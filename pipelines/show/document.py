"""What a document is made of; how it looks is its writer's business."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mood = Literal["plain", "strong", "good", "bad", "quiet"]


@dataclass(frozen=True)
class Marked:
    """A text that stands out, or stands back."""

    text: str
    mood: Mood


Span = str | Marked
#: What a cell or a paragraph holds. A line break in it is kept where there is room for one.
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
    """Sentences, each on lines of its own."""

    items: Sequence[Words]


@dataclass(frozen=True)
class Code:
    """Lines to be copied, so never broken."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A PNG, and in words what it shows."""

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
        Figures are set to the right.
    wraps : bool
        Gives way where there is no room for all columns side by side; the others do so last.
    """

    name: str
    is_right: bool = False
    wraps: bool = False


def left(name: str) -> Column:
    """A column of names."""
    return Column(name)


def right(name: str) -> Column:
    """A column of figures."""
    return Column(name, is_right=True)


def wrap(name: str) -> Column:
    """A column of texts that take what room is left."""
    return Column(name, wraps=True)


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    columns : sequence of Column
        No head is written if all names are empty.
    rows : sequence of sequences of Words
    title : str
        A line above it.
    notes : sequence of str
        What the table does not say; below it.
    last_in_words : str
        Stands in for the last column on a terminal too narrow for it.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Words]]
    title: str = ""
    notes: Sequence[str] = ()
    last_in_words: str = ""


@dataclass(frozen=True)
class SideBySide:
    """Lists beside each other: of each its heading, and its rows of a label and a text."""

    lists: Sequence[tuple[str, Sequence[tuple[str, str]]]]

    def as_table(self) -> Table:
        """The lists as columns, for a page that scrolls."""
        length = max(len(rows) for _, rows in self.lists)
        texts = [[f"{label} {text}".strip() for label, text in rows] for _, rows in self.lists]
        padded = [column + [""] * (length - len(column)) for column in texts]
        return Table([wrap(heading) for heading, _ in self.lists], list(zip(*padded, strict=True)))


Block = Heading | Paragraph | Bullets | Code | Picture | Table | SideBySide
Document = Sequence[Block]


def mark(cells: Sequence[str], mood: Mood) -> list[Words]:
    """Cells of a row that stands out as a whole."""
    return [Marked(cell, mood) for cell in cells]


def spans(words: Words) -> list[Marked]:
    """Words in pieces of one mood, as `printable` text."""
    pieces = words if isinstance(words, tuple) else (words,)
    marked = [piece if isinstance(piece, Marked) else Marked(piece, "plain") for piece in pieces]
    return [Marked(printable(piece.text), piece.mood) for piece in marked]


def printable(text: str) -> str:
    r"""Text without characters that command a terminal or turn the direction of what follows.

    Examples
    --------
    >>> printable("red\x1b[31m\tmug")
    'red [31m mug'
    """
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", " ", text)
