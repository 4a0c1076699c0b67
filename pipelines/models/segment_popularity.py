"""Popularity by segment: what customers as active as this one choose most, lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import BlockRecommender
from pipelines.models.kernels.signals import cap_users
from pipelines.models.parameters import number, whole
from pipelines.models.scores import SparseScores


@dataclass(kw_only=True, eq=False)
class SegmentPopularity(BlockRecommender):
    """Rank items by what users of the same segment choose, filled up with what all choose.

    Parameters
    ----------
    half_life_days : float, optional
        An event this old counts half; without it, all events count alike.
    heavy_user_days : int, default 5
        From this many days with an event a user is heavy; with at most one, new; else, light.
    shrinkage : float, default 100.0
        Weight of everybody's ranking, in events: a segment with few events stays close to it.
    user_cap : float or None, default 1.0
        Most that one user adds to an item, in events of the greatest weight; None adds up all.
    event_weights : as in `Recommender`

    Attributes
    ----------
    scores_ : ndarray of float32, shape (3, n_items)
        Rows are new, light and heavy users; -inf for items without a weighted event.

    Notes
    -----
    ``score(s, i) = (n_si + m n_i / n) / (n_s + m)`` with decayed, weighted events n_si of item i
    by users of segment s (each at most the cap), their sum n_s, and n_i, n over all users; m is
    `shrinkage`. Users without history count as new and get that list.

    References
    ----------
    Y. Ji, A. Sun, J. Zhang, C. Li (2020). A Re-visit of the Popularity Baseline in Recommender
    Systems. SIGIR. The shrinkage is a Dirichlet prior, as in J. Lafferty, C. Zhai (2001), SIGIR.
    """

    strategy = "segment_popularity"
    reason = "Popular with customers who shop as often as you"

    half_life_days: float | None = number(None, above=0, optional=True)
    heavy_user_days: int = whole(5, at_least=2)
    shrinkage: float = number(100.0, above=0)
    user_cap: float | None = number(1.0, above=0, optional=True)

    def _fit(self, history: Interactions) -> None:
        weighted = history.matrix(self.event_weights, half_life_days=self.half_life_days)
        weighted = cap_users(weighted, self.event_weights, self.user_cap)
        segment = self._segment(history)
        by_segment = np.stack(
            [weighted[segment == code].sum(axis=0, dtype=np.float64) for code in range(3)]
        )
        everybody = by_segment.sum(axis=0)
        total = max(everybody.sum(), np.finfo(np.float64).tiny)
        # (n_si + m n_i / n) / (n_s + m)
        scores = (by_segment + self.shrinkage * everybody / total) / (
            by_segment.sum(axis=1, keepdims=True) + self.shrinkage
        )
        self.scores_ = np.where(everybody > 0, scores, -np.inf).astype(np.float32)

    def _segment(self, history: Interactions) -> np.ndarray:
        """Segment of every user by days with an event: 0 new, 1 light, 2 heavy."""
        days = np.unique(np.stack([history.user, history.age_days]), axis=1)[0]
        active_days = np.bincount(days, minlength=history.n_users)
        return np.digitize(active_days, [2, self.heavy_user_days])

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: no item of anybody's own, and a ranking of its segment."""
        own = sparse.csr_array(history.shape, dtype=np.float32)
        return SparseScores(own, self.scores_, self._segment(history))

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return np.ones(history.n_users, dtype=np.int64)
