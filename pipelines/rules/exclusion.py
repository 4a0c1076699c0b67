"""What a placement keeps from its users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.base.settings_sections import PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion
from pipelines.rules.shown_items import keeps_item


def placement_exclusion(
    placement: PlacementSettings,
    history: Interactions,
    catalogue: pd.DataFrame | None = None,
) -> Exclusion:
    """Exclusion of a placement for the users and items of a history.

    Parameters
    ----------
    placement : PlacementSettings
        `exclude` says whether none, all, or some event types of a user's history exclude an item,
        `exclude_within_days` how recent they must be.
    history : Interactions
        Known before the cutoff.
    catalogue : DataFrame, optional
        One row per item_id with `is_available`. Items marked not available are kept from
        everybody; items without a row or without a value count as available.

    Returns
    -------
    Exclusion
        In the rows and columns of `history`.
    """
    pairs = None
    if placement.exclude != "none":
        pairs = history.pairs_of_rows(_keeping_rows(placement, history))
    return Exclusion(pairs, None if catalogue is None else _find_unavailable(history, catalogue))


def _keeping_rows(placement: PlacementSettings, history: Interactions) -> np.ndarray:
    """Mask over the history's rows: those that keep their item; each type and age asked once."""
    ages = range(int(history.age_days.max(initial=0)) + 1)
    answers = [
        [
            keeps_item(placement.exclude, placement.exclude_within_days, event_type, age)
            for age in ages
        ]
        for event_type in history.event_types
    ]
    table = np.array(answers, dtype=bool).reshape(len(history.event_types), len(ages))
    kept: np.ndarray = table[history.event_type, history.age_days]
    return kept


def _find_unavailable(history: Interactions, catalogue: pd.DataFrame) -> np.ndarray | None:
    """Mask over the history's items, or None when all are available."""
    is_gone = catalogue["is_available"].astype("boolean").eq(False).fillna(False).to_numpy(bool)
    gone = np.isin(history.item_ids, catalogue["item_id"].to_numpy()[is_gone].astype(np.str_))
    return gone if gone.any() else None
