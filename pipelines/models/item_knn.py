"""Item-to-item neighbours: shrunk cosine or co-counts, plain, TF-IDF or BM25."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import NeighborRecommender
from pipelines.models.kernels.neighbors import nearest_of_product
from pipelines.models.kernels.term_weights import BM25_B, BM25_K1, weigh_bm25, weigh_tf_idf
from pipelines.models.parameters import choice, number, require, whole

SIMILARITIES = ("cosine", "dot")
WEIGHTINGS = ("none", "tf_idf", "bm25")
PRUNINGS = ("history", "listed")


@dataclass(kw_only=True, eq=False)
class ItemKNN(NeighborRecommender):
    """Recommend the nearest neighbours of the items in a history.

    Parameters
    ----------
    n_neighbors : int, default 100
        Neighbours kept per item.
    shrinkage : float, default 20.0
        Added to the cosine's denominator: similarities that rest on few users shrink.
    similarity : {"cosine", "dot"}, default "cosine"
        Whether x_i·x_j is divided by the lengths. `shrinkage` has no effect on dot products.
    weighting : {"none", "tf_idf", "bm25"}, default "none"
        How entries of the history matrix are weighted before similarities are computed (formulas
        in `term_weights`): users with long histories say less, and BM25 damps popular items.
    bm25_k1, bm25_b : float, default 1.2 and 0.75
        Constants of BM25.
    neighbors_of : {"history", "listed"}, default "history"
        Whose neighbours are kept: those of each item in the history (rows), or those of each item
        that may be listed (columns).
    half_life_days, clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    similarity_ : csr_array of shape (n_items, n_items), float32
        s_ij from an item i of the history to a listed item j, for the `n_neighbors` most similar,
        ties kept by lowest item_id; zero diagonal.

    Notes
    -----
    ``s_ij = x_i·x_j / (|x_i| |x_j| + shrinkage)`` over the columns x of the weighted history
    matrix, or ``s_ij = x_i·x_j``; ``score(u, j) = sum over i of x_ui s_ij``, with the history as
    it is, not weighted. Only items with a positive score are listed, so users without weighted
    events get no list. XᵀX is made some rows at a time.

    References
    ----------
    M. Deshpande, G. Karypis (2004). Item-Based Top-N Recommendation Algorithms. ACM TOIS 22(1).
    """

    strategy = "item_knn"
    reason = "Often chosen with items you chose"

    n_neighbors: int = whole(100)
    shrinkage: float = number(20.0, at_least=0)
    similarity: str = choice("cosine", SIMILARITIES)
    weighting: str = choice("none", WEIGHTINGS)
    bm25_k1: float = number(BM25_K1, above=0)
    bm25_b: float = number(BM25_B, at_least=0)
    neighbors_of: str = choice("history", PRUNINGS)

    def _fit(self, history: Interactions) -> None:
        require(self.bm25_b <= 1, "bm25_b", self.bm25_b, "be a number from 0 to 1")
        nearest = self._nearest(self._weigh(history))
        if self.neighbors_of == "listed":  # similarities are symmetric
            nearest = nearest.T.tocsr()
            nearest.sort_indices()
        self.similarity_ = nearest

    def _weigh(self, history: Interactions) -> sparse.csr_array:
        interest = self._interest(history)
        if self.weighting == "tf_idf":
            return weigh_tf_idf(interest)
        if self.weighting == "bm25":
            return weigh_bm25(interest, self.bm25_k1, self.bm25_b)
        return interest

    def _nearest(self, weighted: sparse.csr_array) -> sparse.csr_array:
        """The largest entries of every row of s."""
        norm = np.sqrt(weighted.power(2).sum(axis=0, dtype=np.float64)).astype(np.float32)

        def weigh(row: np.ndarray, column: np.ndarray, gram: np.ndarray) -> None:
            if self.similarity == "cosine":
                # s_ij = x_i·x_j / (|x_i| |x_j| + shrinkage)
                denominator = norm[row] * norm[column]
                denominator += np.float32(self.shrinkage)
                np.maximum(denominator, np.finfo(np.float32).tiny, out=denominator)
                gram /= denominator

        return nearest_of_product(weighted.T.tocsr(), weighted, self.n_neighbors, weigh)
