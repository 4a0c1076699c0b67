"""EASE^R: a linear item-item autoencoder in closed form."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.base import InterestRecommender
from pipelines.models.kernels.signals import large_product
from pipelines.models.kernels.threads import one_blas_thread
from pipelines.models.parameters import number, whole
from pipelines.models.popularity import keep_popular

#: Above this many items the factorization runs on one BLAS thread: OpenBLAS's `spotrf` with two
#: threads has crashed near 30,000.
PARALLEL_ITEMS_MAX = 16_000
#: Rows mirrored at once when the inverse's other triangle is filled.
MIRROR_ROWS = 1024


@dataclass(kw_only=True, eq=False)
class Ease(InterestRecommender):
    """Score items by a regression of every item on all others.

    Parameters
    ----------
    regularization : float, default 200.0
        λ, added to the diagonal of the Gram matrix. Histories that decay are smaller and want
        less.
    half_life_days : float, optional
        An event this old counts half, in the Gram matrix and in the history that is scored;
        without it, histories are binary.
    max_items : int, default 20_000
        Number of items learned, the most popular ones; memory grows with its square (4 bytes x
        20,000² = 1.6 GB) and time with its cube. The rest is neither scored nor listed, and a
        warning says so.
    clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    item_ids_ : ndarray of str, shape (n_items,)
        The items learned, at most `max_items`.
    weights_ : ndarray of float32, shape (n_items, n_items)
        B, with zero diagonal.

    Notes
    -----
    B minimises ``|X - X B|² + λ |B|²`` with ``diag(B) = 0``. With ``P = (XᵀX + λI)⁻¹``:
    ``B = I - P diag(1 / diag P)``, and the scores are ``X B``. A user with weighted events that
    say something about other items has a finite score for all items; others get no list.

    References
    ----------
    H. Steck (2019). Embarrassingly Shallow Autoencoders for Sparse Data. WWW.
    """

    strategy = "ease"
    reason = "Goes with items you chose"

    regularization: float = number(200.0, above=0)
    max_items: int = whole(20_000)

    def _fit(self, history: Interactions) -> None:
        history = keep_popular(history, self.max_items, self.event_weights, self.half_life_days)
        self.item_ids_ = np.array(history.item_ids)
        self.weights_ = solve_ease(self._interest(history), self.regularization)

    def _score(self, history: Interactions) -> np.ndarray:
        scores = np.ascontiguousarray(self._interest(history) @ self.weights_)
        scores[~scores.any(axis=1)] = -np.inf
        return scores


def solve_ease(interest: sparse.csr_array, regularization: float) -> np.ndarray:
    """Item-item weights of EASE^R.

    Parameters
    ----------
    interest : csr_array of shape (n_users, n_items), float32
        X.
    regularization : float
        λ.

    Returns
    -------
    ndarray of float32, shape (n_items, n_items)
        B; the computation holds one such matrix and small blocks.

    Raises
    ------
    SettingsError
        If λ is too small for the Gram matrix to be positive definite in float32.
    """
    n_items = interest.shape[1]
    gram = large_product(interest.T.tocsr(), interest)
    gram[np.diag_indices(n_items)] += np.float32(regularization)  # G = XᵀX + λI
    inverse = _invert(gram, regularization)  # P = G⁻¹
    diagonal = inverse.diagonal().copy()
    inverse /= -diagonal  # B_ij = -P_ij / P_jj
    np.fill_diagonal(inverse, 0.0)
    return inverse


def factorize(gram: np.ndarray, regularization: float) -> np.ndarray:
    """Cholesky factor of a Gram matrix with λ on its diagonal, computed in place.

    Parameters
    ----------
    gram : ndarray of float32, shape (n_items, n_items)
        Symmetric, C-contiguous; overwritten.
    regularization : float
        λ, for the error message.

    Returns
    -------
    ndarray of float32, shape (n_items, n_items)
        In Fortran order, the factor in the lower triangle.

    Raises
    ------
    SettingsError
        If the matrix is not positive definite in float32.
    """
    # LAPACK wants Fortran order; the transpose of a symmetric matrix is that without a copy.
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise SettingsError(
            "`regularization` must make the Gram matrix positive definite in float32. Got "
            f"{regularization!r}, too small at pivot {failed}. Raise it in the candidate's "
            "`params` in recsys.toml."
        )
    return np.asarray(factor)


def suitable_threads(n_items: int) -> AbstractContextManager[None]:
    """Context for a factorization: one BLAS thread above `PARALLEL_ITEMS_MAX` items, else all."""
    return one_blas_thread() if n_items > PARALLEL_ITEMS_MAX else nullcontext()


def _invert(gram: np.ndarray, regularization: float) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix, computed in place."""
    with suitable_threads(len(gram)):
        factor = factorize(gram, regularization)
        inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    return _mirror_upper(inverse.T)


def _mirror_upper(matrix: np.ndarray) -> np.ndarray:
    """Copy the upper triangle onto the lower one."""
    for start in range(0, len(matrix), MIRROR_ROWS):
        stop = start + MIRROR_ROWS
        corner = np.triu(matrix[start:stop, start:stop])
        matrix[start:stop, start:stop] = corner + np.triu(corner, 1).T
        matrix[stop:, start:stop] = matrix[start:stop, stop:].T
    return matrix
