"""Customers' histories and lists as the report, `recsys query` and `recsys why` show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.show.document import (
    Block,
    Heading,
    Marked,
    Paragraph,
    SideBySide,
    Table,
    left,
    right,
    wrap,
)
from pipelines.show.figures import format_figure

#: Items of each list when several stand side by side.
HEAD_ROWS = 10


def user_document(asked: Mapping[str, Any]) -> list[Block]:
    """A customer's history and lists: one list whole, of several the first rows side by side."""
    live = f"{asked['publication_id']}, as of {asked['as_of']}"
    title = Heading(f"Customer {asked['user_id']} in {live}")
    if len(asked["lists"]) == 1:
        ((name, rows),) = asked["lists"].items()
        return [title, SideBySide([history_list(asked["history"])]), _whole_list(name, rows)]
    heads = {name: rows[:HEAD_ROWS] for name, rows in asked["lists"].items()}
    more = "--placement NAME shows a whole list with scores, --json everything"
    return [title, *lists_blocks({**asked, "lists": heads}), Paragraph(Marked(more, "quiet"))]


def lists_blocks(customer: Mapping[str, Any]) -> list[Block]:
    """History and lists side by side, then why they are what they are, each reason once."""
    columns = [history_list(customer["history"])]
    for name, rows in customer["lists"].items():
        shown = [(str(row["rank"]), title_of(row)) for row in rows]
        columns.append((name, shown or [("", "nothing may be shown")]))
    reasons = dict.fromkeys(
        f"{name}: {row['reason']} ({row['strategy']})"
        for name, rows in customer["lists"].items()
        for row in rows
    )
    return [SideBySide(columns), Paragraph(Marked("; ".join(reasons), "quiet"))]


def history_list(history: Sequence[Mapping[str, Any]]) -> tuple[str, list[tuple[str, str]]]:
    """Heading and rows of what a customer did; a sole event type is named in the heading."""
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


def _whole_list(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = [right("rank"), left("item"), wrap(name), right("score"), left("strategy")]
    cells = [
        [
            *(str(row["rank"]), row["item_id"], title_of(row), format_figure(row["score"])),
            *(row["strategy"], row["reason"]),
        ]
        for row in rows
    ]
    return Table([*columns, wrap("reason")], cells)
