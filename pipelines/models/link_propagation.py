"""Link propagation: paths user → item → user → item, each end damped by its degree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import NeighborRecommender
from pipelines.models.kernels.neighbors import nearest_of_product
from pipelines.models.parameters import number, whole


@dataclass(kw_only=True, eq=False)
class LinkPropagation(NeighborRecommender):
    """Recommend what many short paths lead to, busy users and popular items counting less.

    Parameters
    ----------
    history_exponent : float, default 0.5
        β: how much the popularity of an item of the history damps the paths through it.
    user_exponent : float, default 0.7
        γ: how much a long history damps the paths through its user.
    listed_exponent : float, default 0.35
        δ: how much the popularity of the item at the end damps its score; the larger, the less
        popular the lists.
    n_neighbors : int, default 500
        Items kept per item of the history.
    half_life_days, clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    similarity_ : csr_array of shape (n_items, n_items), float32
        Row i holds the `n_neighbors` items with the strongest links from i; zero diagonal.

    Notes
    -----
    ``s_ij = d_i^-β (sum over users v of x_vi x_vj d_v^-γ) d_j^-δ``, with the degrees d: the sum of
    a user's row or an item's column of the history matrix x. The `n_neighbors` largest of each
    row are kept, equal ones by lowest item_id, and ``score(u, j) = sum over i of x_ui s_ij``. The
    degree of u itself would scale all scores of a list alike and is left out. Only items with a
    positive score are listed. β = γ = δ = 0 counts co-occurrences; β = δ = 1/2, γ = 1 is the
    linear part of GF-CF.

    References
    ----------
    H.-M. Fu, P. Poirson, K. S. Lee, C. Wang (2022). Revisiting Neighborhood-based Link Prediction
    for Collaborative Filtering. WWW Companion.
    Y. Shen, Y. Wu, Y. Zhang, C. Shan, J. Zhang, K. B. Letaief, D. Li (2021). How Powerful is Graph
    Convolution for Recommendation? CIKM.
    """

    strategy = "link_propagation"
    reason = "Many paths lead to it from items you chose"

    history_exponent: float = number(0.5, at_least=0)
    user_exponent: float = number(0.7, at_least=0)
    listed_exponent: float = number(0.35, at_least=0)
    n_neighbors: int = whole(500)

    def _fit(self, history: Interactions) -> None:
        self.similarity_ = self._links(self._interest(history))

    def _links(self, interest: sparse.csr_array) -> sparse.csr_array:
        """The largest entries of every row of s."""
        user_degree = np.asarray(interest.sum(axis=1, dtype=np.float64))
        item_degree = np.asarray(interest.sum(axis=0, dtype=np.float64))
        # half of d_v^-γ on each side of the product
        half = np.repeat(_damp(user_degree, self.user_exponent / 2), np.diff(interest.indptr))
        damped = sparse.csr_array(
            (interest.data * half, interest.indices, interest.indptr), shape=interest.shape
        )
        start_damping = _damp(item_degree, self.history_exponent)
        end_damping = _damp(item_degree, self.listed_exponent)

        def weigh(row: np.ndarray, column: np.ndarray, links: np.ndarray) -> None:
            # s_ij = d_i^-β (sum over v of x_vi x_vj d_v^-γ) d_j^-δ
            links *= start_damping[row] * end_damping[column]

        return nearest_of_product(damped.T.tocsr(), damped, self.n_neighbors, weigh)


def _damp(degree: np.ndarray, exponent: float) -> np.ndarray:
    """d^-exponent as float32; 1 where nothing was met, which no path reaches."""
    damping: np.ndarray = np.where(degree > 0, degree, 1.0) ** -exponent
    return damping.astype(np.float32)
