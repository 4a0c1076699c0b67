"""Exact top-N lists from scores and from factors.

Both functions return ``(items, scores)``: int32 and float32 arrays of shape (n_users, k), best
first, equal scores ordered by column, padded with -1 and NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import faiss
import numpy as np
from scipy import sparse

from pipelines.base.errors import InvalidScoreError
from pipelines.models.kernels.selection import LOWEST, MAX_ITEMS, Selection
from pipelines.models.kernels.threads import in_threads

#: Users of a tile of scores, and items at most; 2048 x 256 float32 stay in the cache.
TILE_USERS = 240
#: Columns of zeros beside them: at the edges of a product, BLAS rounds the last bit otherwise.
MARGIN = 8
TILE_ITEMS = 2048
#: Items of a tile are a multiple of this: BLAS rounds rows left over from whole steps differently.
TILE_STEP = 16
#: Most rows of the first tile that are represented by their maximum.
CHUNK_ROWS = 8
#: Standard deviations of safety in a guessed floor; one user in a hundred is ranked again.
GUESS_DEVIATIONS = 2.5


def top_n_of_scores(
    scores: np.ndarray,
    k: int,
    *,
    exclude_pairs: sparse.csr_array | None = None,
    exclude_items: np.ndarray | None = None,
    overwrite_scores: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the columns of a dense block of scores.

    Parameters
    ----------
    scores : ndarray of float32, shape (n_users, n_items)
        Higher is better; -inf is never listed.
    k : int
        Maximum length of a list.
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
    # min propagates NaN and, unlike isnan, needs no second block.
    if block.size and np.isnan(block.min()):
        raise InvalidScoreError(
            "Scores must be numbers or -inf. Found NaN. Check the recommender's learned attributes."
        )
    if exclude_items is not None:
        block[:, exclude_items] = -np.inf
    if exclude_pairs is not None:
        block[_rows_of(exclude_pairs), exclude_pairs.indices] = -np.inf
    return _best_of(block, k)


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
    k, exclude_pairs, exclude_items
        As in `top_n_of_scores`; so is what is returned.

    Raises
    ------
    InvalidScoreError
        If a factor is not finite, or so large that a product may overflow; if there are more than
        `MAX_ITEMS` items.

    Notes
    -----
    Scores are computed tile by tile (at most `TILE_ITEMS` x `TILE_USERS`) and selected in the
    cache. Excluded pairs become -inf inside their tile, so nothing is over-fetched however long a
    history is. What a score must reach to be looked at twice is guessed from the first tile, which
    has evenly spaced items; the few users for whom the guess was too high are ranked again with a
    bound that cannot be. Each worker
    thread runs single-threaded BLAS on its own users, so a list does not depend on the number of
    threads. BLAS rounds the last bit of a product by its place in the matrix, and does so otherwise
    at the edges: every tile is filled up to its full shape with zeros, with a margin of them on
    either side, so a list does not depend on who else is in the tile.
    """
    allowed = np.arange(len(item_factors))
    if exclude_items is not None:
        allowed = np.flatnonzero(~exclude_items)
    users = np.asarray(user_factors, dtype=np.float32)
    factors = np.asarray(item_factors, dtype=np.float32)
    _check_factors(users, factors)
    catalogue = _Catalogue(factors, allowed)
    items = np.full((len(users), k), -1, dtype=np.int32)
    scores = np.full((len(users), k), np.nan, dtype=np.float32)
    rows = np.arange(len(users) if len(allowed) else 0)

    def rank_block(rows: np.ndarray, is_guess: bool) -> np.ndarray:
        """Fill the lists of some users; returns those whose lists a guess left too short."""
        pairs = None if exclude_pairs is None else exclude_pairs[rows]
        items[rows], scores[rows], is_short = _rank_users(
            users[rows], catalogue, k, pairs, is_guess
        )
        return rows[is_short]

    for is_guess in (True, False):
        blocks = [rows[start : start + TILE_USERS] for start in range(0, len(rows), TILE_USERS)]
        short = in_threads(partial(rank_block, is_guess=is_guess), blocks, single_blas=True)
        rows = np.concatenate([rows[:0], *short])
    return items, scores


class _Catalogue:
    """Factors of the allowed items in tiles of one shape; the first tile has evenly spaced items.

    Parameters
    ----------
    item_factors : ndarray of float32, shape (n_items, n_factors)
    allowed : ndarray of int, shape (n_allowed,)
        Ascending positions of the items that may be listed.

    Attributes
    ----------
    positions : ndarray of int, shape (n_allowed,)
        Position of every row; ascending after the first tile.
    factors : ndarray of float32, shape (n_tiles * n_tile_items, n_factors)
        Filled up with zeros.
    """

    def __init__(self, item_factors: np.ndarray, allowed: np.ndarray) -> None:
        self.n_tiles = max(1, -(-len(allowed) // TILE_ITEMS))
        self.n_tile_items = -(-len(allowed) // self.n_tiles // TILE_STEP) * TILE_STEP
        is_sampled = np.arange(len(allowed)) % self.n_tiles == 0
        self.positions = np.concatenate([allowed[is_sampled], allowed[~is_sampled]])
        self.factors = _pad_rows(item_factors[self.positions], self.n_tiles * self.n_tile_items)
        self._row = np.full(len(item_factors), -1, dtype=np.int32)
        self._row[self.positions] = np.arange(len(allowed))

    def score_tiles(
        self, users: np.ndarray, pairs: sparse.csr_array | None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """First row and scores of every tile, in the same memory; -inf where not to be listed."""
        columns = _pad_rows(users, TILE_USERS + MARGIN, before=MARGIN).T
        tile = np.empty((self.n_tile_items, columns.shape[1]), dtype=np.float32)
        excluded = self._excluded_cells(pairs)
        for number in range(self.n_tiles):
            first = number * self.n_tile_items
            np.matmul(self.factors[first : first + self.n_tile_items], columns, out=tile)
            if excluded:
                tile.ravel()[excluded[number]] = -np.inf
            tile[max(0, len(self.positions) - first) :] = -np.inf
            yield first, tile

    def _excluded_cells(self, pairs: sparse.csr_array | None) -> list[np.ndarray]:
        """Excluded cells of every tile: its row times its width, plus the user's column."""
        if pairs is None:
            return []
        row, user = self._row[pairs.indices], _rows_of(pairs)
        if (row < 0).any():
            row, user = row[row >= 0], user[row >= 0]
        tile, row = np.divmod(row, self.n_tile_items)
        # Small integers are sorted by counting.
        order = np.argsort(tile.astype(np.min_scalar_type(self.n_tiles)), kind="stable")
        stops = np.cumsum(np.bincount(tile, minlength=self.n_tiles))[:-1]
        width = TILE_USERS + 2 * MARGIN
        return np.split((row * width + MARGIN + user)[order], stops)


def _rank_users(
    users: np.ndarray,
    catalogue: _Catalogue,
    k: int,
    pairs: sparse.csr_array | None,
    is_guess: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items and scores of one block of users, and who may have got too few by a guess."""
    own = slice(MARGIN, MARGIN + len(users))
    selection = Selection(catalogue.positions, TILE_USERS + 2 * MARGIN, k)
    for first, tile in catalogue.score_tiles(users, pairs):
        if first == 0:
            floor = _floor_of(tile, _sampled_rank(k, catalogue.n_tiles) if is_guess else k)
            floor[: own.start] = floor[own.stop :] = np.inf  # the columns that fill up the tile
            selection.raise_floor(floor)
        selection.add(tile, first)
    items, scores = (part[own] for part in selection.finish())
    is_short = (items[:, -1] < 0) & (floor[own] > LOWEST)
    return items, scores, is_short & is_guess


def _sampled_rank(k: int, step: int) -> int:
    """Rank in a sample of every `step`-th item that is seldom above rank k of all items."""
    expected = k / step  # of the k best; their number in the sample is about Poisson
    return max(1, min(k, math.ceil(expected + GUESS_DEVIATIONS * math.sqrt(expected))))


def _floor_of(tile: np.ndarray, rank: int) -> np.ndarray:
    """Every user's score at a rank among the sampled items, or a little less."""
    size = CHUNK_ROWS
    while size > 1 and (len(tile) % size or 2 * rank * size > len(tile)):
        size //= 2
    if rank > len(tile):
        return np.full(tile.shape[1], LOWEST)
    # Chunks share no items, so the best `rank` maxima are those of `rank` different items.
    maxima = tile.reshape(-1, size, tile.shape[1]).max(axis=1)
    return np.maximum(np.partition(maxima, -rank, axis=0)[-rank], LOWEST)


def _pad_rows(matrix: np.ndarray, n_rows: int, *, before: int = 0) -> np.ndarray:
    """A float32 copy among zeros: `before` rows of them, then `n_rows` that start with it."""
    padded = np.zeros((before + n_rows, matrix.shape[1]), dtype=np.float32)
    padded[before : before + len(matrix)] = matrix
    return padded


def _check_factors(users: np.ndarray, items: np.ndarray) -> None:
    """Refuse factors whose products may not be finite, and more items than can be sorted."""
    if len(items) > MAX_ITEMS:
        raise InvalidScoreError(
            f"At most {MAX_ITEMS:,} items can be ranked by factors. Found {len(items):,}. "
            "Exclude those that cannot be sold."
        )
    # |u·v| <= n_factors max|u| max|v|; NaN fails every comparison.
    largest = [float(np.abs(part).max(initial=0.0)) for part in (users, items)]
    if not largest[0] * largest[1] * max(1, users.shape[1]) < float(np.finfo(np.float32).max):
        raise InvalidScoreError(
            f"Factors must be finite and their products too. Found magnitudes up to {largest[0]:g} "
            f"and {largest[1]:g}. Check the recommender's learned attributes; more regularization "
            "may be needed."
        )


def _rows_of(matrix: sparse.csr_array) -> np.ndarray:
    """Row of every stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _best_of(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Items and scores of every row's k best, by one heap of k per row.

    A heap's entries are ordered by (score, id), and an equal score does not replace its smallest
    entry. Columns enter as ids that fall where columns rise, so of equal scores the highest
    column is the first to go, and the final order needs no repair.
    """
    n_users, n_items = scores.shape
    values = np.empty((n_users, k), dtype=np.float32)
    ids = np.empty((n_users, k), dtype=np.int64)
    heaps = faiss.float_minheap_array_t()
    heaps.k, heaps.nh = int(k), int(n_users)
    heaps.val, heaps.ids = faiss.swig_ptr(values), faiss.swig_ptr(ids)
    heaps.heapify()
    if scores.size:
        falling = np.iinfo(np.int32).max - np.arange(n_items, dtype=np.int64)
        heaps.addn_with_ids(n_items, faiss.swig_ptr(scores), faiss.swig_ptr(falling), 0)
    if ids.size:
        heaps.reorder()
    empty = ids < 0
    items = np.where(empty, -1, np.iinfo(np.int32).max - ids).astype(np.int32)
    found = np.where(empty, np.float32(np.nan), values)
    if np.isposinf(found[:, :1]).any():
        raise InvalidScoreError(
            "Scores must be finite or -inf. Found +inf. Check the recommender's "
            "learned attributes for overflow."
        )
    return items, found
