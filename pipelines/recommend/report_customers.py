"""Customers' histories and lists side by side, in the report and in `recsys query --user`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.recommend.report_tables import ReportTable, fill, format_figure, make_table

#: Items of each list when several stand side by side.
HEAD_ROWS = 10
#: Narrower than this, a column goes below the others instead of beside them.
_LEAST_WIDTH = 24
_GAP = 2

#: A heading, and rows of a label (a day, a rank) and a text beside it.
Block = tuple[str, list[tuple[str, str]]]


def print_lists(console: Console, customer: Mapping[str, Any]) -> None:
    """Print history and lists side by side, then why they are what they are."""
    blocks = [history_block(customer["history"])]
    for name, rows in customer["lists"].items():
        shown = [(str(row["rank"]), title_of(row)) for row in rows]
        blocks.append((name, shown or [("", "nothing may be shown")]))
    beside = max(1, (console.width + _GAP) // (_LEAST_WIDTH + _GAP))
    for start in range(0, len(blocks), beside):
        console.print(_side_by_side(console, blocks[start : start + beside]))
    console.print(
        fill(reasons_in_words(customer["lists"]), console.width), style="dim", markup=False
    )


def reasons_in_words(lists: Mapping[str, list[dict[str, Any]]]) -> str:
    """Why the lists are what they are, each reason once.

    Examples
    --------
    >>> row = {"strategy": "ease", "reason": "Goes with items you chose"}
    >>> reasons_in_words({"discover": [row, row]})
    'discover: Goes with items you chose (ease)'
    """
    told = [f"{name}: {row['reason']} ({row['strategy']})" for name in lists for row in lists[name]]
    return "; ".join(dict.fromkeys(told))


def print_user(console: Console, found: Mapping[str, Any]) -> None:
    """Print what `query.query_user` found: one list whole, several side by side by their heads."""
    live = f"{found['publication_id']}, as of {found['as_of']}"
    console.print()
    console.print(f"[bold cyan]Customer {found['user_id']} in {live}[/]")
    if len(found["lists"]) == 1:
        print_history(console, found["history"])
        for name, rows in found["lists"].items():
            console.print()
            console.print(_whole_list(name, rows))
        return
    heads = {name: rows[:HEAD_ROWS] for name, rows in found["lists"].items()}
    print_lists(console, {**found, "lists": heads})
    console.print("--placement NAME shows a whole list with scores, --json everything", style="dim")


def print_history(console: Console, history: list[dict[str, Any]]) -> None:
    """Print what a customer did, newest first."""
    console.print(_side_by_side(console, [history_block(history)]))


def history_block(history: list[dict[str, Any]]) -> Block:
    """What a customer did; the kind of event stands in the heading if it is always the same."""
    kinds = {row["event_type"] for row in history}
    if len(kinds) == 1:
        return f"last {kinds.pop()}s", [(row["event_date"][5:], title_of(row)) for row in history]
    lines = [(row["event_date"][5:], f"{row['event_type']} {title_of(row)}") for row in history]
    return "did lately", lines or [("", "nothing before this night")]


def title_of(row: Mapping[str, Any]) -> str:
    """An item's title, or its id where the feed gives none.

    Examples
    --------
    >>> title_of({"title": "LUNCH BAG  RED", "item_id": "i7"})
    'LUNCH BAG RED'
    """
    return " ".join(str(row["title"] or row["item_id"]).split())


def _side_by_side(console: Console, blocks: list[Block]) -> ReportTable:
    """One row with a block in each cell, so that a title of two lines moves only its own list."""
    table = make_table([(heading, "wrap") for heading, _ in blocks])
    for column in table.columns:
        column.width = (console.width - _GAP * (len(blocks) - 1)) // len(blocks)
    table.add_row(*(_block(rows) for _, rows in blocks))
    return table


def _block(rows: list[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(justify="right", no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Text(label), Text(text))
    return grid


def _whole_list(name: str, rows: list[dict[str, Any]]) -> ReportTable:
    columns = [("rank", "right"), ("item", "left"), (name, "wrap"), ("score", "right")]
    table = make_table([*columns, ("strategy", "left"), ("reason", "wrap")])
    for row in rows:
        cells = [str(row["rank"]), row["item_id"], title_of(row), format_figure(row["score"])]
        table.add_row(*(Text(cell) for cell in [*cells, row["strategy"], row["reason"]]))
    return table
