"""Repeat consumption: what a user met last comes first, filled up with what is popular."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.personal_frequency import RepeatRecommender


def rank_meetings(history: Interactions, event_weights: Mapping[str, float]) -> sparse.csr_array:
    """Number each user's items by when they were last met: 1 the earliest, equal times alike.

    Parameters
    ----------
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


@dataclass(kw_only=True, eq=False)
class PersonalRecency(RepeatRecommender):
    """Rank items by when the user last met them; popularity decides between equals.

    Parameters
    ----------
    popularity_half_life_days : as in `RepeatRecommender`
    event_weights : mapping of str to float
        Weight of one event of a type; types that weigh more than 0 are meetings.

    Notes
    -----
    ``met(u, i)`` numbers the user's last meetings by time (1 the earliest, equal times alike, 0
    never met).

    References
    ----------
    A. Anderson, R. Kumar, A. Tomkins, S. Vassilvitskii (2014). The Dynamics of Repeat Consumption.
    WWW.
    """

    strategy = "personal_recency"
    reason = "You chose this lately"

    def _met(self, history: Interactions) -> sparse.csr_array:
        return rank_meetings(history, self.event_weights)
