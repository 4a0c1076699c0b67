"""Leaderboards as aligned text for a terminal or a log."""

from __future__ import annotations

from typing import Any

import pandas as pd

#: Columns of `leaderboard.list_board` and how they are headed.
LIST_HEADINGS = {
    "ndcg": "NDCG",
    "coverage": "coverage",
    "gini": "Gini",
    "novelty": "novelty",
    "intra_list_diversity": "diversity",
    "personalisation": "personal",
    "popularity_lift": "lift",
}
#: What the columns mean, in a line below the table.
LIST_LEGEND = (
    "novelty in bits; diversity within a list and personal (difference between lists) from 0 to 1; "
    "lift: how much more popular lists are than the users' own histories"
)


def format_board(board: pd.DataFrame) -> str:
    """A leaderboard as aligned text, one line per candidate, best first; `*` marks baselines."""
    ndcg, recall, coverage = (
        next(column for column in map(str, board.columns) if column.startswith(prefix))
        for prefix in ("ndcg_at_", "recall_at_", "coverage_at_")
    )
    rows: list[dict[str, Any]] = board.to_dict("records")  # type: ignore[assignment]  # columns are str
    names = [str(row["candidate"]) + (" *" if row["is_baseline"] else "") for row in rows]
    width = max(len("candidate"), *map(len, names))
    lines = [
        f"  {'candidate':<{width}}  {ndcg:>10}  {'interval':<16}  {recall:>12}  {coverage:>14}"
    ]
    for name, row in zip(names, rows, strict=True):
        interval = f"{format_number(row['low'])} to {format_number(row['high'])}"
        lines.append(
            f"  {name:<{width}}  {format_number(row[ndcg]):>10}  {interval:<16}  "
            f"{format_number(row[recall]):>12}  {format_number(row[coverage]):>14}"
        )
    return "\n".join([*lines, "  * baseline", ""])


def format_list_board(board: pd.DataFrame) -> str:
    """What lists are like, one line per candidate and segment, the candidate's name once."""
    columns = {
        heading: next(name for name in map(str, board.columns) if name.startswith(f"{metric}_at_"))
        for metric, heading in LIST_HEADINGS.items()
    }
    rows: list[dict[str, Any]] = board.to_dict("records")  # type: ignore[assignment]  # columns are str
    width = max(len("candidate"), *(len(str(row["candidate"])) for row in rows))
    headings = "  ".join(f"{heading:>9}" for heading in columns)
    lines = [f"  {'candidate':<{width}}  {'users':<12}  {headings}"]
    for row in rows:
        name = row["candidate"] if row["segment"] == "all" else ""
        users = f"{row['segment']:<5} {row['user_count']:>6,}"
        values = "  ".join(f"{format_number(row[column]):>9}" for column in columns.values())
        lines.append(f"  {name:<{width}}  {users}  {values}")
    return "\n".join([*lines, f"  {LIST_LEGEND}", ""])


def format_number(value: float | None) -> str:
    """Four decimals; `-` where there is no figure.

    Examples
    --------
    >>> format_number(0.25), format_number(None), format_number(float("nan"))
    ('0.2500', '-', '-')
    """
    is_there = value is not None and value == value  # noqa: PLR0124 - NaN is not equal to itself
    return f"{value:.4f}" if is_there else "-"
