"""The same ranking for everybody: what is bought most, lately."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.kernels.shared_ranking import top_n_of_one_ranking
from pipelines.models.kernels.signals import cap_users
from pipelines.models.parameters import PURCHASES_ONLY, check_number


def sum_popularity(
    history: Interactions,
    event_weights: Mapping[str, float],
    half_life_days: float | None,
    user_cap: float | None = 1.0,
) -> np.ndarray:
    """Decayed sum of event weights per item, of which no user adds more than a cap.

    Parameters
    ----------
    history : Interactions
    event_weights : mapping of str to float
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


class Popularity(Recommender):
    """Rank items by how many users choose them: decayed sums of event weights, capped by user.

    Parameters
    ----------
    half_life_days : float, optional
        An event this old counts half; without it, all events count alike.
    user_cap : float or None, default 1.0
        Most that one user adds to an item, in events of the greatest weight; None adds up all
        events, and one user who repeats an item often enough makes it first for everybody.
    event_weights : mapping of str to float
        Weight of one event of a type.

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

    def __init__(
        self,
        *,
        half_life_days: float | None = None,
        user_cap: float | None = 1.0,
        event_weights: Mapping[str, float] = PURCHASES_ONLY,
    ) -> None:
        self.half_life_days = half_life_days
        self.user_cap = user_cap
        self.event_weights = event_weights

    def _fit(self, history: Interactions) -> None:
        check_number("half_life_days", self.half_life_days, above=0, optional=True)
        check_number("user_cap", self.user_cap, above=0, optional=True)
        popularity = sum_popularity(history, self.event_weights, self.half_life_days, self.user_cap)
        scores = popularity.astype(np.float32)
        self.scores_ = np.where(scores > 0, scores, np.float32(-np.inf))

    def _score(self, history: Interactions) -> np.ndarray:
        return np.tile(self.scores_, (history.n_users, 1))

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        items, scores = top_n_of_one_ranking(
            self.scores_,
            history.n_users,
            k,
            exclude_pairs=exclude.pairs,
            exclude_items=exclude.items,
        )
        return TopN(history.user_ids, self.item_ids_, items, scores)
