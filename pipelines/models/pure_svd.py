"""PureSVD: histories projected on the leading item directions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.kernels.signals import read_interest
from pipelines.models.kernels.top_n import top_n_of_factors
from pipelines.models.parameters import PURCHASES_ONLY, check_number


class PureSVD(Recommender):
    """Score items by a truncated singular value decomposition of the history matrix.

    Parameters
    ----------
    n_factors : int, default 64
        Singular vectors kept; at most the smaller side of the matrix is used.
    n_iterations : int, default 5
        Power iterations of the randomized solver.
    half_life_days : float, optional
        An event this old counts half; without it, histories are binary.
    clip : float or None, default 1.0
        Upper bound of a decayed history value, min(value, clip).
    random_state : int, default 0
        Seed of the randomized solver.
    event_weights : mapping of str to float
        Weight of one event of a type.

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

    def __init__(
        self,
        *,
        n_factors: int = 64,
        n_iterations: int = 5,
        half_life_days: float | None = None,
        clip: float | None = 1.0,
        random_state: int = 0,
        event_weights: Mapping[str, float] = PURCHASES_ONLY,
    ) -> None:
        self.n_factors = n_factors
        self.n_iterations = n_iterations
        self.half_life_days = half_life_days
        self.clip = clip
        self.random_state = random_state
        self.event_weights = event_weights

    def _fit(self, history: Interactions) -> None:
        check_number("n_factors", self.n_factors, at_least=1, integer=True)
        check_number("n_iterations", self.n_iterations, at_least=0, integer=True)
        check_number("half_life_days", self.half_life_days, above=0, optional=True)
        check_number("clip", self.clip, above=0, optional=True)
        check_number("random_state", self.random_state, at_least=0, integer=True)
        interest = self._interest(history)
        rank = min(self.n_factors, *interest.shape)
        if not interest.nnz:
            self.item_factors_ = np.zeros((history.n_items, rank), dtype=np.float32)
            return
        _, values, rows = randomized_svd(
            interest, rank, n_iter=self.n_iterations, random_state=self.random_state
        )
        # Directions of singular value zero are not determined by the data.
        is_kept = values > values[0] * max(interest.shape) * np.finfo(np.float32).eps
        self.item_factors_ = np.ascontiguousarray(rows[is_kept].T, dtype=np.float32)

    def _interest(self, history: Interactions) -> sparse.csr_array:
        return read_interest(
            history, self.event_weights, half_life_days=self.half_life_days, clip=self.clip
        )

    def _score(self, history: Interactions) -> np.ndarray:
        users = self._interest(history) @ self.item_factors_
        scores = np.ascontiguousarray(users @ self.item_factors_.T)  # x V Vᵀ
        scores[~users.any(axis=1)] = -np.inf
        return scores

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        users = np.ascontiguousarray(self._interest(history) @ self.item_factors_)
        items, scores = top_n_of_factors(
            users,
            self.item_factors_,
            k,
            exclude_pairs=exclude.pairs,
            exclude_items=exclude.items,
        )
        says_nothing = ~users.any(axis=1)
        items[says_nothing], scores[says_nothing] = -1, np.nan
        return TopN(history.user_ids, self.item_ids_, items, scores)
