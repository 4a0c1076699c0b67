"""Print a document on a terminal of 80 or 100 columns, or to a plain log."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click
import rich.table
from rich import box
from rich.console import Console
from rich.text import Text

from pipelines.base.durable import to_json
from pipelines.show.document import (
    Bars,
    Block,
    Bullets,
    Code,
    Column,
    Document,
    Heading,
    Marked,
    Paragraph,
    Picture,
    SideBySide,
    Table,
    Words,
    printable,
    spans,
)
from pipelines.show.figures import TIE, spell_signs

#: Greatest width in columns, and the width of a log, which has none of its own.
WIDTH = 100
#: A list that would be narrower than this goes below the others instead of beside them.
_LEAST_WIDTH = 24
_GAP = 2
#: A width in columns that no table reaches.
_ANY = 1000
_STYLES = {"strong": "bold", "good": "bold green", "bad": "bold red", "quiet": "dim", "plain": ""}


def print_document(document: Document, console: Console | None = None) -> None:
    """Print a document; with colours only if the console is a terminal.

    The default console is standard output, `WIDTH` columns wide, or what the terminal (or COLUMNS)
    has if that is less.
    """
    console = console or make_console()
    before: Block | None = None
    for block in document:
        if _is_apart(before, block):
            console.print()
        _print(console, block)
        before = block


def print_answer(answer: Any, as_json: bool, document: Callable[[], Document]) -> None:
    """Print the answer of a command: as JSON for programs, or as a document for people."""
    if as_json:
        click.echo(to_json(answer), nl=False)
    else:
        print_document(document())


def make_console() -> Console:
    """A console on standard output, at most `WIDTH` columns wide; see `spell_signs`."""
    spell_signs()
    console = Console(highlight=False)
    own = console.width if console.is_terminal else shutil.get_terminal_size((WIDTH, 0)).columns
    return Console(highlight=False, width=min(own, WIDTH))


def _is_apart(before: Block | None, block: Block) -> bool:
    """Whether an empty line separates two blocks: not below a heading, nor within prose."""
    if before is None or isinstance(before, Heading):
        return before is not None and isinstance(block, Heading)
    is_prose = isinstance(before, Paragraph | SideBySide) and isinstance(block, Paragraph)
    return not (is_prose or isinstance(block, Bullets | Code | Picture))


def _print(console: Console, block: Block) -> None:
    """Print a block; pictures are skipped."""
    match block:
        case Heading(text, 1):
            console.rule(Text(printable(text), "bold"), style="cyan", align="left")
        case Heading(text):
            console.print(Text(printable(text), "bold cyan"), soft_wrap=True)
        case Paragraph(words):
            _print_words(console, words)
        case Bullets(items):
            for item in items:
                _print_words(console, item, indent="    ")
        case Code(text):
            console.print(Text(printable(text)), soft_wrap=True)
        case SideBySide(lists):
            beside = max(1, (console.width + _GAP) // (_LEAST_WIDTH + _GAP))
            for start in range(0, len(lists), beside):
                console.print(_side_by_side(console, lists[start : start + beside]))
        case Table() | Bars():
            _print_table(console, block if isinstance(block, Table) else block.as_table())


def _print_words(console: Console, words: Words, indent: str = "") -> None:
    """Print wrapped text whose lines never end at a `TIE`."""
    pieces = spans(words)
    text = Text(fill("".join(piece.text for piece in pieces), console.width, indent))
    for piece in pieces:
        if piece.mood != "plain":
            found = r"\s+".join(map(re.escape, piece.text.split()))
            text.highlight_regex(found, _STYLES[piece.mood])
    console.print(text)


def fill(text: str, width: int, indent: str = "") -> str:
    """Wrap text to at most `width` columns; all lines but the first begin with `indent`.

    Examples
    --------
    >>> print(fill(f"lost: ease{TIE}.1 [.0, .2]", width=20, indent="  "))
    lost: ease .1 [.0,
      .2]
    """
    lines = textwrap.fill(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return lines.replace(TIE, " ")


def _print_table(console: Console, table: Table) -> None:
    """Print a table; if too wide, narrow gaps, then swap its last column, then wrap cells."""
    if table.title:
        _print_words(console, table.title)
    fitting = [
        drawn
        for drawn in (_draw(table.columns, table.rows, gap) for gap in (1, 0))
        if console.measure(drawn, options=console.options.update_width(_ANY)).maximum
        <= console.width
    ]
    if not fitting and table.last_in_words:
        rows = [row[:-1] for row in table.rows]
        _print_table(console, Table(table.columns[:-1], rows))
        _print_words(console, table.last_in_words)
    else:
        console.print(fitting[0] if fitting else _squeezed(console, table))
    for note in table.notes:
        _print_words(console, Marked(note, "quiet"))


def _squeezed(console: Console, table: Table) -> rich.table.Table:
    """The table without gaps; if wrapping its `wraps` columns is not enough, all columns wrap."""
    least = sum(
        max(
            measure.minimum if column.wraps else measure.maximum
            for measure in (console.measure(_cell(cell)) for cell in (column.name, *cells))
        )
        + 1
        for column, *cells in zip(table.columns, *table.rows, strict=True)
    )
    columns = table.columns
    if least - 1 > console.width:
        columns = [replace(column, wraps=True) for column in columns]
    return _draw(columns, table.rows, gap=0)


def _draw(columns: Sequence[Column], rows: Sequence[Sequence[Words]], gap: int) -> rich.table.Table:
    """A rich table without a frame."""
    drawn = rich.table.Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, gap, 0, 0),
        show_header=any(column.name for column in columns),
    )
    for column in columns:
        drawn.add_column(
            _cell(column.name),
            justify="right" if column.is_right else "left",
            overflow="fold",
            no_wrap=not column.wraps,
        )
    for row in rows:
        drawn.add_row(*map(_cell, row))
    return drawn


def _side_by_side(
    console: Console, lists: Sequence[tuple[str, Sequence[tuple[str, str]]]]
) -> rich.table.Table:
    """A table of one row with a list per cell, so that a title of two lines moves no other list."""
    drawn = _draw([Column(heading, wraps=True) for heading, _ in lists], [], gap=1)
    for column in drawn.columns:
        column.width = (console.width - _GAP * (len(lists) - 1)) // len(lists)
    grids = []
    for _, rows in lists:
        grid = rich.table.Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(justify="right", no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for label, text in rows:
            grid.add_row(_cell(label), _cell(text))
        grids.append(grid)
    drawn.add_row(*grids)
    return drawn


def _cell(words: Words) -> Text:
    pieces = ((piece.text.replace(TIE, " "), _STYLES[piece.mood]) for piece in spans(words))
    return Text.assemble(*pieces)
