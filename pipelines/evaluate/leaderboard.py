"""Leaderboards of a night's candidates, and the time they took, from their stored evaluations."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.errors import MissingEvaluationError, SettingsError
from pipelines.base.tables import SERVING_RULE_PRICES
from pipelines.evaluate.inputs import planned_candidates
from pipelines.evaluate.list_metrics import LIST_METRICS
from pipelines.evaluate.metrics import CANDIDATE_RECALL
from pipelines.evaluate.results import Evaluation, read_evaluated, read_evaluation

WINDOWS = ("selection", "gate")


def leaderboard(settings: Settings, as_of: date, placement: str, window: str) -> pd.DataFrame:
    """Leaderboard of the candidates of one placement and window, best first.

    If the night has a plan, only its candidates count, not those of an earlier plan. `window` is
    one of `WINDOWS`.

    Returns
    -------
    DataFrame
        One row per candidate, by falling NDCG and then name, so the order never depends on the
        file system: candidate, ndcg_at_<k>, low, high, recall_at_<k>, coverage_at_<k>,
        user_count, is_baseline, candidate_recall with candidate_recall_low and _high (NaN
        without a first stage).

    Raises
    ------
    SettingsError
        If the placement or the window is unknown.
    MissingEvaluationError
        If no candidate was evaluated there.
    """
    evaluated = _best_first(settings, as_of, placement, window)
    baselines = settings.placements[placement].baselines
    k = settings.evaluation.k
    rows = []
    for name, stored in evaluated.items():
        metrics = stored["metrics"]
        ndcg = metrics[f"ndcg_at_{k}"]["all"]
        rows.append(
            {
                "candidate": name,
                f"ndcg_at_{k}": ndcg["value"],
                "low": ndcg["low"],
                "high": ndcg["high"],
                f"recall_at_{k}": metrics[f"recall_at_{k}"]["all"]["value"],
                f"coverage_at_{k}": metrics[f"coverage_at_{k}"]["all"]["value"],
                "user_count": ndcg["user_count"],
                "is_baseline": name in baselines,
                **_first_stage(metrics),
            }
        )
    return pd.DataFrame(rows).astype(dict.fromkeys(_first_stage({}), "float64"))


def list_board(settings: Settings, as_of: date, placement: str, window: str) -> pd.DataFrame:
    """List metrics of the candidates by segment: lists as such, whatever users did afterwards.

    Returns
    -------
    DataFrame
        One row per candidate and segment, candidates in the order of `leaderboard`, ``all``
        before the segments: candidate, segment, user_count, ndcg_at_<k>, and each of
        `LIST_METRICS` as <metric>_at_<k>. Parameters and errors are those of `leaderboard`.
    """
    k = settings.evaluation.k
    columns = [f"{metric}_at_{k}" for metric in ("ndcg", *LIST_METRICS)]
    rows = []
    for name, stored in _best_first(settings, as_of, placement, window).items():
        metrics = stored["metrics"]
        for segment, found in metrics[f"ndcg_at_{k}"].items():
            values = {column: metrics.get(column, {}).get(segment, {}) for column in columns}
            rows.append(
                {
                    "candidate": name,
                    "segment": segment,
                    "user_count": found["user_count"],
                    **{column: entry.get("value") for column, entry in values.items()},
                }
            )
    return pd.DataFrame(rows)


def rule_board(settings: Settings, as_of: date, placement: str, window: str) -> pd.DataFrame:
    """Prices of a placement's rules for each candidate; rules are priced on the gate window only.

    Returns
    -------
    DataFrame
        One row per candidate, in the order of `leaderboard`, and rule, in the order they are
        applied: the columns of `serving.rule_prices` from candidate on, but not its spec_hash.
        Parameters and errors are those of `leaderboard`.
    """
    rows = [
        {"candidate": name, **price}
        for name, stored in _best_first(settings, as_of, placement, window).items()
        for price in stored.get("rule_prices", [])
    ]
    known = {"as_of", "placement", "spec_hash"}
    columns = [name for name in SERVING_RULE_PRICES.columns if name not in known]
    return pd.DataFrame(rows, columns=columns)


def read_evaluations(
    settings: Settings, as_of: date, placement: str, window: str
) -> list[Evaluation]:
    """Read the evaluations behind `leaderboard`, in its order; raises as it does."""
    names = _best_first(settings, as_of, placement, window)
    return [read_evaluation(settings, as_of, name, window, placement) for name in names]


def evaluation_seconds(settings: Settings, as_of: date) -> list[dict[str, Any]]:
    """Seconds spent on each candidate of a night, over both windows and all placements.

    Returns
    -------
    list of dict
        By falling total, then name: ``candidate``, ``fit_seconds``, ``recommend_seconds``,
        ``total_seconds``, ``share`` of the total of all. Candidates whose evaluations hold no
        times are left out.

    Notes
    -----
    A fit of a window serves all its placements and counts once; if one of them was evaluated
    again since, the longest fit counts. An evaluation that was kept from an earlier run counts
    with the seconds it took then. Times are for people to read: no table holds them, and nothing
    is decided by them.
    """
    fits: dict[str, dict[str, float]] = defaultdict(dict)
    rankings: dict[str, float] = defaultdict(float)
    for window, placement in itertools.product(WINDOWS, settings.placements):
        for name, stored in _evaluated(settings, as_of, placement, window).items():
            if "fit_seconds" in stored:
                fits[name][window] = max(fits[name].get(window, 0.0), stored["fit_seconds"])
                rankings[name] += stored["recommend_seconds"]
    rows: list[dict[str, Any]] = []
    for name, windows in fits.items():
        fit, recommend = sum(windows.values()), rankings[name]
        spent = {"fit_seconds": fit, "recommend_seconds": recommend}
        rows.append({"candidate": name, **spent, "total_seconds": fit + recommend})
    rows.sort(key=lambda row: (-row["total_seconds"], row["candidate"]))
    total = sum(row["total_seconds"] for row in rows)
    return [{**row, "share": row["total_seconds"] / total if total else 0.0} for row in rows]


def _first_stage(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Recall of a candidate's first stage with its bounds; None where it has none."""
    found = metrics.get(CANDIDATE_RECALL, {}).get("all", {})
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {CANDIDATE_RECALL + end: found.get(key) for end, key in ends.items()}


def _best_first(
    settings: Settings, as_of: date, placement: str, window: str
) -> dict[str, dict[str, Any]]:
    """Content of `metrics.json` by candidate, in the order of `leaderboard`; raises as it does."""
    if placement not in settings.placements:
        raise SettingsError(
            f"A placement must be listed in recsys.toml. Got {placement!r}. "
            f"Known: {', '.join(settings.placements)}."
        )
    if window not in WINDOWS:
        raise SettingsError(
            f"A window must be one of {', '.join(WINDOWS)}. Got {window!r}. Use --window gate."
        )
    found = _evaluated(settings, as_of, placement, window)
    if not found:
        raise MissingEvaluationError(
            f"At least one candidate must be evaluated on the {window} window of {placement!r}. "
            f"Found none for the night of {as_of}. Run `recsys train --as-of {as_of}`."
        )
    metric = f"ndcg_at_{settings.evaluation.k}"
    values = {name: stored["metrics"][metric]["all"]["value"] for name, stored in found.items()}
    ranked = pd.Series(values, dtype="float64").sort_values(ascending=False, kind="stable")
    return {str(name): found[str(name)] for name in ranked.index}


def _evaluated(
    settings: Settings, as_of: date, placement: str, window: str
) -> dict[str, dict[str, Any]]:
    """Content of `metrics.json` by candidate, sorted; if the night has a plan, of those in it."""
    planned = {entry["name"] for entry in planned_candidates(settings, as_of)}
    evaluated = read_evaluated(settings, as_of, window, placement)
    return {name: one for name, one in evaluated.items() if not planned or name in planned}
