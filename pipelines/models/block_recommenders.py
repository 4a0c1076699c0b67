"""Recommenders that hold few numbers of each user, however many items there are."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, InterestRecommender, Recommender, TopN
from pipelines.models.kernels.signals import sparse_product
from pipelines.models.scores import FactorScores, Scores, SparseScores


class BlockRecommender(Recommender, ABC):
    """Base of recommenders whose scores are sparse or factorised; subclasses add `score_block`."""

    @abstractmethod
    def score_block(self, history: Interactions) -> Scores:
        """As `Recommender.score_block`."""

    @abstractmethod
    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""

    def _score(self, history: Interactions) -> np.ndarray:
        return self.score_block(history).to_dense()


class NeighborRecommender(InterestRecommender, BlockRecommender, ABC):
    """Base of recommenders that sum the similarities of items to those of a history.

    Attributes
    ----------
    similarity_ : csr_array of shape (n_items, n_items), float32
        s_ij, above 0, from an item i of the history to a listed item j.

    Notes
    -----
    ``score(u, j) = sum over i of x_ui s_ij``; items that nothing leads to are not listed.
    """

    similarity_: sparse.csr_array

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`."""
        return SparseScores(sparse_product(self._interest(history), self.similarity_))

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return count_reached(history, np.diff(self.similarity_.indptr))


class FactorRecommender(InterestRecommender, BlockRecommender, ABC):
    """Base of recommenders whose scores are inner products of users' and items' factors.

    Attributes
    ----------
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
    """

    item_factors_: np.ndarray

    @abstractmethod
    def score_block(self, history: Interactions) -> FactorScores:
        """As `Recommender.score_block`."""

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return np.full(history.n_users, self.item_factors_.shape[1])

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        """Lists of all users at once: the kernel cuts them into blocks for its own threads."""
        items, scores = self.score_block(history).top_n(
            k, exclude_pairs=exclude.pairs, exclude_items=exclude.items
        )
        return TopN(history.user_ids, self.item_ids_, items, scores)


def count_reached(history: Interactions, reach: np.ndarray) -> np.ndarray:
    """Numbers of four bytes that the scores of items reached from each history hold, at most.

    Parameters
    ----------
    reach : ndarray of int, shape (n_items,)
        Items that an item of a history leads to, at most.

    Returns
    -------
    ndarray of int64, shape (n_users,)
        Two for each score: the item and its value.
    """
    total = np.concatenate([[0], np.cumsum(reach[history.item], dtype=np.int64)])
    reached: np.ndarray = np.minimum(np.diff(total[history.row_starts]), history.n_items)
    return 2 * reached
