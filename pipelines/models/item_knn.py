"""Item-to-item neighbours by shrunk cosine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.parameters import PURCHASES_ONLY, check_event_weights, check_number
from pipelines.models.signals import gram_blocks, read_interest
from pipelines.models.top_n import top_n_of_scores


class ItemKNN(Recommender):
    """Recommend the nearest neighbours of the items in a history.

    Parameters
    ----------
    n_neighbors : int, default 100
        Neighbours kept per item.
    shrinkage : float, default 20.0
        Added to the cosine's denominator: similarities that rest on few users shrink.
    half_life_days : float, optional
        An event this old counts half; without it, histories are binary.
    clip : float or None, default 1.0
        Upper bound of a decayed history value, min(value, clip).
    event_weights : mapping of str to float
        Weight of one event of a type.

    Attributes
    ----------
    similarity_ : csr_array of shape (n_items, n_items), float32
        Row i holds the `n_neighbors` most similar items of i, equal ones by lowest column; zero
        diagonal.

    Notes
    -----
    ``s_ij = x_i·x_j / (|x_i| |x_j| + shrinkage)`` over the columns x of the history matrix;
    ``score(u, j) = sum over i of x_ui s_ij``. Only items with a positive score are listed, so
    users without weighted events get no list. XᵀX is made some rows at a time.

    References
    ----------
    M. Deshpande, G. Karypis (2004). Item-Based Top-N Recommendation Algorithms. ACM TOIS 22(1).
    """

    strategy = "item_knn"
    reason = "Often chosen with items you chose"

    def __init__(
        self,
        *,
        n_neighbors: int = 100,
        shrinkage: float = 20.0,
        half_life_days: float | None = None,
        clip: float | None = 1.0,
        event_weights: Mapping[str, float] = PURCHASES_ONLY,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.shrinkage = shrinkage
        self.half_life_days = half_life_days
        self.clip = clip
        self.event_weights = event_weights

    def _fit(self, history: Interactions) -> None:
        check_event_weights(self.event_weights)
        check_number("n_neighbors", self.n_neighbors, at_least=1, integer=True)
        check_number("shrinkage", self.shrinkage, at_least=0)
        check_number("half_life_days", self.half_life_days, above=0, optional=True)
        check_number("clip", self.clip, above=0, optional=True)
        interest = self._interest(history)
        norm = np.sqrt(interest.power(2).sum(axis=0, dtype=np.float64)).astype(np.float32)
        self.similarity_ = self._nearest(interest, norm)

    def _nearest(self, interest: sparse.csr_array, norm: np.ndarray) -> sparse.csr_array:
        """The `n_neighbors` largest positive similarities of every row."""
        n_items = len(norm)
        width = min(self.n_neighbors, n_items)
        counts, columns, values = [], [], []
        for start, gram in gram_blocks(interest):
            rows = np.arange(len(gram))
            # s_ij = x_i·x_j / (|x_i| |x_j| + shrinkage)
            denominator = norm[start + rows, None] * norm + np.float32(self.shrinkage)
            similarity = gram / np.maximum(denominator, np.finfo(np.float32).tiny)
            similarity[rows, start + rows] = -np.inf
            similarity[similarity <= 0] = -np.inf
            items, scores = top_n_of_scores(similarity, width, overwrite_scores=True)
            kept = items >= 0
            counts.append(kept.sum(axis=1))
            columns.append(items[kept])
            values.append(scores[kept])
        starts = np.append(0, np.cumsum(np.concatenate(counts)))
        nearest = sparse.csr_array(
            (np.concatenate(values), np.concatenate(columns), starts), shape=(n_items, n_items)
        )
        nearest.sort_indices()
        return nearest

    def _interest(self, history: Interactions) -> sparse.csr_array:
        return read_interest(
            history, self.event_weights, half_life_days=self.half_life_days, clip=self.clip
        )

    def _score(self, history: Interactions) -> np.ndarray:
        scores = (self._interest(history) @ self.similarity_).toarray(order="C")
        scores[scores <= 0] = -np.inf
        return scores
