"""PureSVD: histories projected on the leading item directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import FactorRecommender
from pipelines.models.parameters import whole
from pipelines.models.scores import FactorScores


@dataclass(kw_only=True, eq=False)
class PureSVD(FactorRecommender):
    """Score items by a truncated singular value decomposition of the history matrix.

    Parameters
    ----------
    n_factors : int, default 64
        Singular vectors kept; at most the smaller side of the matrix is used.
    n_iterations : int, default 5
        Power iterations of the randomized solver.
    random_state : int, default 0
        Seed of the randomized solver.
    half_life_days, clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
        V, the right singular vectors.

    Notes
    -----
    With ``X ≈ U Σ Vᵀ``, the scores of a history x are ``x V Vᵀ``, the same for users seen and
    unseen in `fit`. Users whose history has no weighted event, or only items that no factor
    carries, get no list.

    References
    ----------
    P. Cremonesi, Y. Koren, R. Turrin (2010). Performance of Recommender Algorithms on Top-N
    Recommendation Tasks. RecSys.
    N. Halko, P.-G. Martinsson, J. Tropp (2011). Finding Structure with Randomness. SIAM Review 53.
    """

    strategy = "pure_svd"
    reason = "Liked by customers with a taste like yours"

    n_factors: int = whole(64)
    n_iterations: int = whole(5, at_least=0)
    random_state: int = whole(0, at_least=0)

    def _fit(self, history: Interactions) -> None:
        interest = self._interest(history)
        _, self.item_factors_ = leading_directions(
            interest, self.n_factors, self.n_iterations, self.random_state
        )

    def score_block(self, history: Interactions) -> FactorScores:
        """As `Recommender.score_block`: ``x V Vᵀ``."""
        users = np.ascontiguousarray(self._interest(history) @ self.item_factors_)
        return FactorScores(users, self.item_factors_)


def leading_directions(
    matrix: sparse.csr_array, n_factors: int, n_iterations: int, random_state: int
) -> tuple[np.ndarray, np.ndarray]:
    """Largest singular values of a matrix, and their right vectors.

    Returns
    -------
    values : ndarray of float32, shape (n_kept,)
        At most `n_factors`, falling. Those of zero are left out: their directions are not
        determined by the data.
    vectors : ndarray of float32, shape (n_columns, n_kept)
    """
    if not matrix.nnz:
        return np.zeros(0, np.float32), np.zeros((matrix.shape[1], 0), np.float32)
    rank = min(n_factors, *matrix.shape)
    _, values, rows = randomized_svd(matrix, rank, n_iter=n_iterations, random_state=random_state)
    is_kept = values > values[0] * max(matrix.shape) * np.finfo(np.float32).eps
    return values[is_kept], np.ascontiguousarray(rows[is_kept].T, dtype=np.float32)
