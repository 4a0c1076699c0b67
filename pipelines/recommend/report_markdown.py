"""The night's report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.recommend.report_board import (
    compared_with,
    differences,
    format_difference,
    role_of,
)
from pipelines.recommend.report_customers import title_of
from pipelines.recommend.report_gate import explain_gate, judged, verdict_in_words
from pipelines.recommend.report_notes import board_notes
from pipelines.recommend.report_rules import LEGEND, price_cells
from pipelines.recommend.report_seconds import seconds_tables
from pipelines.recommend.report_tables import (
    TIE,
    format_audit,
    format_figure,
    format_interval,
    format_shares,
)


def to_markdown(report: Mapping[str, Any]) -> str:
    """The report of `report.build_report` as Markdown text."""
    parts = [f"# Night of {report['as_of']}", "## Loaded", _load(report["load"])]
    for name, placement in report["placements"].items():
        parts += [
            f"## {name}",
            _board(placement, report["k"]),
            *_notes(report, name),
            *_gate(placement["gate"], report["k"]),
            *_prices(placement["rule_prices"], report["k"]),
        ]
    parts += _seconds(report)
    parts += ["## Published", *_publication(report["publication"])]
    for customer in report["customers"]:
        parts += [f"## Customer {_plain(customer['user_id'])} ({customer['segment']})"]
        parts += [_customer(customer)]
    parts += ["## Next", *_commands(report["commands"])]
    return "\n\n".join(parts) + "\n"


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    r"""A Markdown table; a bar inside a cell does not end it.

    Examples
    --------
    >>> print(markdown_table(["a", "b"], [[1, "x|y"]]))
    | a | b |
    | --- | --- |
    | 1 | x\|y |
    """
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _load(load: Mapping[str, Any] | None) -> str:
    if load is None:
        return "Nothing is recorded: the load did not end."
    keys = ["loaded_days", "row_count", "duplicate_count", "quarantined_count"]
    keys += ["total_days", "total_rows"]
    header = ["feed", *(key.replace("_", " ") for key in keys)]
    rows = [[name, *(feed.get(key, 0) for key in keys)] for name, feed in load["feeds"].items()]
    notes = "".join(f"\n\n* {_plain(note)}" for note in load.get("notes", []))
    return markdown_table(header, rows) + notes


def _board(placement: Mapping[str, Any], k: int) -> str:
    board, gate = placement["leaderboards"]["gate"], placement["gate"]
    if not board:
        return "No candidate was evaluated."
    found = differences(gate)
    rows = [
        [
            row["candidate"],
            format_interval(row[f"ndcg_at_{k}"], row["low"], row["high"]),
            format_difference(found[row["candidate"]]) if row["candidate"] in found else "",
            format_figure(row[f"recall_at_{k}"]),
            f"{row[f'coverage_at_{k}']:.1%}",
            row["user_count"],
            role_of(row, gate),
        ]
        for row in board
    ]
    against = f"paired difference to {compared_with(gate) or 'the champion'}"
    numbers = [f"NDCG@{k}", against, f"recall@{k}", "coverage", "users"]
    return markdown_table(["candidate", *numbers, "role"], rows)


def _notes(report: Mapping[str, Any], placement: str) -> list[str]:
    notes = [f"* {note}".replace(TIE, " ") for note in board_notes(report, placement)]
    return ["\n".join(notes)] if notes else []


def _gate(gate: Mapping[str, Any] | None, k: int) -> list[str]:
    if gate is None:
        return ["The gate was not decided."]
    word = "Promoted" if gate["is_promoted"] else "Kept"
    verdict = f"**{word}:** {verdict_in_words(gate, k)}"
    notes = [f"* {line}" for line in explain_gate(gate)]
    said = "\n".join([verdict, "", *notes] if notes else [verdict]).replace(TIE, " ")
    rows = [
        [
            *(rule["rule"], rule["subject"], rule["opponent"], rule["threshold"]),
            format_interval(rule["value"], rule["low"], rule["high"]),
            rule["user_count"],
            "holds" if rule["is_passed"] else "**fails**",
            rule["reason"],
        ]
        for rule in judged(gate)
    ]
    header = ["rule", "subject", "against", "threshold", "found", "users", "verdict", "in words"]
    return [said, markdown_table(header, rows)]


def _prices(prices: list[dict[str, Any]], k: int) -> list[str]:
    if not prices:
        return []
    numbers = [f"NDCG@{k} with it", "without", "paired difference", "coverage with it", "without"]
    table = markdown_table(["rule, candidate", *numbers], [price_cells(row) for row in prices])
    return [table, LEGEND]


def _seconds(report: Mapping[str, Any]) -> list[str]:
    parts = []
    for heads, cells, legend, rows in seconds_tables(report["seconds"], report["steps"]):
        parts += [markdown_table(heads, [cells(row) for row in rows]), legend]
    return ["## Where the time went, in seconds", *parts] if parts else []


def _publication(publication: Mapping[str, Any] | None) -> list[str]:
    if publication is None:
        return ["Nothing was published from this night."]
    state = "live" if publication["is_live"] else f"not live; live is `{publication['live_id']}`"
    state += ", pinned" if publication["is_pinned"] else ""
    rows = [
        [
            *(entry["placement"], entry["variant"], entry["user_count"], entry["row_count"]),
            *(entry["item_count"], f"{entry['coverage']:.1%}"),
            format_shares(entry["strategy_share"]),
        ]
        for entry in publication["lists"]
    ]
    header = ["placement", "variant", "users", "rows", "items", "of catalogue", "by strategy"]
    return [
        f"`{publication['publication_id']}` ({state}): {publication['user_count']:,} users, "
        f"{publication['row_count']:,} rows.",
        format_audit(publication["audit"]),
        markdown_table(header, rows),
    ]


def _customer(customer: Mapping[str, Any]) -> str:
    lists = customer["lists"]
    length = max([len(customer["history"]), *(len(rows) for rows in lists.values())])
    table = []
    for number in range(length):
        history = customer["history"][number] if number < len(customer["history"]) else None
        did = f"{history['event_date']} {history['event_type']} " if history else ""
        row = [did + title_of(history) if history else ""]
        for rows in lists.values():
            row.append(
                f"{rows[number]['rank']}. {title_of(rows[number])}" if number < len(rows) else ""
            )
        table.append(row)
    return markdown_table(["did lately", *lists], table)


def _commands(commands: list[dict[str, str]]) -> list[str]:
    return [f"{entry['purpose']}:\n\n```sh\n{entry['command']}\n```" for entry in commands]
