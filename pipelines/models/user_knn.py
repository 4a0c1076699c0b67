"""Nearest users: what users with similar histories chose lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import BlockRecommender
from pipelines.models.kernels.neighbors import nearest_of_product
from pipelines.models.kernels.sampling import hash_ids, lowest_hashes
from pipelines.models.kernels.signals import cap_users, read_interest, sparse_product
from pipelines.models.parameters import number, whole
from pipelines.models.scores import SparseScores


@dataclass(kw_only=True, eq=False)
class UserKNN(BlockRecommender):
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

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: what the nearest users chose."""
        return SparseScores(sparse_product(self._nearest(history), self.recent_))

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        longest = int(np.diff(self.recent_.indptr).max(initial=0))
        reached = min(self.n_neighbors * longest, history.n_items)
        return np.full(history.n_users, 2 * reached)

    def _nearest(self, history: Interactions) -> sparse.csr_array:
        """Similarities of each user to the `n_neighbors` nearest users."""
        taste = self._weigh(self._interest(history))
        norm = _row_norms(taste)

        def weigh(row: np.ndarray, column: np.ndarray, similarity: np.ndarray) -> None:
            # x_u·x_v / (|x_u| |x_v| + shrinkage)
            similarity /= np.maximum(
                norm[row] * self.norm_[column] + np.float32(self.shrinkage),
                np.finfo(np.float32).tiny,
            )

        return nearest_of_product(
            taste, self.users_by_item_, self.n_neighbors, weigh, keep_itself=True
        )


def _row_norms(matrix: sparse.csr_array) -> np.ndarray:
    squared = matrix.multiply(matrix).sum(axis=1)
    return np.sqrt(np.asarray(squared, dtype=np.float32))
