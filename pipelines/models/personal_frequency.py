"""Repeat consumption: what a user takes most often, filled up with what is popular."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.parameters import PURCHASES_ONLY, check_number
from pipelines.models.popularity import sum_popularity


def scale_popularity(popularity: np.ndarray) -> np.ndarray:
    """Popularity scaled into [0, 1): p / (1 + max p).

    Parameters
    ----------
    popularity : ndarray of float64, shape (n_items,)

    Returns
    -------
    ndarray of float32, shape (n_items,)
    """
    return (popularity / (1.0 + popularity.max())).astype(np.float32)


class PersonalFrequency(Recommender):
    """Rank items by how often the user met them; popularity decides between equals.

    Parameters
    ----------
    half_life_days : float, optional
        One of the user's own events this old counts half; without it, all count alike.
    popularity_half_life_days : float, optional
        An event this old counts half in the popularity that breaks ties and fills the list.
    event_weights : mapping of str to float
        Weight of one event of a type.

    Attributes
    ----------
    popularity_ : ndarray of float32, shape (n_items,)
        Scaled into [0, 1).

    Notes
    -----
    ``score(u, i) = count(u, i) + popularity(i) / (1 + max popularity)``, where `count` is the
    user's (decayed) sum of event weights. With whole-number counts, popularity only decides
    between items of the same count and orders the items the user never met. Users without
    weighted events get no list; items nobody met are not listed.

    References
    ----------
    H. Hu, X. He, J. Gao, Z.-L. Zhang (2020). Modeling Personalized Item Frequency Information for
    Next-basket Recommendation. SIGIR.
    """

    strategy = "personal_frequency"
    reason = "You choose this often"
    completes_itself = True

    def __init__(
        self,
        *,
        half_life_days: float | None = None,
        popularity_half_life_days: float | None = None,
        event_weights: Mapping[str, float] = PURCHASES_ONLY,
    ) -> None:
        self.half_life_days = half_life_days
        self.popularity_half_life_days = popularity_half_life_days
        self.event_weights = event_weights

    def _fit(self, history: Interactions) -> None:
        check_number("half_life_days", self.half_life_days, above=0, optional=True)
        half_life = self.popularity_half_life_days
        check_number("popularity_half_life_days", half_life, above=0, optional=True)
        self.popularity_ = scale_popularity(sum_popularity(history, self.event_weights, half_life))

    def _score(self, history: Interactions) -> np.ndarray:
        counts = history.matrix(self.event_weights, half_life_days=self.half_life_days)
        # s_ui = n_ui + p_i / (1 + max p)
        scores = counts.toarray(order="C") + self.popularity_
        scores[scores == 0] = -np.inf
        scores[np.diff(counts.indptr) == 0] = -np.inf
        return scores
