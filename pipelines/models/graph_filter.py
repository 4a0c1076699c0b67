"""Graph filter: histories blurred over the user-item graph, then sharpened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import InterestRecommender
from pipelines.models.parameters import number, whole
from pipelines.models.pure_svd import leading_directions

#: Users whose dense scores are filtered at once; the last block is filled up with zeros.
BLOCK_USERS = 256


@dataclass(kw_only=True, eq=False)
class GraphFilter(InterestRecommender):
    """Score items by a history that is blurred over the user-item graph, then sharpened.

    Parameters
    ----------
    n_factors : int, default 256
        Frequencies that the ideal low-pass filter lets through; at most the smaller side of the
        matrix is used.
    low_pass_weight : float, default 0.3
        w: weight of the ideal low-pass filter beside the linear one; 0 leaves it out.
    user_exponent : float, default 1.0
        γ: how much a long history damps what passes through its user.
    item_exponent : float, default 0.5
        δ: how much the popularity of an item damps what passes through it.
    sharpening : float, default 0.0
        s: how much of the blurred scores, blurred once more, is subtracted from them. That is
        popularity first of all; around 1, the lowest frequency is gone.
    popularity_exponent : float, default 0.0
        ρ, above -1: power of an item's popularity that its score is multiplied by; below 0, the
        lists are less popular.
    n_iterations : int, default 5
        Power iterations of the randomized solver.
    random_state : int, default 0
        Seed of the randomized solver.
    half_life_days, clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    links_ : csr_array of shape (n_users, n_items), float32
        R̃, the damped histories of the users of `fit`, without their ids.
    item_degree_ : ndarray of float32, shape (n_items,)
        Sum of an item's column of the history matrix.
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
        V, the right singular vectors of R̃ with the largest values.

    Notes
    -----
    With the history matrix X and its degrees, ``R̃ = D_U^(-γ/2) X D_I^(-δ) / σ``, where σ makes the
    largest singular value 1, and ``P = R̃ᵀR̃``. A history x is blurred,
    ``y = x (P + w D_I^(-δ) V Vᵀ D_I^δ)``: the linear filter P reaches single items over two steps
    of the graph, the ideal low-pass filter keeps the coarse tastes. Then one Euler step sharpens,
    and ``score = (y - s y P) D_I^ρ``. With γ = 1, δ = 1/2, s = 0 and ρ = 0, where σ is 1, this is
    GF-CF; with s, it is a BSPM. P is never made: rows pass through R̃ᵀ, then R̃. Items that nobody
    met are not listed; users without an item that somebody met get no list.

    References
    ----------
    Y. Shen, Y. Wu, Y. Zhang, C. Shan, J. Zhang, K. B. Letaief, D. Li (2021). How Powerful is Graph
    Convolution for Recommendation? CIKM.
    J. Choi, S. Hong, N. Park, S.-B. Cho (2023). Blurring-Sharpening Process Models for
    Collaborative Filtering. SIGIR.
    """

    strategy = "graph_filter"
    reason = "Close to your choices among what customers choose together"

    n_factors: int = whole(256)
    low_pass_weight: float = number(0.3, at_least=0)
    user_exponent: float = number(1.0, at_least=0)
    item_exponent: float = number(0.5, at_least=0)
    sharpening: float = number(0.0, at_least=0)
    popularity_exponent: float = number(0.0, above=-1)
    n_iterations: int = whole(5, at_least=0)
    random_state: int = whole(0, at_least=0)

    def _fit(self, history: Interactions) -> None:
        interest = self._interest(history)
        user_degree = np.asarray(interest.sum(axis=1, dtype=np.float64))
        self.item_degree_ = np.asarray(interest.sum(axis=0, dtype=np.float64)).astype(np.float32)
        # R̃ = D_U^(-γ/2) X D_I^(-δ) / σ
        damped = _scale(interest, user_degree, -self.user_exponent / 2)
        links = _scale(damped.T.tocsr(), self.item_degree_, -self.item_exponent).T.tocsr()
        values, self.item_factors_ = leading_directions(
            links, self.n_factors, self.n_iterations, self.random_state
        )
        links.data /= values[0] if len(values) else np.float32(1)
        self.links_ = links

    def _score(self, history: Interactions) -> np.ndarray:
        interest = self._interest(history)
        back = self.links_.T.tocsr()
        users = interest @ back
        scores: np.ndarray = (users @ self.links_).toarray(order="C")  # x P
        if self.low_pass_weight:
            self._add_low_pass(interest, scores)
        if self.sharpening:
            self._sharpen(back, scores)
        scores *= _power(self.item_degree_, self.popularity_exponent)
        scores[np.diff(users.indptr) == 0] = -np.inf
        scores[:, self.item_degree_ == 0] = -np.inf
        return scores

    def _add_low_pass(self, interest: sparse.csr_array, scores: np.ndarray) -> None:
        """Add w x D_I^(-δ) V Vᵀ D_I^δ, summed in float64.

        BLAS sums a product in an order that depends on a row's place in its block; rounding the
        sum to float32 leaves no trace of it.
        """
        damping = _power(self.item_degree_, -self.item_exponent)[:, None]
        frequencies = (interest @ (self.item_factors_ * damping)).astype(np.float64)
        out = self.item_factors_.T * (np.float64(self.low_pass_weight) / damping.T)
        for start in range(0, len(scores), BLOCK_USERS):
            rows = slice(start, start + BLOCK_USERS)
            scores[rows] += (frequencies[rows] @ out).astype(np.float32)

    def _sharpen(self, back: sparse.csr_array, scores: np.ndarray) -> None:
        """Subtract s y P in place; `back` is R̃ᵀ."""
        for start in range(0, len(scores), BLOCK_USERS):
            block = scores[start : start + BLOCK_USERS]
            blurred = back @ (self.links_ @ np.ascontiguousarray(block.T))
            block -= np.float32(self.sharpening) * blurred.T


def _power(degree: np.ndarray, exponent: float) -> np.ndarray:
    """Degrees to a power as float32; 1 where nothing was met."""
    power: np.ndarray = np.where(degree > 0, degree, 1.0).astype(np.float64) ** exponent
    return power.astype(np.float32)


def _scale(matrix: sparse.csr_array, degree: np.ndarray, exponent: float) -> sparse.csr_array:
    """Each row of a matrix times its degree to a power."""
    data = matrix.data * np.repeat(_power(degree, exponent), np.diff(matrix.indptr))
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
