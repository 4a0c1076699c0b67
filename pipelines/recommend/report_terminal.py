"""The night's report for a terminal of 100 columns, or a plain log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.recommend.report_gate import print_gate, role_of
from pipelines.recommend.report_tables import (
    format_audit,
    format_figure,
    format_interval,
    format_shares,
    interval_bar,
    make_console,
    make_table,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Items of each list when several stand side by side.
HEAD_ROWS = 10


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
        _print_placement(console, name, placement, report["k"])
    _print_publication(console, report["publication"])
    _print_customers(console, report["customers"])
    _print_commands(console, report)


def _title(console: Console, text: str) -> None:
    console.print()
    console.print(f"[bold cyan]{text}[/]")


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
            name, *(f"{feed.get(key, 0):,}" for key in [*keys, "total_days", "total_rows"])
        )
    console.print(table)
    for note in load.get("notes", []):
        console.print(f"  note: {note}", markup=False)


def _print_placement(console: Console, name: str, placement: Mapping[str, Any], k: int) -> None:
    _title(console, f"{name}: candidates on the gate window, which none of them was chosen on")
    board = placement["leaderboards"]["gate"]
    if not board:
        console.print("No candidate was evaluated.")
    else:
        console.print(_board_table(board, placement, k))
        users = board[0]["user_count"]
        console.print(f"[dim]{users:,} users with truth; intervals of the mean per user[/]")
    print_gate(console, placement["gate"])


def _board_table(board: list[dict[str, Any]], placement: Mapping[str, Any], k: int) -> Table:
    selection = {row["candidate"]: row for row in placement["leaderboards"]["selection"]}
    table = make_table(
        [
            *(("candidate", "left"), (f"NDCG@{k}", "right"), ("0 to best", "left")),
            *((f"recall@{k}", "right"), ("coverage", "right"), ("selection", "right")),
            ("", "left"),
        ]
    )
    figure = f"ndcg_at_{k}"
    top = max(row["high"] or row[figure] for row in board)
    for row in board:
        role = role_of(row, placement["gate"])
        table.add_row(
            row["candidate"],
            format_interval(row[figure], row["low"], row["high"]),
            interval_bar(row["low"], row[figure], row["high"], top),
            format_figure(row[f"recall_at_{k}"]),
            f"{row[f'coverage_at_{k}']:.0%}",
            format_figure(selection[row["candidate"]][figure])
            if row["candidate"] in selection
            else "-",
            role,
            style="bold green" if role.startswith("champion") else None,
        )
    return table


def _print_publication(console: Console, publication: Mapping[str, Any] | None) -> None:
    _title(console, "Published")
    if publication is None:
        console.print("Nothing was published from this night.")
        return
    state = "live" if publication["is_live"] else f"not live; live is {publication['live_id']}"
    console.print(
        f"[bold]{publication['publication_id']}[/] ({state}): {publication['user_count']:,} users,"
        f" {publication['row_count']:,} rows"
    )
    console.print(format_audit(publication["audit"]), markup=False)
    table = make_table(
        [
            *(("placement", "left"), ("variant", "left"), ("users", "right"), ("rows", "right")),
            *(("items shown", "right"), ("of catalogue", "right"), ("rows by strategy", "wrap")),
        ]
    )
    for entry in publication["lists"]:
        table.add_row(
            *(entry["placement"], entry["variant"], f"{entry['user_count']:,}"),
            *(f"{entry['row_count']:,}", f"{entry['item_count']:,}", f"{entry['coverage']:.0%}"),
            format_shares(entry["strategy_share"]),
        )
    console.print(table)


def _print_customers(console: Console, customers: list[dict[str, Any]]) -> None:
    for customer in customers:
        _title(console, f"Customer {customer['user_id']} ({customer['segment']})")
        _print_lists(console, customer)


def print_user(console: Console, found: Mapping[str, Any]) -> None:
    """Print what `query.query_user` found: one list whole, several side by side by their heads."""
    live = f"{found['publication_id']}, as of {found['as_of']}"
    _title(console, f"Customer {found['user_id']} in {live}")
    if len(found["lists"]) == 1:
        for line in _did_lately(found["history"]):
            console.print(line, markup=False)
        for name, rows in found["lists"].items():
            console.print()
            console.print(_whole_list(name, rows))
        return
    heads = {name: rows[:HEAD_ROWS] for name, rows in found["lists"].items()}
    _print_lists(console, {**found, "lists": heads})
    console.print("--placement NAME shows a whole list with scores, --json everything", style="dim")


def _whole_list(name: str, rows: list[dict[str, Any]]) -> Table:
    from rich.text import Text

    numbers = [("rank", "right"), ("item", "left"), (name, "left"), ("score", "right")]
    table = make_table([*numbers, ("strategy", "left"), ("reason", "wrap")])
    for row in rows:
        cells = [str(row["rank"]), row["item_id"], title_of(row), format_figure(row["score"])]
        table.add_row(*(Text(cell) for cell in [*cells, row["strategy"], row["reason"]]))
    return table


def _print_lists(console: Console, customer: Mapping[str, Any]) -> None:
    """History and lists side by side, then why they are what they are."""
    columns = [_did_lately(customer["history"])]
    for name, rows in customer["lists"].items():
        shown = [f"{row['rank']:>2} {title_of(row)}" for row in rows]
        columns.append([name, *(shown or ["nothing may be shown"])])
    console.print(_side_by_side(console, columns))
    for name, rows in customer["lists"].items():
        for strategy, reason in dict.fromkeys((row["strategy"], row["reason"]) for row in rows):
            console.print(f"{name}: {strategy}: {reason}", style="dim", markup=False)


def _did_lately(history: list[dict[str, Any]]) -> list[str]:
    """Heading and lines; the kind of event stands in the heading if it is always the same."""
    kinds = {row["event_type"] for row in history}
    if len(kinds) == 1:
        lines = [f"{row['event_date'][5:]} {title_of(row)}" for row in history]
        return [f"last {kinds.pop()}s", *lines]
    lines = [f"{row['event_date'][5:]} {row['event_type']} {title_of(row)}" for row in history]
    return ["did lately", *(lines or ["nothing before this night"])]


def _side_by_side(console: Console, columns: list[list[str]]) -> Table:
    from rich.text import Text

    table = make_table([(column[0], "left") for column in columns])
    width = (console.width - 2 * (len(columns) - 1)) // len(columns)
    for column in table.columns:
        column.width = width
    for number in range(1, max(len(column) for column in columns)):
        cells = [column[number] if number < len(column) else "" for column in columns]
        table.add_row(*(Text(text) for text in cells))
    return table


def title_of(row: Mapping[str, Any]) -> str:
    """An item's title, or its id where the feed gives none."""
    return str(row["title"] or row["item_id"])


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
