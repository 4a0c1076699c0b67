"""What is said of single candidates under a placement's leaderboard, a line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.offline.board_text import rows_with_first_stage
from pipelines.offline.candidate_recall import CANDIDATE_RECALL
from pipelines.recommend.report_tables import format_interval


def board_notes(placement: Mapping[str, Any]) -> list[str]:
    """Lines under the leaderboard of the gate window; none where there is nothing to add.

    Parameters
    ----------
    placement : mapping
        Of `report.build_report`.
    """
    rows = placement["leaderboards"]["gate"]
    return [first_stage_note(row) for row in rows_with_first_stage(rows)]


def first_stage_note(row: Mapping[str, Any]) -> str:
    """How much of what users chose a candidate's first stage lets through.

    Examples
    --------
    >>> row = {"candidate": "ranker", "candidate_recall": 0.9}
    >>> first_stage_note(row | {"candidate_recall_low": 0.88, "candidate_recall_high": 0.92})
    'ranker: of what users chose, .9000 [.8800, .9200] is among its candidates'
    """
    bounds = (row[CANDIDATE_RECALL + end] for end in ("", "_low", "_high"))
    share = format_interval(*bounds)
    return f"{row['candidate']}: of what users chose, {share} is among its candidates"
