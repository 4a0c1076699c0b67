"""What is said of single candidates under a placement's leaderboard, a line each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pipelines.config import Settings
from pipelines.models.specifications import read_entries
from pipelines.offline.board_text import rows_with_first_stage
from pipelines.offline.candidate_recall import CANDIDATE_RECALL
from pipelines.offline.inputs import planned_candidates
from pipelines.recommend.report_tables import TIE, format_interval


def tuned_specifications(settings: Settings, as_of: date) -> dict[str, dict[str, Any]]:
    """What `recsys tune` found of the specifications that a night used, by candidate.

    Parameters
    ----------
    settings : Settings
    as_of : date

    Returns
    -------
    dict of str to dict
        Candidates that the night's plan calls tuned, in its order: ``as_of`` (night of the
        search), ``k``, ``placements``, ``window_count``, and ``value``, ``low``, ``high`` of the
        paired difference to what was in use before. Without the figures where the search is not
        on record any more.
    """
    found = {}
    for planned in planned_candidates(settings, as_of):
        if not planned.get("is_tuned"):
            continue
        used = [
            entry
            for entry in read_entries(settings, planned["name"])
            if entry["spec_hash"] == planned["spec_hash"] and entry["as_of"] <= as_of.isoformat()
        ]
        found[planned["name"]] = _describe(used[-1]) if used else {}
    return found


def _describe(entry: Mapping[str, Any]) -> dict[str, Any]:
    gain = entry["differences"]["in_use"]
    return {
        **{key: entry[key] for key in ("as_of", "k", "placements")},
        "window_count": len(entry["windows"]),
        **{key: gain[key] for key in ("value", "low", "high")},
    }


def board_notes(report: Mapping[str, Any], placement: str) -> list[str]:
    """Lines under the leaderboard of the gate window; none where there is nothing to add.

    Parameters
    ----------
    report : mapping
        What `report.build_report` returns.
    placement : str
    """
    rows = report["placements"][placement]["leaderboards"]["gate"]
    tuned = report["tuned"]
    return [
        *(first_stage_note(row) for row in rows_with_first_stage(rows)),
        *(
            tuning_note(row["candidate"], tuned[row["candidate"]], placement)
            for row in rows
            if row["candidate"] in tuned
        ),
    ]


def first_stage_note(row: Mapping[str, Any]) -> str:
    """How much of what users chose a candidate's first stage lets through.

    Examples
    --------
    >>> row = {"candidate": "ranker", "candidate_recall": 0.9}
    >>> note = first_stage_note(row | {"candidate_recall_low": 0.88, "candidate_recall_high": 0.92})
    >>> note.replace(TIE, " ")
    'ranker: of what users chose, .9000 [.8800, .9200] is among its candidates'
    """
    value, low, high = (row[CANDIDATE_RECALL + end] for end in ("", "_low", "_high"))
    share = format_interval(value, low, high).replace(" ", TIE)
    return f"{row['candidate']}: of what users chose, {share} is among its candidates"


def tuning_note(name: str, found: Mapping[str, Any], placement: str) -> str:
    """When a candidate was tuned, and how much better that was found to be.

    Examples
    --------
    >>> found = {"as_of": "2011-11-11", "k": 10, "placements": ["home"], "window_count": 3}
    >>> found |= {"value": 0.0123, "low": 0.004, "high": 0.0206}
    >>> tuning_note("ease", found, "home").replace(TIE, " ")
    'ease: tuned as of 2011-11-11, NDCG@10 +.0123 [+.0040, +.0206] on 3 windows before'
    >>> tuning_note("ease", found, "basket").replace(TIE, " ")[-37:]
    '+.0206] on 3 windows before (in home)'
    >>> tuning_note("ease", {}, "home")
    'ease: tuned; the search is not on record any more'
    """
    if not found:
        return f"{name}: tuned; the search is not on record any more"
    gain = format_interval(found["value"], found["low"], found["high"], signed=True)
    figure = f"NDCG@{found['k']} {gain}".replace(" ", TIE)
    elsewhere = found["placements"] != [placement]
    places = f" (in {' and '.join(found['placements'])})" if elsewhere else ""
    windows = f"{found['window_count']} windows before{places}"
    return f"{name}: tuned as of {found['as_of']}, {figure} on {windows}"
