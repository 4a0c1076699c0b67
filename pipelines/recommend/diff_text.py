"""A diff of two publications for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines.recommend.list_rows import CONTROL
from pipelines.recommend.report_tables import format_count, format_share, make_table

#: Widest bar of the histogram.
BAR = 30


def print_diff(console: Console, found: Mapping[str, Any]) -> None:
    """Print what `diff.diff_publications` found.

    Parameters
    ----------
    console : rich.console.Console
    found : mapping
    """
    before, after = (found[side]["publication_id"] for side in ("before", "after"))
    console.print(f"From {before} to {after}", style="bold", markup=False)
    if not found["lists"]:
        console.print("Neither has a list.")
    for entry in found["lists"]:
        variant = "" if entry["variant"] == CONTROL else f"/{entry['variant']}"
        console.print()
        console.print(f"{entry['placement']}{variant}", style="bold cyan", markup=False)
        for line in describe_users(entry):
            console.print(line, markup=False)
        if entry["overlap_at_10"] is not None:
            _print_overlap(console, entry, found["k"])
        _print_items(console, "entered", entry, "is_new", "in no list before")
        _print_items(console, "left", entry, "is_gone", "in no list any more")
        _print_strategies(console, entry["strategies"])


def describe_users(entry: Mapping[str, Any]) -> list[str]:
    """How many users and lists differ, in sentences.

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


def _print_overlap(console: Console, entry: Mapping[str, Any], k: int) -> None:
    overlap = entry["overlap_at_10"]
    marks = ", ".join(f"{name} {format_share(overlap[name])}" for name in ("p10", "p50", "p90"))
    console.print(f"first {k} items kept: {format_share(overlap['mean'])} on average ({marks})")
    highest = max(overlap["histogram"])
    table = make_table([("kept", "right"), ("users", "right"), ("", "left")])
    for tenths, users in enumerate(overlap["histogram"]):
        table.add_row(f"{tenths * 10}%", format_count(users), "#" * round(BAR * users / highest))
    console.print(table)


def _print_items(
    console: Console, side: str, entry: Mapping[str, Any], mark: str, words: str
) -> None:
    items: Sequence[Mapping[str, Any]] = entry[side]
    total = entry["item_counts"][side]
    console.print(f"items that {side} lists: {total:,}" + (", most users first" if items else ""))
    if not items:
        return
    table = make_table([("users", "right"), ("item", "left"), ("title", "wrap"), ("", "left")])
    for item in items:
        title = Text(str(item["title"] or ""))
        note = words if item[mark] else ""
        table.add_row(format_count(item["user_count"]), Text(item["item_id"]), title, note)
    console.print(table)


def _print_strategies(console: Console, strategies: Sequence[Mapping[str, Any]]) -> None:
    names = ("rows_before", "rows_after", "rows_entered", "rows_left")
    titles = [(name.replace("_", " "), "right") for name in names]
    table = make_table([("strategy", "left"), *titles])
    for row in strategies:
        table.add_row(Text(row["strategy"]), *(format_count(row[name]) for name in names))
    console.print(table)
