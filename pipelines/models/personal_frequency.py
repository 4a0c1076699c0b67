"""Repeat consumption: what a user takes most often, filled up with what is popular."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.parameters import number
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


@dataclass(kw_only=True, eq=False)
class RepeatRecommender(Recommender, ABC):
    """Base of recommenders that rank what the user met; popularity decides between equals.

    Parameters
    ----------
    popularity_half_life_days : float, optional
        An event this old counts half in the popularity that breaks ties and fills the list; above
        0. Without it, all count alike.

    Attributes
    ----------
    popularity_ : ndarray of float32, shape (n_items,)
        Scaled into [0, 1).

    Notes
    -----
    ``score(u, i) = met(u, i) + popularity(i) / (1 + max popularity)``. Users without weighted
    events get no list; items nobody met are not listed.
    """

    completes_itself = True

    popularity_half_life_days: float | None = number(None, above=0, optional=True)

    def _fit(self, history: Interactions) -> None:
        popularity = sum_popularity(history, self.event_weights, self.popularity_half_life_days)
        self.popularity_ = scale_popularity(popularity)

    @abstractmethod
    def _met(self, history: Interactions) -> sparse.csr_array:
        """What each user met, 0 where nothing: float32 (n_users, n_items)."""

    def _score(self, history: Interactions) -> np.ndarray:
        met = self._met(history)
        # s_ui = m_ui + p_i / (1 + max p)
        scores = met.toarray(order="C") + self.popularity_
        scores[scores == 0] = -np.inf
        scores[np.diff(met.indptr) == 0] = -np.inf
        return scores


@dataclass(kw_only=True, eq=False)
class PersonalFrequency(RepeatRecommender):
    """Rank items by how often the user met them; popularity decides between equals.

    Parameters
    ----------
    half_life_days : float, optional
        One of the user's own events this old counts half; without it, all count alike.
    popularity_half_life_days : as in `RepeatRecommender`
    event_weights : as in `Recommender`

    Notes
    -----
    ``met(u, i)`` is the user's (decayed) sum of event weights. With whole-number counts,
    popularity only decides between items of the same count and orders the items the user never
    met.

    References
    ----------
    H. Hu, X. He, J. Gao, Z.-L. Zhang (2020). Modeling Personalized Item Frequency Information for
    Next-basket Recommendation. SIGIR.
    """

    strategy = "personal_frequency"
    reason = "You choose this often"

    half_life_days: float | None = number(None, above=0, optional=True)

    def _met(self, history: Interactions) -> sparse.csr_array:
        return history.matrix(self.event_weights, half_life_days=self.half_life_days)
