"""Leaderboards of a night's candidates, read from their stored evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.errors import MissingEvaluationError, SettingsError
from pipelines.evaluate.candidate_recall import CANDIDATE_RECALL
from pipelines.evaluate.inputs import planned_candidates
from pipelines.evaluate.list_metrics import LIST_METRICS
from pipelines.evaluate.results import (
    Evaluation,
    evaluated_candidates,
    read_evaluation,
    read_metrics,
)

#: Columns of `rule_board` besides the candidate.
PRICE_COLUMNS = (
    "rule",
    "ndcg_with",
    "ndcg_without",
    "difference",
    "low",
    "high",
    "coverage_with",
    "coverage_without",
    "user_count",
)
WINDOWS = ("selection", "gate")


def leaderboard(settings: Settings, as_of: date, placement: str, window: str) -> pd.DataFrame:
    """Leaderboard of the candidates of one placement and window, best first.

    If the night has a plan, only its candidates count, not those of an earlier plan.

    Parameters
    ----------
    settings : Settings
    as_of : date
    placement : str
    window : {"selection", "gate"}

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
    names = _candidates(settings, as_of, placement, window)
    baselines = settings.placements[placement].baselines
    k = settings.evaluation.k
    rows = []
    for name in names:
        stored = read_metrics(settings.run_folder(as_of).evaluation(name, window, placement))
        metrics: dict[str, Any] = {} if stored is None else stored["metrics"]
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
    frame = pd.DataFrame(rows).astype(dict.fromkeys(_first_stage({}), "float64"))
    order = [f"ndcg_at_{k}", "candidate"]
    return frame.sort_values(order, ascending=[False, True]).reset_index(drop=True)


def list_board(settings: Settings, as_of: date, placement: str, window: str) -> pd.DataFrame:
    """List metrics of the candidates by segment: lists as such, whatever users did afterwards.

    Parameters
    ----------
    settings : Settings
    as_of : date
    placement : str
    window : {"selection", "gate"}

    Returns
    -------
    DataFrame
        One row per candidate and segment, candidates in the order of `leaderboard`, ``all``
        before the segments: candidate, segment, user_count, ndcg_at_<k>, and each of
        `LIST_METRICS` as <metric>_at_<k>. Raises as `leaderboard` does.
    """
    k = settings.evaluation.k
    columns = [f"{metric}_at_{k}" for metric in ("ndcg", *LIST_METRICS)]
    rows = []
    for name in leaderboard(settings, as_of, placement, window)["candidate"]:
        stored = read_metrics(settings.run_folder(as_of).evaluation(name, window, placement))
        metrics: dict[str, Any] = {} if stored is None else stored["metrics"]
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

    Parameters
    ----------
    settings : Settings
    as_of : date
    placement : str
    window : {"selection", "gate"}

    Returns
    -------
    DataFrame
        One row per candidate, in the order of `leaderboard`, and rule, in the order they are
        applied: candidate and the columns of `rule_prices.price_rules`. Raises as `leaderboard`
        does.
    """
    rows = []
    for name in leaderboard(settings, as_of, placement, window)["candidate"]:
        stored = read_metrics(settings.run_folder(as_of).evaluation(name, window, placement)) or {}
        rows += [{"candidate": name, **price} for price in stored.get("rule_prices", [])]
    return pd.DataFrame(rows, columns=["candidate", *PRICE_COLUMNS])


def read_evaluations(
    settings: Settings, as_of: date, placement: str, window: str
) -> list[Evaluation]:
    """Read the evaluations behind `leaderboard`, in its order; raises as it does."""
    board = leaderboard(settings, as_of, placement, window)
    return [
        read_evaluation(settings, as_of, name, window, placement) for name in board["candidate"]
    ]


def _first_stage(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Recall of a candidate's first stage with its bounds; None where it has none."""
    found = metrics.get(CANDIDATE_RECALL, {}).get("all", {})
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {CANDIDATE_RECALL + end: found.get(key) for end, key in ends.items()}


def _candidates(settings: Settings, as_of: date, placement: str, window: str) -> tuple[str, ...]:
    if placement not in settings.placements:
        raise SettingsError(
            f"A placement must be listed in recsys.toml. Got {placement!r}. "
            f"Known: {', '.join(settings.placements)}."
        )
    if window not in WINDOWS:
        raise SettingsError(
            f"A window must be one of {', '.join(WINDOWS)}. Got {window!r}. Use --window gate."
        )
    names = evaluated_candidates(settings, as_of, window, placement)
    if planned := {entry["name"] for entry in planned_candidates(settings, as_of)}:
        names = tuple(name for name in names if name in planned)
    if not names:
        raise MissingEvaluationError(
            f"At least one candidate must be evaluated on the {window} window of {placement!r}. "
            f"Found none for the night of {as_of}. Run `recsys train --as-of {as_of}`."
        )
    return names
