"""The night's report for a terminal of 80 or 100 columns, or a plain log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from pipelines.recommend.list_rows import CONTROL
from pipelines.recommend.report_board import print_board
from pipelines.recommend.report_customers import print_lists, print_user
from pipelines.recommend.report_gate import print_gate
from pipelines.recommend.report_notes import board_notes
from pipelines.recommend.report_rules import print_prices
from pipelines.recommend.report_seconds import print_seconds
from pipelines.recommend.report_tables import (
    fill,
    format_audit,
    format_count,
    format_share,
    format_shares,
    make_console,
    make_table,
)

__all__ = ["print_report", "print_user"]


def print_report(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the report; without colours unless the console is a terminal.

    Parameters
    ----------
    report : mapping
        What `report.build_report` returns.
    console : rich.console.Console, optional
        Default: standard output, at most `WIDTH` columns wide.
    """
    console = console or make_console()
    console.print()
    console.rule(f"[bold]Night of {report['as_of']}[/]", style="cyan", align="left")
    _print_load(console, report["load"])
    for name, placement in report["placements"].items():
        _print_placement(console, name, placement, report)
    if report["seconds"] or report["steps"]:
        _title(console, "Where the time went, in seconds")
        print_seconds(console, report["seconds"], report["steps"])
    _print_publication(console, report["publication"])
    for customer in report["customers"]:
        _title(console, f"Customer {customer['user_id']} ({customer['segment']})")
        print_lists(console, customer)
    _print_commands(console, report)


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold cyan", markup=False)


def _print_load(console: Console, load: Mapping[str, Any] | None) -> None:
    _title(console, "Loaded")
    if load is None:
        console.print("Nothing is recorded: the load did not end.")
        return
    numbers = ["new days", "new rows", "duplicates", "quarantined", "days known", "rows known"]
    table = make_table([("feed", "left"), *((name, "right") for name in numbers)])
    keys = ["loaded_days", "row_count", "duplicate_count", "quarantined_count"]
    for name, feed in load["feeds"].items():
        table.add_row(
            name, *(format_count(feed.get(key, 0)) for key in [*keys, "total_days", "total_rows"])
        )
    console.print(table)
    for note in load.get("notes", []):
        console.print(f"  note: {note}", markup=False)


def _print_placement(
    console: Console, name: str, placement: Mapping[str, Any], report: Mapping[str, Any]
) -> None:
    board = placement["leaderboards"]["gate"]
    if not board:
        _title(console, f"{name}: leaderboard")
        console.print("No candidate was evaluated.")
    else:
        users = format_count(board[0]["user_count"])
        _title(console, f"{name}: leaderboard on the gate window, {users} users")
        print_board(console, board, placement["gate"], report["k"], report["confidence"])
        for note in board_notes(report, name):
            console.print(fill(note, console.width, indent="    "), markup=False)
    print_gate(console, placement["gate"], report["k"])
    print_prices(console, placement["rule_prices"], report["k"])


def _print_publication(console: Console, publication: Mapping[str, Any] | None) -> None:
    _title(console, "Published")
    if publication is None:
        console.print("Nothing was published from this night.")
        return
    state = "live" if publication["is_live"] else f"not live; live is {publication['live_id']}"
    state += ", pinned" if publication["is_pinned"] else ""
    console.print(
        f"[bold]{publication['publication_id']}[/] ({state}): {publication['user_count']:,} users,"
        f" {publication['row_count']:,} rows"
    )
    console.print(fill(format_audit(publication["audit"]), console.width), markup=False)
    numbers = [("users", "right"), ("items\nshown", "right"), ("of cat-\nalogue", "right")]
    table = make_table([("placement", "left"), *numbers, ("rows by strategy", "wrap")])
    for entry in publication["lists"]:
        variant = "" if entry["variant"] == CONTROL else f"/{entry['variant']}"
        table.add_row(
            *(entry["placement"] + variant, format_count(entry["user_count"])),
            *(format_count(entry["item_count"]), format_share(entry["coverage"])),
            format_shares(entry["strategy_share"]),
        )
    console.print(table)


def _print_commands(console: Console, report: Mapping[str, Any]) -> None:
    _title(console, "Next")
    for entry in report["commands"]:
        console.print(f"[dim]# {entry['purpose']}[/]")
        console.print(entry["command"], markup=False, soft_wrap=True)
    if not any(" rollback " in entry["command"] for entry in report["commands"]):
        console.print("# recsys rollback goes back, once two nights are published", style="dim")
    console.print(
        f"[dim]# this report as files: {report['run_folder']}/report.md[/]", soft_wrap=True
    )
