"""The leaderboard of one placement, in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from pipelines.recommend.report_tables import (
    ReportTable,
    fill,
    format_bounds,
    format_figure,
    format_interval,
    format_share,
    make_table,
)

Row = Mapping[str, Any]

ROLES = ("champion", "challenger", "was champion", "baseline")


def print_board(
    console: Console, board: list[dict[str, Any]], gate: Row | None, k: int, confidence: float
) -> None:
    """Print the candidates, best first; where roles find no room they follow in words."""
    table = board_table(board, gate, k, confidence)
    table.padding = 0
    if table.natural_width(console) <= console.width:
        table.padding = (0, 1, 0, 0)
        console.print(table)
        return
    console.print(board_table(board, gate, k, confidence, with_roles=False))
    console.print(fill(roles_in_words(board, gate), console.width), markup=False)


def board_table(
    board: list[dict[str, Any]],
    gate: Row | None,
    k: int,
    confidence: float,
    *,
    with_roles: bool = True,
) -> ReportTable:
    """The leaderboard as a table; the champion stands out."""
    opponent = compared_with(gate)
    columns = [
        *(("candidate", "left"), (f"NDCG\n@{k}", "right"), (f"{confidence:.0%}\ninterval", "left")),
        *((f"paired difference\nto {opponent}", "left"),) * (opponent is not None),
        *((f"recall\n@{k}", "right"), ("cover-\nage", "right")),
    ]
    table = make_table([*columns, *(("role", "left"),) * with_roles])
    for row in board:
        role = role_of(row, gate)
        cells = [*_figures(row, gate, k), *(role,) * with_roles]
        table.add_row(*cells, style="bold green" if role == "champion" else None)
    return table


def _figures(row: Row, gate: Row | None, k: int) -> list[str]:
    opponent = compared_with(gate)
    found = differences(gate).get(row["candidate"])
    against = format_difference(found) if found else ""
    return [
        *(row["candidate"], format_figure(row[f"ndcg_at_{k}"])),
        format_bounds(row["low"], row["high"]),
        *(against,) * (opponent is not None),
        *(format_figure(row[f"recall_at_{k}"]), format_share(row[f"coverage_at_{k}"])),
    ]


def compared_with(gate: Row | None) -> str | None:
    """Whom everybody was compared with: the champion before the gate, or who stood in its place."""
    against = ("beats_champion", "reported_difference", "champion_exists")
    for rule in gate["rules"] if gate else []:
        if rule["rule"] in against and rule["opponent"]:
            return str(rule["opponent"])
    return None


def differences(gate: Row | None) -> dict[str, Row]:
    """The gate's rules that hold a candidate's paired difference to `compared_with`, by name."""
    found: dict[str, Row] = {}
    for rule in gate["rules"] if gate else []:
        if rule["value"] is None:
            continue
        if rule["rule"] == "reported_difference":
            found[rule["subject"]] = rule
        elif rule["rule"] == "beats_champion" and gate and gate["challenger"]:
            found[gate["challenger"]["name"]] = rule
    return found


def format_difference(rule: Row) -> str:
    """A rule's difference with its interval, signed.

    Examples
    --------
    >>> format_difference({"value": 0.02, "low": -0.01, "high": 0.05})
    '+.0200 [−.0100, +.0500]'
    """
    return format_interval(rule["value"], rule["low"], rule["high"], signed=True)


def role_of(row: Row, gate: Row | None) -> str:
    """Champion, challenger or baseline, in a word; who lost the placement was champion."""
    for role in ("champion", "challenger"):
        if gate and gate[role] and gate[role]["name"] == row["candidate"]:
            return role
    if gate and gate["champion_before"] and compared_with(gate) == row["candidate"]:
        return "was champion"
    return "baseline" if row["is_baseline"] else ""


def roles_in_words(board: list[dict[str, Any]], gate: Row | None) -> str:
    """Who has which role, in a line.

    Examples
    --------
    >>> names = ("new", "old", "older")
    >>> rows = [{"candidate": name, "is_baseline": name != "new"} for name in names]
    >>> roles_in_words(rows, None)
    'baseline: old, older'
    """
    holders: dict[str, list[str]] = {role: [] for role in ROLES}
    for row in board:
        holders.setdefault(role_of(row, gate), []).append(row["candidate"])
    told = [f"{role}: {', '.join(holders[role])}" for role in ROLES if holders[role]]
    return "; ".join(told)
