"""The same ranking for everybody: what is bought most, lately."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import BlockRecommender
from pipelines.models.kernels.signals import cap_users
from pipelines.models.parameters import number
from pipelines.models.scores import SparseScores

logger = logging.getLogger(__name__)


def sum_popularity(
    history: Interactions,
    event_weights: Mapping[str, float],
    half_life_days: float | None,
    user_cap: float | None = 1.0,
) -> np.ndarray:
    """Decayed sum of event weights per item, of which no user adds more than a cap.

    Parameters
    ----------
    half_life_days : float or None
        An event this old counts half; None counts all alike.
    user_cap : float or None, default 1.0
        Most that one user adds to an item, in events of the greatest weight; None adds up all.

    Returns
    -------
    ndarray of float64, shape (n_items,)
        A user's sum for an item counts only if it is positive, so returns do not push an item
        below what other users bought.
    """
    weighted = history.matrix(event_weights, half_life_days=half_life_days)
    weighted = cap_users(weighted, event_weights, user_cap)
    return np.asarray(weighted.sum(axis=0, dtype=np.float64))


def keep_popular(
    history: Interactions,
    max_items: int,
    event_weights: Mapping[str, float],
    half_life_days: float | None,
) -> Interactions:
    """Limit a history to its most popular items, and log a warning on those left out.

    Parameters
    ----------
    max_items : int
        Number of items kept; ties in popularity are broken by item_id.
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


@dataclass(kw_only=True, eq=False)
class Popularity(BlockRecommender):
    """Rank items by how many users choose them: decayed sums of event weights, capped by user.

    Parameters
    ----------
    half_life_days : float, optional
        An event this old counts half; without it, all events count alike.
    user_cap : float or None, default 1.0
        Most that one user adds to an item, in events of the greatest weight; None adds up all
        events, and one user who repeats an item often enough makes it first for everybody.
    event_weights : as in `Recommender`

    Attributes
    ----------
    scores_ : ndarray of float32, shape (n_items,)
        Popularity; -inf for items without a weighted event, which are not listed.

    Notes
    -----
    ``score(i) = sum over users u: min(cap, sum over events e of u with i: weight(type(e)) * 2 **
    (-age(e) / half_life_days))``, where cap is `user_cap` times the greatest weight.
    Users without history get the list too.

    References
    ----------
    Y. Ji, A. Sun, J. Zhang, C. Li (2020). A Re-visit of the Popularity Baseline in Recommender
    Systems. SIGIR.
    """

    strategy = "popularity"
    reason = "Popular with other customers"

    half_life_days: float | None = number(None, above=0, optional=True)
    user_cap: float | None = number(1.0, above=0, optional=True)

    def _fit(self, history: Interactions) -> None:
        popularity = sum_popularity(history, self.event_weights, self.half_life_days, self.user_cap)
        scores = popularity.astype(np.float32)
        self.scores_ = np.where(scores > 0, scores, np.float32(-np.inf))

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: no item of anybody's own, and a ranking."""
        ranking = np.zeros(history.n_users, dtype=np.int64)
        own = sparse.csr_array(history.shape, dtype=np.float32)
        return SparseScores(own, self.scores_[None], ranking)

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return np.ones(history.n_users, dtype=np.int64)
