"""What the rules of a placement cost, in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from pipelines.recommend.report_tables import (
    ReportTable,
    fill,
    format_figure,
    format_interval,
    format_share,
    make_table,
)

#: What the table does not say.
LEGEND = "A rule that costs something has a difference below zero; both sides on the same users."


def champion_prices(
    board: Sequence[Mapping[str, Any]], gate: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Rows of `leaderboard.rule_board` of tonight's champion and challenger, champion first.

    Parameters
    ----------
    board : sequence of mapping
        One row per candidate and rule.
    gate : mapping or None
        What `gate/<placement>.json` holds.
    """
    roles = [gate[role] for role in ("champion", "challenger")] if gate else []
    names = dict.fromkeys(role["name"] for role in roles if role)
    return [dict(row) for name in names for row in board if row["candidate"] == name]


def print_prices(console: Console, prices: Sequence[Mapping[str, Any]], k: int) -> None:
    """Print the table, if there is a rule that was priced."""
    if not prices:
        return
    console.print()
    console.print(prices_table(prices, k))
    console.print(fill(LEGEND, console.width), style="dim", markup=False)


def prices_table(prices: Sequence[Mapping[str, Any]], k: int) -> ReportTable:
    """One line a candidate and rule: NDCG and coverage with it and without it."""
    heads = [f"NDCG@{k}\nwith it", "\nwithout", "paired\ndifference", "coverage\nwith it"]
    table = make_table([("\nrule, candidate", "wrap"), *((head, "right") for head in heads)])
    table.add_column("\nwithout", justify="right")
    for row in prices:
        table.add_row(*price_cells(row))
    return table


def price_cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table, also of the one in Markdown.

    Examples
    --------
    >>> price = {"candidate": "ease", "rule": "seen", "ndcg_with": 0.1, "ndcg_without": 0.3}
    >>> price |= {"difference": -0.2, "low": None, "high": None}
    >>> price_cells(price | {"coverage_with": 0.25, "coverage_without": 0.2})
    ['seen, ease', '.1000', '.3000', '−.2000', '25%', '20%']
    """
    return [
        f"{row['rule']}, {row['candidate']}",
        *("" if row[key] is None else format_figure(row[key]) for key in _NDCG),
        format_interval(row["difference"], row["low"], row["high"], signed=True),
        *(format_share(row[key]) for key in ("coverage_with", "coverage_without")),
    ]


_NDCG = ("ndcg_with", "ndcg_without")
