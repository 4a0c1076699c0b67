"""Exact top-N lists from scores and from factors.

Both functions return ``(items, scores)``: int32 and float32 arrays of shape (n_users, k), best
first, equal scores ordered by column, padded with -1 and NaN.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from pipelines.errors import InvalidScoreError

#: Users and items of one tile of scores; 512 x 1024 float32 stay in a core's cache.
TILE_USERS = 512
TILE_ITEMS = 1024


def top_n_of_scores(
    scores: np.ndarray,
    k: int,
    *,
    exclude_pairs: sparse.csr_array | None = None,
    exclude_items: np.ndarray | None = None,
    overwrite_scores: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the columns of a dense block.

    Parameters
    ----------
    scores : ndarray of float32, shape (n_users, n_items)
        Higher is better; -inf is never listed.
    k : int
        Longest list.
    exclude_pairs : csr_array of shape (n_users, n_items), optional
        Stored entries are not listed for that user.
    exclude_items : ndarray of bool, shape (n_items,), optional
        Items that are not listed for anybody.
    overwrite_scores : bool, default False
        Whether `scores` may be written to, which saves a copy.

    Returns
    -------
    items : ndarray of int32, shape (n_users, k)
        Columns, best first, equal scores by lowest column; -1 past the end.
    scores : ndarray of float32, shape (n_users, k)
        NaN past the end.

    Raises
    ------
    InvalidScoreError
        If a score is NaN or +inf.

    Examples
    --------
    >>> items, scores = top_n_of_scores(np.array([[1.0, 3.0, 3.0]], dtype=np.float32), 2)
    >>> items, scores  # the tie is broken by column
    (array([[1, 2]], dtype=int32), array([[3., 3.]], dtype=float32))
    """
    block = np.array(scores, dtype=np.float32, order="C", copy=None if overwrite_scores else True)
    n_users, n_items = block.shape
    # min propagates NaN and, unlike isnan, needs no second block.
    if block.size and np.isnan(block.min()):
        raise InvalidScoreError(
            "Scores must be numbers or -inf. Found NaN. Check the recommender's learned attributes."
        )
    if exclude_items is not None:
        block[:, exclude_items] = -np.inf
    if exclude_pairs is not None:
        block[_rows_of(exclude_pairs), exclude_pairs.indices] = -np.inf
    heaps = _Heaps(n_users, k)
    heaps.add(block, np.arange(n_items))
    return heaps.finish()


def top_n_of_factors(
    user_factors: np.ndarray,
    item_factors: np.ndarray,
    k: int,
    *,
    exclude_pairs: sparse.csr_array | None = None,
    exclude_items: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank items by inner product without holding the score matrix.

    Parameters
    ----------
    user_factors : ndarray of float32, shape (n_users, n_factors)
    item_factors : ndarray of float32, shape (n_items, n_factors)
    k : int
        Longest list.
    exclude_pairs : csr_array of shape (n_users, n_items), optional
        Stored entries are not listed for that user.
    exclude_items : ndarray of bool, shape (n_items,), optional
        Items that are not listed for anybody.

    Returns
    -------
    items : ndarray of int32, shape (n_users, k)
        Positions in `item_factors`, best first, equal scores by lowest position; -1 past the end.
    scores : ndarray of float32, shape (n_users, k)
        NaN past the end.

    Raises
    ------
    InvalidScoreError
        If a factor is not finite, or so large that a product may overflow.

    Notes
    -----
    Scores are computed tile by tile (`TILE_USERS` x `TILE_ITEMS`) and go from the cache into one
    heap of k per user. Excluded pairs become -inf inside their tile, so nothing is over-fetched
    however long a history is. Each worker thread runs single-threaded BLAS on its own users, so a
    list does not depend on the number of threads. BLAS rounds the last bit of a product by its
    place in the matrix: every tile is filled up to its full shape with zeros so that few places
    differ, but where two scores differ by less than that bit, their order may depend on who else
    is in the tile.
    """
    allowed = np.arange(len(item_factors))
    if exclude_items is not None:
        allowed = np.flatnonzero(~exclude_items)
    users = np.asarray(user_factors, dtype=np.float32)
    factors = _pad_rows(item_factors[allowed], -(-len(allowed) // TILE_ITEMS) * TILE_ITEMS)
    _check_factors(users, factors)

    def rank_block(start: int) -> tuple[np.ndarray, np.ndarray]:
        block = slice(start, start + TILE_USERS)
        pairs = None if exclude_pairs is None else exclude_pairs[block]
        columns = _pairs_by_column(pairs, allowed, len(item_factors))
        return _rank_users(users[block], factors, allowed, k, columns)

    starts = range(0, len(users), TILE_USERS)
    workers = faiss.omp_get_max_threads()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(rank_block, starts))
    if not parts:
        return _Heaps(0, k).finish()
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _rank_users(
    users: np.ndarray,
    factors: np.ndarray,
    allowed: np.ndarray,
    k: int,
    pairs: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Lists of one block of users over the allowed items."""
    faiss.omp_set_num_threads(1)  # a setting of the calling thread: this worker's own
    rows, columns = pairs
    heaps = _Heaps(len(users), k)
    full_users = _pad_rows(users, TILE_USERS)
    tile = np.empty((TILE_USERS, TILE_ITEMS), dtype=np.float32)
    for start in range(0, len(factors), TILE_ITEMS):
        np.matmul(full_users, factors[start : start + TILE_ITEMS].T, out=tile)
        low, high = np.searchsorted(columns, (start, start + TILE_ITEMS))
        tile[rows[low:high], columns[low:high] - start] = -np.inf
        ids = allowed[start : start + TILE_ITEMS]
        tile[:, len(ids) :] = -np.inf
        heaps.add(tile, ids)
    return heaps.finish()


def _pad_rows(matrix: np.ndarray, n_rows: int) -> np.ndarray:
    """A float32 copy with rows of zeros at the end."""
    padded = np.zeros((n_rows, matrix.shape[1]), dtype=np.float32)
    padded[: len(matrix)] = matrix
    return padded


def _check_factors(users: np.ndarray, items: np.ndarray) -> None:
    """Refuse factors whose products may not be finite."""
    # |u·v| <= n_factors max|u| max|v|; NaN fails every comparison.
    largest = [float(np.abs(part).max(initial=0.0)) for part in (users, items)]
    if not largest[0] * largest[1] * max(1, users.shape[1]) < float(np.finfo(np.float32).max):
        raise InvalidScoreError(
            f"Factors must be finite and their products too. Found magnitudes up to {largest[0]:g} "
            f"and {largest[1]:g}. Check the recommender's learned attributes; more regularization "
            "may be needed."
        )


def _pairs_by_column(
    pairs: sparse.csr_array | None, allowed: np.ndarray, n_items: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (positions in `allowed`) of excluded pairs, sorted by column."""
    if pairs is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    position = np.full(n_items, -1)
    position[allowed] = np.arange(len(allowed))
    columns = position[pairs.indices]
    kept = np.flatnonzero(columns >= 0)
    kept = kept[np.argsort(columns[kept], kind="stable")]
    return _rows_of(pairs)[kept], columns[kept]


def _rows_of(matrix: sparse.csr_array) -> np.ndarray:
    """Row of every stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


class _Heaps:
    """One heap of k per user, filled from blocks of ascending columns.

    A heap's entries are ordered by (score, id), and an equal score does not replace its smallest
    entry. Columns enter as ids that fall where columns rise, so of equal scores the highest
    column is the first to go, and the final order needs no repair.
    """

    def __init__(self, n_users: int, k: int) -> None:
        self._values = np.empty((n_users, k), dtype=np.float32)
        self._ids = np.empty((n_users, k), dtype=np.int64)
        self._heaps = faiss.float_minheap_array_t()
        self._heaps.k, self._heaps.nh = int(k), int(n_users)
        self._heaps.val = faiss.swig_ptr(self._values)
        self._heaps.ids = faiss.swig_ptr(self._ids)
        self._heaps.heapify()

    def add(self, scores: np.ndarray, columns: np.ndarray) -> None:
        """Offer the rows of `scores`; columns rise from call to call, rest of a row is -inf."""
        if scores.size:
            ids = np.full(scores.shape[1], -1, dtype=np.int64)
            ids[: len(columns)] = np.iinfo(np.int32).max - columns
            self._heaps.addn_with_ids(len(ids), faiss.swig_ptr(scores), faiss.swig_ptr(ids), 0)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Sort every heap into a list."""
        if self._ids.size:
            self._heaps.reorder()
        empty = self._ids < 0
        items = np.where(empty, -1, np.iinfo(np.int32).max - self._ids).astype(np.int32)
        scores = np.where(empty, np.float32(np.nan), self._values)
        if np.isposinf(scores[:, :1]).any():
            raise InvalidScoreError(
                "Scores must be finite or -inf. Found +inf. Check the recommender's "
                "learned attributes for overflow."
            )
        return items, scores
