"""Scores of the lists that a night published, on the days that came after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pipelines.base.config import Settings
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import HeldOut, read_held_out, score_lists, score_recommender
from pipelines.evaluate.inputs import planned_spec
from pipelines.experiments.definition import CONTROL
from pipelines.features.snapshot import MANIFEST_FILE
from pipelines.models.base import TopN
from pipelines.models.candidates import fit_candidate


def night_that_knows(own: Settings, nights: Sequence[date], as_of: date) -> date | None:
    """First night of a backtest that knows the whole horizon after `as_of`; None if none does."""
    known = as_of + timedelta(days=own.evaluation.horizon_days)
    there = [
        night
        for night in nights
        if night >= known and (own.run_folder(night).snapshot / MANIFEST_FILE).exists()
    ]
    return min(there, default=None)


def score_served(own: Settings, as_of: date, known_by: date) -> dict[str, dict[str, Any]]:
    """NDCG per user of what a night published, and of what its baselines would have shown.

    `as_of` is a night that published; `known_by` is a later night, whose snapshot holds the days
    ``[as_of, as_of + horizon)``.

    Returns
    -------
    dict
        ``{placement: {"champion" or baseline: Series of NDCG at the gate's cut by user_id}}``.
        All are over the same users: those with a history before `as_of` and truth after it.
    """
    end = as_of + timedelta(days=own.evaluation.horizon_days)
    held_out = read_held_out(own, as_of, Window("served", as_of, end), truth_as_of=known_by)
    return {
        placement: _score_placement(own, as_of, placement, held_out) for placement in own.placements
    }


def _score_placement(
    own: Settings, as_of: date, placement: str, held_out: HeldOut
) -> dict[str, pd.Series]:
    column = f"ndcg_at_{own.evaluation.k}"
    lists = _read_lists(own, as_of, placement)
    scored = {"champion": score_lists(own, placement, lists, held_out)}
    for name in own.placements[placement].baselines:
        fitted = fit_candidate(planned_spec(own, as_of, name), held_out.history)
        scored[name] = score_recommender(own, placement, fitted, held_out)
    return {name: one.per_user.set_index("user_id")[column] for name, one in scored.items()}


def _read_lists(own: Settings, as_of: date, placement: str) -> TopN:
    """The published lists of control, down to the lowest rank that metrics use."""
    depth = max(*own.evaluation.ks, own.evaluation.k)
    path = own.run_folder(as_of).variant(placement, CONTROL)
    columns = ["user_id", "rank", "item_id", "score"]
    rows: Mapping[str, Any] = pq.read_table(
        path, columns=columns, filters=[("rank", "<=", depth)]
    ).to_pandas()
    user_ids, user = np.unique(rows["user_id"].to_numpy(dtype=np.str_), return_inverse=True)
    item_ids, item = np.unique(rows["item_id"].to_numpy(dtype=np.str_), return_inverse=True)
    items = np.full((len(user_ids), depth), -1, dtype=np.int32)
    scores = np.full((len(user_ids), depth), np.nan, dtype=np.float32)
    place = rows["rank"].to_numpy() - 1
    items[user, place], scores[user, place] = item, rows["score"]
    return TopN(user_ids, item_ids, items, scores)
