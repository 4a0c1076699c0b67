"""What a backtest found, night by night: figures, promotions and refusals, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pipelines.backtest.as_served import night_that_knows, score_served
from pipelines.backtest.night import NightRecord
from pipelines.base.config import Settings
from pipelines.base.durable import read_if_there
from pipelines.base.errors import MissingEvaluationError, NoChampionError
from pipelines.evaluate.intervals import mean_interval, paired_interval
from pipelines.evaluate.results import read_evaluation
from pipelines.gate.gate_text import verdict_in_words
from pipelines.gate.verdicts import read_gate
from pipelines.show.figures import TIE

#: The two ways a night's champion is scored: by the gate before it serves, and on what it served.
VIEWS = ("gate", "served")


def collect_results(own: Settings, records: Sequence[NightRecord]) -> dict[str, Any]:
    """Collect all figures of a backtest, from its home and the records of all its nights, done.

    Returns
    -------
    dict
        ``k``, ``confidence``, ``horizon_days``, ``baselines`` by placement, ``nights`` (one entry
        per night, see `_night`), ``verdicts`` (one per night and placement) and ``summary``.
        Nothing in it depends on the clock or on where the home is: the same nights give the same
        values.
    """
    nights = [_night(own, record, [one.as_of for one in records]) for record in records]
    placements = {name: list(rules.baselines) for name, rules in own.placements.items()}
    return {
        "k": own.evaluation.k,
        "confidence": own.evaluation.confidence,
        "horizon_days": own.evaluation.horizon_days,
        "baselines": placements,
        "nights": nights,
        "verdicts": [
            {"as_of": night["as_of"], "placement": placement, **found["verdict"]}
            for night in nights
            for placement, found in night["placements"].items()
        ],
        "summary": {name: _summary(nights, name) for name in placements},
    }


def _night(own: Settings, record: NightRecord, nights: Sequence[date]) -> dict[str, Any]:
    """One night: how it ended, and by placement its verdict, `gate` and `served` figures."""
    known_by = night_that_knows(own, nights, record.as_of)
    is_served = record.state == "published" and known_by is not None
    served = score_served(own, record.as_of, known_by) if is_served and known_by else {}
    published = read_if_there(own.run_folder(record.as_of).publication) or {}
    placements = {}
    for name in own.placements:
        try:
            verdict = read_gate(own, record.as_of, name)
        except NoChampionError:  # it stopped before the gate
            continue
        champion, confidence = verdict["champion"]["name"], own.evaluation.confidence
        gate = _gate_scores(own, record.as_of, name, champion)
        placements[name] = {
            "verdict": _verdict(verdict, own.evaluation.k),
            "gate": _figures(gate, champion, confidence),
            "served": _figures(served.get(name), champion, confidence),
        }
    return {
        "as_of": record.as_of.isoformat(),
        "state": record.state,
        "stopped_at": record.stopped_at,
        "reason": record.reason,
        "publication_id": published.get("publication_id"),
        "placements": placements,
    }


def _gate_scores(own: Settings, as_of: date, placement: str, champion: str) -> dict[str, pd.Series]:
    """NDCG per user on the gate window of the champion, fitted before it, and of each baseline."""
    column = f"ndcg_at_{own.evaluation.k}"
    holders = {"champion": champion, **{name: name for name in own.placements[placement].baselines}}
    scores = {}
    for role, name in holders.items():
        try:
            found = read_evaluation(own, as_of, name, "gate", placement)
        except MissingEvaluationError:  # its task failed, and the night went on without it
            continue
        scores[role] = found.per_user.set_index("user_id")[column]
    return scores


def _figures(
    scores: Mapping[str, pd.Series] | None, champion: str, confidence: float
) -> dict[str, Any] | None:
    """Means with intervals, and the paired difference to the best baseline; None if not known."""
    if not scores or set(scores) <= {"champion"} or "champion" not in scores:
        return None
    means = {
        name: _rounded(mean_interval(values.to_numpy(), confidence))
        for name, values in scores.items()
    }
    baselines = {name: mean for name, mean in means.items() if name != "champion"}
    best = min(baselines, key=lambda name: (-(baselines[name]["value"] or 0.0), name))
    mine, theirs = scores["champion"].align(scores[best], join="inner")
    difference = paired_interval(mine.to_numpy(), theirs.to_numpy(), confidence)
    return {
        "candidate": champion,
        "champion": means["champion"],
        "baselines": baselines,
        "best_baseline": best,
        "difference": _rounded(difference),
    }


def _rounded(interval: Any) -> dict[str, Any]:
    """Bounds to ten digits: more than any reader needs, and the same on every machine we know."""
    values = asdict(interval)
    return {
        key: round(value, 10) if isinstance(value, float) and math.isfinite(value) else value
        for key, value in values.items()
        if key != "standard_error"
    }


def _verdict(verdict: Mapping[str, Any], k: int) -> dict[str, Any]:
    """Who asked, what was decided, and why."""
    challenger, before = verdict["challenger"], verdict["champion_before"]
    refused = "refused" if challenger else "unchallenged"
    return {
        "outcome": "promoted" if verdict["is_promoted"] else refused,
        "champion": verdict["champion"]["name"],
        "champion_before": before["name"] if before else None,
        "challenger": challenger["name"] if challenger else None,
        "in_words": verdict_in_words(verdict, k).replace(TIE, " "),
        "failed_rules": [
            {"rule": rule["rule"], "subject": rule["subject"], "reason": rule["reason"]}
            for rule in verdict["rules"]
            if rule["is_passed"] is False
        ],
    }


def _summary(nights: Sequence[Mapping[str, Any]], placement: str) -> dict[str, Any]:
    """Counts of verdicts, and means over the nights of champion, best baseline and difference."""
    found = [night["placements"][placement] for night in nights if placement in night["placements"]]
    outcomes = [one["verdict"]["outcome"] for one in found]
    views = {}
    for view in VIEWS:
        figures = [one[view] for one in found if one[view] is not None]
        best = [one["baselines"][one["best_baseline"]]["value"] for one in figures]
        lows = [one["difference"]["low"] for one in figures]
        views[view] = {
            "night_count": len(figures),
            "champion": _mean([one["champion"]["value"] for one in figures]),
            "best_baseline": _mean(best),
            "nights_clearly_better": sum(low is not None and low > 0 for low in lows),
        }
    counts = {name: outcomes.count(name) for name in ("promoted", "refused", "unchallenged")}
    return {**counts, **views}


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return round(float(np.mean(there)), 10) if there else None
