"""EASE^R: a linear item-item autoencoder in closed form."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.base import InterestRecommender
from pipelines.models.block_recommenders import BlockRecommender, count_reached
from pipelines.models.kernels.neighbors import nearest_of_product, stack_rows
from pipelines.models.kernels.signals import dense_product, large_product, sparse_product
from pipelines.models.kernels.threads import in_threads, one_blas_thread
from pipelines.models.parameters import number, whole
from pipelines.models.scores import DenseScores, Scores, SparseScores

#: Above this many items the factorization runs on one BLAS thread: OpenBLAS's `spotrf` with two
#: threads has crashed near 30,000.
PARALLEL_ITEMS_MAX = 16_000
#: Rows mirrored at once when the inverse's other triangle is filled.
MIRROR_ROWS = 1024
#: Share of an item's nearest neighbours whose weights are read from the same inverse.
SHARED = 0.1

logger = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Ease(InterestRecommender, BlockRecommender):
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
        Most items that are regressed on all others: memory grows with their square (4 bytes x
        20,000² = 1.6 GB) and time with their cube. Of more, each is regressed on its nearest
        (`solve_sparse_ease`), and the log says so.
    n_neighbors : int, default 200
        Items that an item is then regressed on.
    clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    weights_ : ndarray or csr_array of float32, shape (n_items, n_items)
        B, with zero diagonal; sparse beyond `max_items`.

    Notes
    -----
    B minimises ``|X - X B|² + λ |B|²`` with ``diag(B) = 0``. With ``P = (XᵀX + λI)⁻¹``:
    ``B = I - P diag(1 / diag P)``, and the scores are ``X B``. A user with weighted events that
    say something about other items has a finite score for all items; others get no list. Beyond
    `max_items`, only items with a positive score are listed.

    References
    ----------
    H. Steck (2019). Embarrassingly Shallow Autoencoders for Sparse Data. WWW.
    H. Steck (2019). Markov Random Fields for Collaborative Filtering. NeurIPS: beyond `max_items`.
    """

    strategy = "ease"
    reason = "Goes with items you chose"

    regularization: float = number(200.0, above=0)
    max_items: int = whole(20_000)

    n_neighbors: int = whole(200)

    def _fit(self, history: Interactions) -> None:
        interest = self._interest(history)
        if history.n_items <= self.max_items:
            self.weights_: np.ndarray | sparse.csr_array = solve_ease(interest, self.regularization)
            return
        logger.warning(
            "of %d items, more than `max_items` (%d), each is regressed on its %d nearest",
            history.n_items,
            self.max_items,
            self.n_neighbors,
        )
        self.weights_ = solve_sparse_ease(interest, self.regularization, self.n_neighbors)

    def score_block(self, history: Interactions) -> Scores:
        """As `Recommender.score_block`."""
        interest = self._interest(history)
        if isinstance(self.weights_, sparse.csr_array):
            scores = sparse_product(interest, self.weights_)
            scores.data[scores.data <= 0] = -np.inf
            return SparseScores(scores)
        dense = np.ascontiguousarray(interest @ self.weights_)
        dense[~dense.any(axis=1)] = -np.inf
        return DenseScores(dense)

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        if isinstance(self.weights_, sparse.csr_array):
            return count_reached(history, np.diff(self.weights_.indptr))
        return np.full(history.n_users, history.n_items)


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
    return weights_of_gram(large_product(interest.T.tocsr(), interest), regularization)


def weights_of_gram(gram: np.ndarray, regularization: float) -> np.ndarray:
    """Weights of EASE^R from a Gram matrix XᵀX, computed in place; as `solve_ease`."""
    gram[np.diag_indices(len(gram))] += np.float32(regularization)  # G = XᵀX + λI
    inverse = _invert(gram, regularization)  # P = G⁻¹
    diagonal = inverse.diagonal().copy()
    inverse /= -diagonal  # B_ij = -P_ij / P_jj
    np.fill_diagonal(inverse, 0.0)
    return inverse


def solve_sparse_ease(
    interest: sparse.csr_array, regularization: float, n_neighbors: int
) -> sparse.csr_array:
    """Item-item weights of EASE^R, each item regressed on its nearest neighbours.

    Parameters
    ----------
    interest : csr_array of shape (n_users, n_items), float32
        X.
    regularization : float
        λ.
    n_neighbors : int
        Items with the largest cosine that an item is regressed on.

    Returns
    -------
    csr_array of shape (n_items, n_items), float32
        B, with about `n_neighbors` weights in a column and none on the diagonal.

    Raises
    ------
    SettingsError
        If λ is too small for a Gram matrix to be positive definite in float32.

    Notes
    -----
    With S an item and its neighbours, ``P = (X_SᵀX_S + λI)⁻¹`` and ``B_ij = -P_ij / P_jj`` for i
    in S. The nearest of the neighbours take their weights from the same P, popular items first,
    which saves most of the inverses. With all items as neighbours, this is EASE^R.

    References
    ----------
    H. Steck (2019). Markov Random Fields for Collaborative Filtering. NeurIPS, section 3.2.
    """
    by_item = interest.T.tocsr()
    length = np.sqrt(np.asarray(by_item.power(2).sum(axis=1, dtype=np.float64)))

    def weigh(row: np.ndarray, column: np.ndarray, gram: np.ndarray) -> None:
        gram /= (length[row] * length[column]).astype(np.float32)

    nearest = nearest_of_product(by_item, interest, n_neighbors, weigh)

    def solve(
        shared: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        targets, items = shared
        rows = by_item[items]
        weights = weights_of_gram(dense_product(rows, rows.T.tocsr()), regularization)
        columns = weights[:, np.searchsorted(items, targets)].T
        is_other = targets[:, None] != items
        where = np.broadcast_to(items.astype(np.int32), columns.shape)
        return is_other.sum(axis=1), where[is_other], columns[is_other]

    shares = list(_share_inverses(nearest, np.diff(by_item.indptr)))
    solved = stack_rows(in_threads(solve, shares, single_blas=True), nearest.shape)
    order = np.argsort(np.concatenate([targets for targets, _ in shares]))
    return sparse.csr_array(solved[order].T.tocsr())


def _share_inverses(
    nearest: sparse.csr_array, popularity: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Items whose weights are read from one inverse, and the items that it is of, ascending."""
    is_open = np.ones(len(popularity), dtype=bool)
    for item in np.argsort(-popularity, kind="stable").tolist():
        if not is_open[item]:
            continue
        own = slice(nearest.indptr[item], nearest.indptr[item + 1])
        near, similarity = nearest.indices[own], nearest.data[own]
        closest = near[np.argsort(-similarity, kind="stable")[: int(SHARED * len(near))]]
        targets = np.append(closest[is_open[closest]], item)
        is_open[targets] = False
        yield np.sort(targets), np.union1d(near, item)


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
