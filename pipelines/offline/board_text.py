"""Leaderboards as aligned text for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from pipelines.offline.candidate_recall import CANDIDATE_RECALL

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
RULE_LEGEND = "a rule that costs something has a difference below zero: with it less without it"


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
    return "\n".join([*lines, "  * baseline", *map(_first_stage, rows_with_first_stage(rows)), ""])


def rows_with_first_stage(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of a leaderboard whose candidate ranks no more than what a first stage lets through.

    Examples
    --------
    >>> rows_with_first_stage([{"candidate_recall": 0.5}, {"candidate_recall": None}, {}])
    [{'candidate_recall': 0.5}]
    """
    return [row for row in rows if format_number(row.get(CANDIDATE_RECALL)) != "-"]


def _first_stage(row: Mapping[str, Any]) -> str:
    value, low, high = (format_number(row[CANDIDATE_RECALL + end]) for end in ("", "_low", "_high"))
    return f"  {row['candidate']}: {CANDIDATE_RECALL} {value} ({low} to {high})"


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


def format_rule_board(board: pd.DataFrame) -> str:
    """What each rule costs, one line per candidate and rule."""
    if board.empty:
        return "  No rule of this placement was priced here: none is on, or see --window gate.\n"
    rows: list[dict[str, Any]] = board.to_dict("records")  # type: ignore[assignment]  # columns are str
    width = max(len("candidate"), *(len(str(row["candidate"])) for row in rows))
    lines = [
        f"  {'candidate':<{width}}  {'rule':<16}  {'NDCG with':>9}  {'without':>9}  "
        f"{'difference (interval)':<30}  {'coverage':>9}  {'without':>9}"
    ]
    for row in rows:
        change = f"{_signed(row['difference'])} ({_signed(row['low'])} to {_signed(row['high'])})"
        lines.append(
            f"  {row['candidate']:<{width}}  {row['rule']:<16}  "
            f"{format_number(row['ndcg_with']):>9}  {format_number(row['ndcg_without']):>9}  "
            f"{change:<30}  {format_number(row['coverage_with']):>9}  "
            f"{format_number(row['coverage_without']):>9}"
        )
    return "\n".join([*lines, f"  {RULE_LEGEND}", ""])


def _signed(value: float | None) -> str:
    return format_number(value) if value is None else f"{value:+.4f}"


def format_number(value: float | None) -> str:
    """Four decimals; `-` where there is no figure.

    Examples
    --------
    >>> format_number(0.25), format_number(None), format_number(float("nan"))
    ('0.2500', '-', '-')
    """
    is_there = value is not None and value == value  # noqa: PLR0124 - NaN is not equal to itself
    return f"{value:.4f}" if is_there else "-"
