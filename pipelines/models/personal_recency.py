"""Repeat consumption: what a user met last comes first, filled up with what is popular."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.parameters import PURCHASES_ONLY, check_number
from pipelines.models.personal_frequency import scale_popularity
from pipelines.models.popularity import sum_popularity


def rank_meetings(history: Interactions, event_weights: Mapping[str, float]) -> sparse.csr_array:
    """Number each user's items by when they were last met: 1 the earliest, equal times alike.

    Parameters
    ----------
    history : Interactions
    event_weights : mapping of str to float
        Only events with a positive weight are meetings, and only pairs whose weights sum to more
        than 0 (what was bought and returned is not met).

    Returns
    -------
    csr_array of shape (n_users, n_items), float32
    """
    met = history.matrix(event_weights)
    weights = np.array([event_weights.get(kind, 0.0) for kind in history.event_types])
    rows = np.flatnonzero(weights[history.event_type] > 0) if len(weights) else np.empty(0, int)
    pair = history.user[rows].astype(np.int64) * history.n_items + history.item[rows]
    order = np.lexsort((history.last_event_at[rows], pair))
    is_last = np.append(np.diff(pair[order]) != 0, True)[: len(order)]
    last = rows[order[is_last]]
    user, at = history.user[last], history.last_event_at[last]
    by_time = np.lexsort((at, user))
    at = at[by_time]
    new_user = np.append(True, np.diff(user[by_time]) != 0)[: len(last)]
    new_time = np.append(True, at[1:] != at[:-1])[: len(last)] | new_user
    step = np.cumsum(new_time)
    first = step[new_user][np.cumsum(new_user) - 1]
    number = (step - first + 1).astype(np.float32)
    ranked = sparse.csr_array(
        (number, (user[by_time], history.item[last][by_time])), shape=history.shape
    )
    return sparse.csr_array(ranked.multiply(met.astype(bool)))


class PersonalRecency(Recommender):
    """Rank items by when the user last met them; popularity decides between equals.

    Parameters
    ----------
    popularity_half_life_days : float, optional
        An event this old counts half in the popularity that breaks ties and fills the list.
    event_weights : mapping of str to float
        Weight of one event of a type; types that weigh more than 0 are meetings.

    Attributes
    ----------
    popularity_ : ndarray of float32, shape (n_items,)
        Scaled into [0, 1).

    Notes
    -----
    ``score(u, i) = order(u, i) + popularity(i) / (1 + max popularity)``, where `order` numbers the
    user's last meetings by time (1 the earliest, equal times alike, 0 never met). Users without
    weighted events get no list; items nobody met are not listed.

    References
    ----------
    A. Anderson, R. Kumar, A. Tomkins, S. Vassilvitskii (2014). The Dynamics of Repeat Consumption.
    WWW.
    """

    strategy = "personal_recency"
    reason = "You chose this lately"
    completes_itself = True

    def __init__(
        self,
        *,
        popularity_half_life_days: float | None = None,
        event_weights: Mapping[str, float] = PURCHASES_ONLY,
    ) -> None:
        self.popularity_half_life_days = popularity_half_life_days
        self.event_weights = event_weights

    def _fit(self, history: Interactions) -> None:
        half_life = self.popularity_half_life_days
        check_number("popularity_half_life_days", half_life, above=0, optional=True)
        self.popularity_ = scale_popularity(sum_popularity(history, self.event_weights, half_life))

    def _score(self, history: Interactions) -> np.ndarray:
        meetings = rank_meetings(history, self.event_weights)
        # s_ui = o_ui + p_i / (1 + max p)
        scores = meetings.toarray(order="C") + self.popularity_
        scores[scores == 0] = -np.inf
        scores[np.diff(meetings.indptr) == 0] = -np.inf
        return scores
