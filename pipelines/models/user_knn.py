"""Nearest users: what users with similar histories chose lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.kernels.sampling import hash_ids, lowest_hashes
from pipelines.models.kernels.signals import cap_users, dense_product, read_interest
from pipelines.models.kernels.top_n import top_n_of_scores
from pipelines.models.parameters import number, whole

#: Bytes of similarities that a thread holds at once.
SIMILARITY_BYTES = 16 * 1024**2


@dataclass(kw_only=True, eq=False)
class UserKNN(Recommender):
    """Recommend the recent choices of the users whose histories are nearest.

    Parameters
    ----------
    n_neighbors : int, default 100
        Nearest users whose choices are counted.
    shrinkage : float, default 5.0
        Added to the cosine's denominator: similarities that rest on few items shrink.
    half_life_days : float, optional
        An event this old counts half when users are compared.
    recent_half_life_days : float, optional
        A neighbour's choice this old counts half in the scores; without it, all count alike.
    max_users : int, default 50000
        Most users that may be neighbours; of more, those with the lowest CRC-32 of their user_id.
        Bounds the time that each list takes.
    event_weights : as in `Recommender`

    Attributes
    ----------
    users_by_item_ : csr_array of shape (n_items, n_known_users), float32
        Histories of the users of `fit` with weighted events, weighed to be compared.
    norm_ : ndarray of float32, shape (n_known_users,)
        Lengths of the columns of `users_by_item_`.
    recent_ : csr_array of shape (n_known_users, n_items), float32
        Histories of the same users, weighed to be recommended from; none counts an item more
        than once, so that no neighbour alone decides.

    Notes
    -----
    ``sim(u, v) = x_u·x_v / (|x_u| |x_v| + shrinkage)`` with items weighed down by their
    popularity, x_ui / √n_i; ``score(u, i) = sum over the nearest v: sim(u, v) recent_vi``. A known
    user with exactly the same history, such as the user itself, counts as a neighbour.

    References
    ----------
    J. S. Breese, D. Heckerman, C. Kadie (1998). Empirical Analysis of Predictive Algorithms for
    Collaborative Filtering. UAI.
    """

    strategy = "user_knn"
    reason = "Customers like you chose it lately"

    n_neighbors: int = whole(100)
    shrinkage: float = number(5.0, at_least=0)
    half_life_days: float | None = number(None, above=0, optional=True)
    recent_half_life_days: float | None = number(None, above=0, optional=True)
    max_users: int = whole(50_000)

    def _fit(self, history: Interactions) -> None:
        interest = self._interest(history)
        users = lowest_hashes(
            np.flatnonzero(np.diff(interest.indptr)), hash_ids(history.user_ids), self.max_users
        )
        count = np.bincount(interest.indices, minlength=history.n_items)
        self.item_weights_ = (1.0 / np.sqrt(np.maximum(count, 1))).astype(np.float32)
        taste = self._weigh(interest[users])
        self.users_by_item_ = taste.T.tocsr()
        self.norm_ = _row_norms(taste)
        recent = history.matrix(self.event_weights, half_life_days=self.recent_half_life_days)
        self.recent_ = cap_users(recent[users], self.event_weights)

    def _interest(self, history: Interactions) -> sparse.csr_array:
        return read_interest(history, self.event_weights, half_life_days=self.half_life_days)

    def _weigh(self, interest: sparse.csr_array) -> sparse.csr_array:
        """x_ui / √n_i."""
        weighed = interest.copy()
        weighed.data = weighed.data * self.item_weights_[weighed.indices]
        return weighed

    def _score(self, history: Interactions) -> np.ndarray:
        taste = self._weigh(self._interest(history))
        norm = _row_norms(taste)
        scores = np.full((history.n_users, len(self.item_ids_)), -np.inf, dtype=np.float32)
        step = max(1, SIMILARITY_BYTES // (4 * max(1, len(self.norm_))))
        for start in range(0, history.n_users, step):
            rows = slice(start, start + step)
            similarity = dense_product(taste[rows], self.users_by_item_)
            # x_u·x_v / (|x_u| |x_v| + shrinkage)
            similarity /= np.maximum(
                norm[rows, None] * self.norm_ + np.float32(self.shrinkage),
                np.finfo(np.float32).tiny,
            )
            similarity[similarity <= 0] = -np.inf
            found = dense_product(self._nearest(similarity), self.recent_)
            scores[rows] = np.where(found > 0, found, -np.inf)
        return scores

    def _nearest(self, similarity: np.ndarray) -> sparse.csr_array:
        """Similarities of each user to the `n_neighbors` nearest users."""
        width = min(self.n_neighbors, similarity.shape[1])
        if not width:
            return sparse.csr_array(similarity.shape, dtype=np.float32)
        users, values = top_n_of_scores(similarity, width, overwrite_scores=True)
        row, place = np.nonzero(users >= 0)
        return sparse.csr_array(
            (values[row, place], (row, users[row, place])), shape=similarity.shape
        )


def _row_norms(matrix: sparse.csr_array) -> np.ndarray:
    squared = matrix.multiply(matrix).sum(axis=1)
    return np.sqrt(np.asarray(squared, dtype=np.float32))
