"""A limit on how many items a dense item-item matrix learns."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.popularity import sum_popularity

logger = logging.getLogger(__name__)


def keep_popular(
    history: Interactions,
    max_items: int,
    event_weights: Mapping[str, float],
    half_life_days: float | None,
) -> Interactions:
    """Limit a history to its most popular items, and log a warning on those left out.

    Parameters
    ----------
    history : Interactions
    max_items : int
        Number of items kept; ties in popularity are broken by item_id.
    event_weights : mapping of str to float
    half_life_days : float or None
        An event this old counts half in popularity; None counts all alike.
    """
    if history.n_items <= max_items:
        return history
    popularity = sum_popularity(history, event_weights, half_life_days)
    order = np.lexsort((np.arange(history.n_items), -popularity))
    kept, dropped = np.sort(order[:max_items]), order[max_items:]
    logger.warning(
        "only the %d most popular of %d items are learned (max_items); the others, with %.2f %% "
        "of all event weight, are not listed",
        max_items,
        history.n_items,
        100.0 * popularity[dropped].sum() / max(popularity.sum(), np.finfo(float).tiny),
    )
    return history.with_items(history.item_ids[kept])
