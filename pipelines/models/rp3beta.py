"""RP3beta: three steps of a random walk from a user, popular ends damped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import NeighborRecommender
from pipelines.models.kernels.neighbors import keep_nearest_of_columns, nearest_of_product
from pipelines.models.parameters import choice, flag, number, whole

PRUNINGS = ("history", "both")


@dataclass(kw_only=True, eq=False)
class RP3Beta(NeighborRecommender):
    """Recommend what a random walk user → item → user → item ends on.

    Parameters
    ----------
    alpha : float, default 0.6
        Exponent of the transition probabilities; below 1, rare transitions count more.
    beta : float, default 0.2
        Exponent of the popularity that an item's score is divided by.
    n_neighbors : int, default 200
        Items kept per item.
    normalize : bool, default True
        Whether the kept similarities of each item of the history are scaled to sum 1.
    neighbors_of : {"history", "both"}, default "history"
        "both" keeps, after scaling, only the `n_neighbors` nearest of each listed item, too.
    half_life_days, clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    similarity_ : csr_array of shape (n_items, n_items), float32
        Row i holds the items that the walk reaches from i; zero diagonal.

    Notes
    -----
    With ``p_ui = (x_ui / sum of row u)^alpha`` and ``p_iu = (x_ui / sum of column i)^alpha``:
    ``s_ij = (sum over users u of p_iu p_uj) / d_j^beta``, with d_j the users of j; the
    `n_neighbors` largest of each row are kept, equal ones by lowest item_id, and divided by their
    sum. ``score(u, j) = sum over i of x_ui s_ij``. Only items with a positive score are listed.

    References
    ----------
    B. Paudel, F. Christoffel, C. Newell, A. Bernstein (2017). Updatable, Accurate, Diverse, and
    Scalable Recommendations for Interactive Applications. ACM TiiS 7(1).
    """

    strategy = "rp3beta"
    reason = "Reached from items you chose"

    alpha: float = number(0.6, at_least=0)
    beta: float = number(0.2, at_least=0)
    n_neighbors: int = whole(200)
    normalize: bool = flag(True)
    neighbors_of: str = choice("history", PRUNINGS)

    def _fit(self, history: Interactions) -> None:
        nearest = self._walk(self._interest(history))
        if self.normalize:
            sums = np.asarray(nearest.sum(axis=1))
            nearest.data /= np.repeat(sums, np.diff(nearest.indptr))
        if self.neighbors_of == "both":
            nearest = keep_nearest_of_columns(nearest, self.n_neighbors)
        self.similarity_ = nearest

    def _walk(self, interest: sparse.csr_array) -> sparse.csr_array:
        """The largest entries of every row of s."""
        to_items = _step(interest, self.alpha)  # p_ui
        to_users = _step(interest.T.tocsr(), self.alpha)  # p_iu
        users_of = np.bincount(interest.indices, minlength=interest.shape[1])  # d_j
        damping = (np.maximum(users_of, 1).astype(np.float64) ** -self.beta).astype(np.float32)

        def weigh(_: np.ndarray, column: np.ndarray, walk: np.ndarray) -> None:
            walk *= damping[column]  # s_ij = (sum over u of p_iu p_uj) / d_j^beta

        return nearest_of_product(to_users, to_items, self.n_neighbors, weigh)


def _step(matrix: sparse.csr_array, alpha: float) -> sparse.csr_array:
    """Transition probabilities from rows to columns, to the power of alpha."""
    sums = np.repeat(np.asarray(matrix.sum(axis=1, dtype=np.float64)), np.diff(matrix.indptr))
    data = ((matrix.data / sums) ** alpha).astype(np.float32)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
