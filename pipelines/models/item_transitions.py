"""Linear item-to-item transitions, from the items of a history to those of the days after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from pipelines.features.interactions import Interactions
from pipelines.models.base import InterestRecommender
from pipelines.models.ease import factorize, suitable_threads
from pipelines.models.folds import Fold, cut_folds
from pipelines.models.kernels.signals import large_product
from pipelines.models.kernels.threads import in_threads
from pipelines.models.parameters import choice_types, event_list, number, whole
from pipelines.models.popularity import keep_popular


@dataclass(kw_only=True, eq=False)
class ItemTransitions(InterestRecommender):
    """Predict the items of the next days from the items of the history, by ridge regression.

    Parameters
    ----------
    regularization : float, default 10.0
        λ, the ridge.
    half_life_days : float, optional
        One of the user's events this old counts half; default 120. Without it, histories are
        binary.
    horizon_days : int, default 14
        Days of a target.
    step_days : int, default 7
        Days from one target to the one before it; below `horizon_days`, targets overlap.
    n_windows : int, default 40
        Targets to learn from, at most.
    window_half_life_days : float, default 45.0
        A target that begins this many days before the newest one counts half.
    target_events : sequence of str, optional
        Events that targets are made of; default the types of positive weight.
    max_users : int, default 20000
        Most users of one target; of more, those with the lowest CRC-32 of their user_id.
    max_items : int, default 20000
        Items learned, the most popular ones; bounds memory (two matrices of n_items²) and time.
    clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    weights_ : ndarray of float32, shape (n_items, n_items)
        B; the diagonal says how often an item is chosen again.

    Notes
    -----
    For every window w and every user with a history before it and a target in it, x is the
    decayed history before the window divided by the square root of its length, and y the items
    chosen in the window. With v = 2^(−age(w) / window_half_life) / √|y|,

    ``B = argmin Σ v |y − xB|² + λ |B|² = (Xᵀ V X + λI)⁻¹ Xᵀ V Y``, ``score(u, j) = (x_u B)_j``.

    EASE explains a history by itself; here the past explains what came after it, so order,
    repeats and demand that shifts are in B. All targets end at or before the cutoff of `fit`.
    Users whose history says nothing about what follows get no list.

    References
    ----------
    M. Choi, J. Kim, J. Lee, H. Shim, J. Lee (2021). Session-aware Linear Item-Item Models for
    Session-based Recommendation (SLIT, the linear item transition model). WWW. The windows in
    calendar time, their decay and the repeats on the diagonal are this implementation's.
    """

    strategy = "item_transitions"
    reason = "Often follows what you chose"

    regularization: float = number(10.0, above=0)
    half_life_days: float | None = number(120.0, above=0, optional=True)
    horizon_days: int = whole(14)
    step_days: int = whole(7)
    n_windows: int = whole(40)
    window_half_life_days: float = number(45.0, above=0)
    target_events: Sequence[str] | None = event_list()
    max_users: int = whole(20_000)
    max_items: int = whole(20_000)

    def _fit(self, history: Interactions) -> None:
        history = keep_popular(history, self.max_items, self.event_weights, None)
        self.item_ids_ = np.array(history.item_ids)
        self.weights_ = solve_ridge(*self._regression(history), self.regularization)

    def _regression(self, history: Interactions) -> tuple[sparse.csr_array, sparse.csr_array]:
        """√V X and √V Y of all windows, one row per user and window."""
        events = self.target_events
        folds = cut_folds(
            history,
            choice_types(self.event_weights) if events is None else events,
            horizon_days=self.horizon_days,
            step_days=self.step_days,
            n_folds=self.n_windows,
            repeats=True,
            max_users=self.max_users,
        )
        none = sparse.csr_array((0, history.n_items), dtype=np.float32)
        rows = [(none, none), *in_threads(self._window_rows, enumerate(folds))]
        past, after = (sparse.csr_array(sparse.vstack(side)) for side in zip(*rows, strict=True))
        return past, after

    def _window_rows(self, window: tuple[int, Fold]) -> tuple[sparse.csr_array, sparse.csr_array]:
        """√V X and √V Y of one window, the newest of which is number 0."""
        number, fold = window
        target = fold.truth.astype(np.float32)
        decay = 2.0 ** (-number * self.step_days / self.window_half_life_days)
        # √v = √(2^(−age / half_life) / √|y|)
        weight = np.sqrt(decay / np.sqrt(np.diff(target.indptr)))
        return _scale_rows(self._interest(fold.past_of_users), weight), _scale_rows(target, weight)

    def _interest(self, history: Interactions) -> sparse.csr_array:
        """Vectors x: decayed choices, divided by the square root of their length."""
        interest = super()._interest(history)
        length = np.sqrt(np.asarray(interest.power(2).sum(axis=1, dtype=np.float64)))
        return _scale_rows(interest, 1.0 / np.sqrt(np.where(length > 0, length, 1.0)))

    def _score(self, history: Interactions) -> np.ndarray:
        scores = np.ascontiguousarray(self._interest(history) @ self.weights_)
        scores[~scores.any(axis=1)] = -np.inf
        return scores


def solve_ridge(
    past: sparse.csr_array, after: sparse.csr_array, regularization: float
) -> np.ndarray:
    """Coefficients of a ridge regression with many targets.

    Parameters
    ----------
    past, after : csr_array of shape (n_rows, n_items), float32
        X and Y.
    regularization : float
        λ.

    Returns
    -------
    ndarray of float32, shape (n_items, n_items)
        ``(XᵀX + λI)⁻¹ XᵀY``.

    Raises
    ------
    SettingsError
        If λ is too small for the Gram matrix to be positive definite in float32.
    """
    by_item = past.T.tocsr()
    gram, cross = large_product(by_item, past), large_product(by_item, after)
    gram[np.diag_indices(len(gram))] += np.float32(regularization)
    with suitable_threads(len(gram)):
        factor = factorize(gram, regularization)
        weights, _ = lapack.spotrs(factor, np.asfortranarray(cross), lower=1, overwrite_b=1)
    return np.ascontiguousarray(weights)


def _scale_rows(matrix: sparse.csr_array, factor: np.ndarray) -> sparse.csr_array:
    scaled = sparse.csr_array(matrix, dtype=np.float32, copy=True)
    scaled.data *= np.repeat(factor.astype(np.float32), np.diff(scaled.indptr))
    return scaled
