"""Repeat consumption: what a user takes most often, filled up with what is popular."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import BlockRecommender, count_reached
from pipelines.models.parameters import number
from pipelines.models.popularity import sum_popularity
from pipelines.models.scores import SparseScores


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
class RepeatRecommender(BlockRecommender, ABC):
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
        """What each user met, a new matrix of entries above 0: float32 (n_users, n_items)."""

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: what each user met, and popularity for the rest."""
        met = self._met(history)
        # s_ui = m_ui + p_i / (1 + max p)
        met.data += self.popularity_[met.indices]
        listed = np.where(self.popularity_ > 0, self.popularity_, np.float32(-np.inf))
        ranking = np.where(np.diff(met.indptr) > 0, 0, -1)
        return SparseScores(met, listed[None], ranking)

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return count_reached(history, np.ones(history.n_items, dtype=np.int64))


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
