"""The comparison of two publications as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.experiments.definition import CONTROL
from pipelines.show.document import Block, Heading, Paragraph, Table, left, right, wrap
from pipelines.show.figures import format_count, format_share

#: Width of the widest bar of the histogram, in characters.
BAR = 30
_ROW_COUNTS = ("rows_before", "rows_after", "rows_entered", "rows_left")


def diff_document(changes: Mapping[str, Any]) -> list[Block]:
    """Document of what changed between two publications, by placement and variant."""
    before, after = (changes[side]["publication_id"] for side in ("before", "after"))
    document: list[Block] = [Heading(f"From {before} to {after}")]
    if not changes["lists"]:
        document.append(Paragraph("Neither has a list."))
    for entry in changes["lists"]:
        variant = "" if entry["variant"] == CONTROL else f"/{entry['variant']}"
        document.append(Heading(f"{entry['placement']}{variant}"))
        document += map(Paragraph, describe_users(entry))
        if entry["overlap_at_10"] is not None:
            document.append(_overlap_table(entry["overlap_at_10"], changes["k"]))
        document.append(_items_block("entered", entry, "is_new", "in no list before"))
        document.append(_items_block("left", entry, "is_gone", "in no list any more"))
        document.append(_strategies_table(entry["strategies"]))
    return document


def describe_users(entry: Mapping[str, Any]) -> list[str]:
    """Describe in sentences how many users and lists differ.

    Examples
    --------
    >>> users = {"before": 3, "after": 3, "both": 2, "changed": 1, "appeared": 1, "vanished": 1}
    >>> moves = {"kept_rows": 4, "moved_share": 0.5, "mean_places": 1.5, "p90": 3.0, "max": 3}
    >>> print(*describe_users({"users": users, "rank_moves": moves}), sep=chr(10))
    users: 3 before, 3 after; 1 appeared, 1 vanished
    lists changed: 1 of 2 (50%)
    items that stayed: 50% at another rank, 1.5 places on average, 90% within 3, at most 3
    """
    users, moves = entry["users"], entry["rank_moves"]
    lines = [
        f"users: {users['before']:,} before, {users['after']:,} after; "
        f"{users['appeared']:,} appeared, {users['vanished']:,} vanished"
    ]
    if users["both"]:
        share = format_share(users["changed"] / users["both"])
        lines.append(f"lists changed: {users['changed']:,} of {users['both']:,} ({share})")
    if moves["kept_rows"]:
        lines.append(
            f"items that stayed: {format_share(moves['moved_share'])} at another rank, "
            f"{moves['mean_places']:.1f} places on average, 90% within {moves['p90']:.0f}, "
            f"at most {moves['max']}"
        )
    return lines


def _overlap_table(overlap: Mapping[str, Any], k: int) -> Table:
    marks = ", ".join(f"{name} {format_share(overlap[name])}" for name in ("p10", "p50", "p90"))
    title = f"first {k} items kept: {format_share(overlap['mean'])} on average ({marks})"
    highest = max(overlap["histogram"])
    rows = [
        [f"{tenths * 10}%", format_count(users), "#" * round(BAR * users / highest)]
        for tenths, users in enumerate(overlap["histogram"])
    ]
    return Table([right("kept"), right("users"), left("")], rows, title=title)


def _items_block(side: str, entry: Mapping[str, Any], sign: str, words: str) -> Block:
    title = f"items that {side} lists: {entry['item_counts'][side]:,}"
    if not entry[side]:
        return Paragraph(title)
    rows = [
        [
            *(format_count(item["user_count"]), item["item_id"], item["title"] or ""),
            words if item[sign] else "",
        ]
        for item in entry[side]
    ]
    columns = [right("users"), left("item"), wrap("title"), left("")]
    return Table(columns, rows, title=f"{title}, most users first")


def _strategies_table(strategies: Sequence[Mapping[str, Any]]) -> Table:
    columns = [left("strategy"), *(right(name.replace("_", " ")) for name in _ROW_COUNTS)]
    rows = [
        [row["strategy"], *(format_count(row[name]) for name in _ROW_COUNTS)] for row in strategies
    ]
    return Table(columns, rows)
