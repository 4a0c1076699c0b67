"""What a placement keeps from its users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.config import PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion


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
        event_types = None if placement.exclude == "all" else placement.exclude
        pairs = history.pairs(event_types, within_days=placement.exclude_within_days)
    return Exclusion(pairs, None if catalogue is None else _find_unavailable(history, catalogue))


def _find_unavailable(history: Interactions, catalogue: pd.DataFrame) -> np.ndarray | None:
    """Mask over the history's items, or None when all are available."""
    is_gone = catalogue["is_available"].astype("boolean").eq(False).fillna(False).to_numpy(bool)
    gone = np.isin(history.item_ids, catalogue["item_id"].to_numpy()[is_gone].astype(np.str_))
    return gone if gone.any() else None
