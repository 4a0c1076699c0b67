"""Leaderboards as tables: candidates, properties of their lists, and prices of their rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.evaluate.metrics import CANDIDATE_RECALL
from pipelines.show.document import Table, left, mark, right, wrap
from pipelines.show.figures import (
    MISSING,
    TIE,
    format_bounds,
    format_count,
    format_figure,
    format_interval,
    format_share,
)

Row = Mapping[str, Any]

#: Roles in the order in which a table shows them.
ROLES = ("champion", "challenger", "was champion", "baseline")
#: Columns of `leaderboard.list_board` and their headings.
LIST_HEADINGS = {
    "ndcg": "NDCG",
    "coverage": "coverage",
    "gini": "Gini",
    "novelty": "novelty",
    "intra_list_diversity": "diversity",
    "personalisation": "personal",
    "popularity_lift": "lift",
}
LIST_LEGEND = (
    "novelty in bits; diversity within a list and personal (difference between lists) from 0 to 1; "
    "lift: how much more popular lists are than the users' own histories"
)
RULE_LEGEND = (
    "A rule that costs something has a difference below zero; both sides on the same users."
)


def board_table(
    rows: Sequence[Row],
    k: int,
    confidence: float,
    *,
    roles: Mapping[str, str] | None = None,
    opponent: str | None = None,
    differences: Mapping[str, str] | None = None,
) -> Table:
    """Table of a leaderboard, best candidate first, the champion emphasised.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `leaderboard.leaderboard`.
    k : int
        Cut of the metrics.
    confidence : float
        Level of the intervals.
    roles : mapping of str to str, optional
        Role by candidate, where it has one; by default only baselines have a role.
    opponent : str, optional
        The contender that `differences` compare with.
    differences : mapping of str to str, optional
        Paired difference by candidate, as text.
    """
    known = differences or {}
    if roles is None:
        roles = {row["candidate"]: "baseline" for row in rows if row["is_baseline"]}
    columns = [left("candidate"), right(f"NDCG\n@{k}"), left(f"{confidence:.0%}\ninterval")]
    columns += [left(f"paired difference\nto {opponent}")] * (opponent is not None)
    columns += [right(f"recall\n@{k}"), right("cover-\nage"), left("role")]
    lines = []
    for row in rows:
        name = row["candidate"]
        role = roles.get(name, "")
        cells = [
            *(name, format_figure(row[f"ndcg_at_{k}"]), format_bounds(row["low"], row["high"])),
            *([known.get(name, "")] * (opponent is not None)),
            *(format_figure(row[f"recall_at_{k}"]), format_share(row[f"coverage_at_{k}"]), role),
        ]
        lines.append(mark(cells, "good" if role == "champion" else "plain"))
    holders = {role: [name for name, own in roles.items() if own == role] for role in ROLES}
    words = "; ".join(f"{role}: {', '.join(names)}" for role, names in holders.items() if names)
    return Table(columns, lines, last_in_words=words)


def first_stage_notes(rows: Iterable[Row]) -> list[str]:
    """Sentences on the recall of first stages, one per candidate that has a first stage.

    Examples
    --------
    >>> row = {"candidate": "ranker", "candidate_recall": 0.9}
    >>> row |= {"candidate_recall_low": 0.88, "candidate_recall_high": 0.92}
    >>> first_stage_notes([row, {"candidate": "ease"}])[0].replace(TIE, " ")
    'ranker: of what users chose, .9000 [.8800, .9200] is among its candidates'
    """
    notes = []
    for row in rows:
        share = format_interval(*(row.get(CANDIDATE_RECALL + end) for end in ("", "_low", "_high")))
        if share != MISSING:
            told = share.replace(" ", TIE)
            notes.append(f"{row['candidate']}: of what users chose, {told} is among its candidates")
    return notes


def list_table(rows: Sequence[Row], k: int) -> Table:
    """Table of list metrics by candidate and segment; each candidate is named once."""
    columns = [left("candidate"), left("segment"), *map(right, ("users", *LIST_HEADINGS.values()))]
    lines = [
        [
            row["candidate"] if row["segment"] == "all" else "",
            *(row["segment"], format_count(row["user_count"])),
            *(format_figure(row[f"{metric}_at_{k}"]) for metric in LIST_HEADINGS),
        ]
        for row in rows
    ]
    return Table(columns, lines, notes=[LIST_LEGEND])


def price_table(rows: Sequence[Row], k: int) -> Table:
    """Table of rule prices: figures with and without each rule, and their paired difference."""
    heads = [f"NDCG@{k}\nwith it", "\nwithout", "paired\ndifference", "coverage\nwith it"]
    lines = [
        [
            f"{row['rule']}, {row['candidate']}",
            *(format_figure(row[key]) for key in ("ndcg_with", "ndcg_without")),
            format_interval(row["difference"], row["low"], row["high"], signed=True),
            *(format_share(row[key]) for key in ("coverage_with", "coverage_without")),
        ]
        for row in rows
    ]
    columns = [wrap("\nrule, candidate"), *map(right, [*heads, "\nwithout"])]
    return Table(columns, lines, notes=[RULE_LEGEND])
