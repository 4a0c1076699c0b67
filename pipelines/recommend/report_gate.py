"""The gate's verdict, in the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.recommend.report_tables import format_count, format_interval, make_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: How a rule's figure (or the lower bound of its interval) is compared with its threshold.
_SIGNS = {"ndcg_ceiling": "≤", "beats_baseline": ">", "beats_champion": ">"}


def print_gate(console: Console, gate: Mapping[str, Any] | None) -> None:
    """Print who holds the placement now, why, and every rule that has a figure or fails."""
    console.print()
    if gate is None:
        console.print("The gate was not decided.")
        return
    console.print(f"Gate: {_verdict(gate)}", end=" ")
    failed = [rule for rule in judged(gate) if not rule["is_passed"]]
    if gate["is_promoted"] or not failed:
        console.print(gate["reason"], markup=False)
    else:
        challenger = gate["challenger"]
        asked = f"{challenger['name']} does not replace it" if challenger else "no challenger"
        console.print(f"{gate['champion']['name']} stays; {asked}, because", markup=False)
        for reason in dict.fromkeys(rule["reason"] for rule in failed):
            console.print(_bullet(reason))
    console.print(_rules_table(gate))
    silent = dict.fromkeys(
        rule["rule"] for rule in judged(gate) if rule["value"] is None and rule["is_passed"]
    )
    if silent:
        console.print(f"also hold: {', '.join(silent)}", style="dim", markup=False)


def _verdict(gate: Mapping[str, Any]) -> str:
    return "[bold green]PROMOTED[/]" if gate["is_promoted"] else "[bold yellow]KEPT[/]"


def _bullet(text: str) -> Table:
    """A sentence that hangs beside its bullet."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(" •", Text(text))
    return grid


def _rules_table(gate: Mapping[str, Any]) -> Table:
    """Rules with a figure, and all that fail."""
    numbers = ["must be", "found", "users", "needed"]
    table = make_table([("rule", "left"), *((name, "right") for name in numbers), ("", "left")])
    for rule in judged(gate):
        if rule["value"] is None and rule["is_passed"]:
            continue
        of = rule["subject"] if rule["subject"] != "all" else rule["opponent"] or ""
        sign = _SIGNS.get(rule["rule"], "≥")
        table.add_row(
            f"{rule['rule']} {of}".rstrip(),
            "" if rule["threshold"] is None else f"{sign} {rule['threshold']:g}",
            format_interval(rule["value"], rule["low"], rule["high"]),
            *(format_count(rule[name]) for name in ("user_count", "users_needed")),
            "[green]holds[/]" if rule["is_passed"] else "[bold red]FAILS[/]",
        )
    return table


def judged(gate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rules that count for the verdict, not those that are only reported."""
    return [rule for rule in gate["rules"] if rule["is_passed"] is not None]


def role_of(row: Mapping[str, Any], gate: Mapping[str, Any] | None) -> str:
    """Champion, challenger or baseline, in a word."""
    for role in ("champion", "challenger"):
        if gate and gate[role] and gate[role]["name"] == row["candidate"]:
            return role
    return "baseline" if row["is_baseline"] else ""
