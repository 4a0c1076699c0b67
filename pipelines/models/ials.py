"""iALS: implicit alternating least squares with frequency-scaled regularisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.block_recommenders import FactorRecommender
from pipelines.models.kernels.padded_rows import read_padded, rows_by_length
from pipelines.models.kernels.threads import in_threads
from pipelines.models.parameters import number, whole
from pipelines.models.scores import FactorScores

#: Bytes of gathered factors that a thread holds at once: they are read several times from cache.
SOLVE_BYTES = 4 * 1024**2
#: Rows of first factors drawn at once, in float64.
START_ROWS = 2**16
#: Residual at which a row is solved, as a share of its right-hand side, in the norm of the
#: preconditioner.
TOLERANCE = 1e-5
#: Most conjugate gradient steps of a row that begins at zero, and of one that begins where the
#: sweep before ended: the next sweep asks for other factors anyway.
MAX_STEPS, SWEEP_STEPS = 100, 3


@dataclass(kw_only=True, eq=False)
class IALS(FactorRecommender):
    """Score items by factors that explain what users met and, weakly, what they did not.

    Parameters
    ----------
    n_factors : int, default 64
        d.
    n_iterations : int, default 16
        Sweeps; each solves all users and then all items.
    unobserved_weight : float, default 0.1
        α₀, weight of every pair, met or not.
    regularization : float, default 0.003
        λ.
    frequency_exponent : float, default 1.0
        ν; at 1, users and items with more pairs are regularised more; at 0, all alike.
    random_state : int, default 0
        Seed of the first item factors, normal with standard deviation 0.1 / √d.
    half_life_days, clip, event_weights : as in `InterestRecommender`
        They make c, the weight of a pair that met.

    Attributes
    ----------
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
        H; zero for items that nobody met.

    Notes
    -----
    Minimises ``Σ_(u,i) met c_ui (1 - w_u·h_i)² + α₀ Σ_u Σ_i (w_u·h_i)² +
    λ (Σ_u (#u + α₀ |I|)^ν |w_u|² + Σ_i (#i + α₀ |U|)^ν |h_i|²)``, where #u and #i count the
    pairs met. Each half of a sweep solves its rows, beginning where the sweep before ended. A
    history is folded in by the users' half: seen and unseen users get the factors that solve their
    own row. Users without weighted events get no list; items nobody met are not listed.

    References
    ----------
    Y. Hu, Y. Koren, C. Volinsky (2008). Collaborative Filtering for Implicit Feedback Datasets.
    ICDM.
    S. Rendle, W. Krichene, L. Zhang, Y. Koren (2022). Revisiting the Performance of iALS on Item
    Recommendation Benchmarks. RecSys.
    """

    strategy = "ials"
    reason = "Liked by customers with a taste like yours"

    n_factors: int = whole(64)
    n_iterations: int = whole(16)
    unobserved_weight: float = number(0.1, above=0)
    regularization: float = number(0.003, above=0)
    frequency_exponent: float = number(1.0, at_least=0)
    random_state: int = whole(0, at_least=0)

    def _fit(self, history: Interactions) -> None:
        interest = self._interest(history)
        by_item = interest.T.tocsr()
        rng = np.random.default_rng(self.random_state)
        items = np.empty((history.n_items, self.n_factors), dtype=np.float32)
        for rows in np.split(items, range(START_ROWS, len(items), START_ROWS)):
            rows[:] = rng.normal(0.0, 0.1 / np.sqrt(self.n_factors), rows.shape)
        items[np.diff(by_item.indptr) == 0] = 0.0
        users = None
        for _ in range(self.n_iterations):
            users = self._solve(interest, items, users)
            items = self._solve(by_item, users, items)
        self.item_factors_ = items

    def _solve(
        self,
        weights: sparse.csr_array,
        factors: np.ndarray,
        start: np.ndarray | None = None,
    ) -> np.ndarray:
        """Factors of the rows of `weights`, given those of its columns."""
        return solve_rows(
            weights,
            factors,
            unobserved_weight=self.unobserved_weight,
            regularization=self.regularization,
            frequency_exponent=self.frequency_exponent,
            start=start,
        )

    def score_block(self, history: Interactions) -> FactorScores:
        """As `Recommender.score_block`."""
        users = self._solve(self._interest(history), self.item_factors_)
        unlisted = np.asarray(~self.item_factors_.any(axis=1))
        return FactorScores(users, self.item_factors_, unlisted)


def solve_rows(
    weights: sparse.csr_array,
    factors: np.ndarray,
    *,
    unobserved_weight: float,
    regularization: float,
    frequency_exponent: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Solve the least-squares factors of every row: one half of a sweep.

    Parameters
    ----------
    weights : csr_array of shape (n_rows, n_columns), float32
        c, weight of each pair that met.
    factors : ndarray of float32, shape (n_columns, n_factors)
        Factors of the columns.
    unobserved_weight : float
        α₀.
    regularization, frequency_exponent : float
        λ and ν.
    start : ndarray of float32, shape (n_rows, n_factors), optional
        Factors to begin with, which take `SWEEP_STEPS` steps towards the solution. Without it,
        rows begin at zero and are solved to `TOLERANCE`.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_factors)
        Zero for rows without entries.

    Notes
    -----
    ``(α₀ HᵀH + λ_u I + Σ c h hᵀ) w = Σ c h`` is solved by conjugate gradients. In the eigenbasis
    of ``HᵀH``, all but the sum over the row's own columns is diagonal and is the preconditioner:
    a few steps suffice, each linear in the row's entries, where a factorization takes n_factors³.

    References
    ----------
    G. Takács, I. Pilászy, D. Tikk (2011). Applications of the Conjugate Gradient Method for
    Implicit Feedback Collaborative Filtering. RecSys.
    """
    values, vectors = np.linalg.eigh(factors.T.astype(np.float64) @ factors)
    shared = np.maximum(unobserved_weight * values, 0)  # α₀ HᵀH in its eigenbasis
    turn = vectors.astype(np.float32)
    turned = np.vstack([factors @ turn, np.zeros((1, len(turn)), np.float32)])
    counts = np.diff(weights.indptr)
    # λ (#u + α₀ |I|)^ν
    ridge = regularization * (counts + unobserved_weight * len(factors)) ** frequency_exponent
    solved = np.zeros((weights.shape[0], len(turn)), dtype=np.float32)
    if start is not None:
        solved[counts > 0] = start[counts > 0] @ turn

    def solve_block(block: tuple[np.ndarray, int]) -> None:
        rows, length = block
        columns, values = _padded(weights, rows, length)
        diagonal = (shared + ridge[rows, None]).astype(np.float32)
        solved[rows] = _conjugate_gradients(
            turned.take(columns, axis=0),
            values[:, :, None],
            diagonal,
            solved[rows],
            MAX_STEPS if start is None else SWEEP_STEPS,
        )

    # Many small products: every worker runs single-threaded BLAS on rows of its own.
    blocks = rows_by_length(counts, SOLVE_BYTES // (4 * len(turn)))
    for _ in in_threads(solve_block, blocks, single_blas=True):
        pass
    return solved @ turn.T


def _conjugate_gradients(
    met: np.ndarray, values: np.ndarray, diagonal: np.ndarray, x: np.ndarray, n_steps: int
) -> np.ndarray:
    """Solve (D + MᵀCM) x = MᵀC 1 for every row, each of which stops by itself.

    A row stops at a residual of `TOLERANCE` of the one it began with, or after `n_steps`.

    Parameters
    ----------
    met : ndarray of float32, shape (n_rows, length, n_factors)
        M.
    values : ndarray of float32, shape (n_rows, length, 1)
        Diagonal of C.
    diagonal : ndarray of float32, shape (n_rows, n_factors)
        Diagonal of D, above zero.
    x : ndarray of float32, shape (n_rows, n_factors)
        Starting points; overwritten.
    """
    transposed = met.transpose(0, 2, 1)

    def project(cells: np.ndarray) -> np.ndarray:
        return np.matmul(transposed, values * cells)[:, :, 0]  # MᵀC v

    def residual_size(residual: np.ndarray) -> np.ndarray:
        return np.einsum("ij,ij->i", residual, residual / diagonal)

    residual = project(1 - np.matmul(met, x[:, :, None])) - diagonal * x
    direction = residual / diagonal
    size = residual_size(residual)
    enough = np.float32(TOLERANCE**2) * size
    for _ in range(n_steps):
        is_open = size > enough
        if not is_open.any():
            break
        image = project(np.matmul(met, direction[:, :, None])) + diagonal * direction
        curvature = np.einsum("ij,ij->i", direction, image)
        step = np.divide(size, curvature, out=np.zeros_like(size), where=is_open)[:, None]
        x += step * direction
        residual -= step * image
        new_size = residual_size(residual)
        ratio = np.divide(new_size, size, out=np.zeros_like(size), where=is_open)[:, None]
        direction = residual / diagonal + ratio * direction
        size = np.where(is_open, new_size, size)
    return x


def _padded(
    weights: sparse.csr_array, rows: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of some rows, padded to one length by weight 0.

    Columns are padded with ``n_columns``, one past the last.
    """
    columns, values, is_met = read_padded(weights, rows, length)
    return (
        np.where(is_met, columns, weights.shape[1]),
        np.where(is_met, values, np.float32(0)),
    )
