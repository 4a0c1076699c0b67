"""Exact top-N lists from sparse scores: only stored entries can be listed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from pipelines.base.errors import InvalidScoreError
from pipelines.models.kernels.padded_rows import read_padded, rows_by_length
from pipelines.models.kernels.selection import falling_bits, scores_of_bits

#: Cells of a rectangle of sorting keys: they stay in the cache.
KEY_CELLS = 2**16
#: Bits of the column in a sorting key, below the 32 of the score.
COLUMN_BITS = np.uint64(32)
COLUMN_MASK = np.uint64(2**32 - 1)
#: Key after those of all scores.
NOT_LISTED = np.uint64(2**64 - 1)


def top_n_of_sparse(
    scores: sparse.csr_array,
    k: int,
    *,
    exclude_pairs: sparse.csr_array | None = None,
    exclude_items: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the stored entries of every row of a sparse matrix of scores.

    Parameters
    ----------
    scores : csr_array of shape (n_users, n_items), float32
        Higher is better; -inf and what is not stored is never listed. Indices need no order.
    k, exclude_pairs, exclude_items
        As in `top_n_of_scores`; so is what is returned.

    Raises
    ------
    InvalidScoreError
        If a score is NaN or +inf.

    Notes
    -----
    A score and its column make one integer, so one selection of the k smallest breaks ties by
    column in whatever order entries come. Rows of similar length are selected together. Of a user
    with excluded pairs, so many more are selected, and the excluded ones left out.

    Examples
    --------
    >>> scores = sparse.csr_array(np.array([[0.0, 3.0, 3.0, 1.0]], dtype=np.float32))
    >>> top_n_of_sparse(scores, 2, exclude_items=np.array([False, True, False, False]))
    (array([[2, 3]], dtype=int32), array([[3., 1.]], dtype=float32))
    """
    _check_scores(scores.data)
    if exclude_items is not None:
        kept = np.where(exclude_items[scores.indices], np.float32(-np.inf), scores.data)
        scores = sparse.csr_array((kept, scores.indices, scores.indptr), shape=scores.shape)
    pairs = None if exclude_pairs is None else _Pairs(exclude_pairs)
    items = np.full((scores.shape[0], k), -1, dtype=np.int32)
    values = np.full((scores.shape[0], k), np.nan, dtype=np.float32)
    for rows, keys in _best_keys(scores, k, pairs):
        keys.sort(axis=1)
        found, score = _read_keys(keys)
        items[rows, : keys.shape[1]], values[rows, : keys.shape[1]] = found, score
    return items, values


def nearest_of_rows(scores: sparse.csr_array, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep the k best entries of every row, as `top_n_of_sparse` ranks them.

    Returns
    -------
    counts : ndarray of int64, shape (n_rows,)
    columns : ndarray of int32, shape (n_kept,)
        Row by row, ascending.
    values : ndarray of float32, shape (n_kept,)
    """
    room = np.minimum(np.diff(scores.indptr), k)
    first = np.cumsum(room) - room
    counts = np.zeros_like(room)
    kept = np.full(int(room.sum()), NOT_LISTED)  # column, then score
    for rows, keys in _best_keys(scores, k, None):
        is_listed = keys < NOT_LISTED
        halves = np.ascontiguousarray(keys).view(np.uint32).reshape(*keys.shape, 2)
        by_column = halves[:, :, ::-1].copy().view(np.uint64)[:, :, 0]
        by_column.sort(axis=1)  # what is not listed has the largest key either way round
        counts[rows] = is_listed.sum(axis=1)
        place = np.arange(keys.shape[1])
        is_inside = place < room[rows, None]
        kept[(first[rows, None] + place)[is_inside]] = by_column[is_inside]
    kept = kept[kept < NOT_LISTED]
    return (
        counts,
        (kept >> COLUMN_BITS).astype(np.int32),
        scores_of_bits((kept & COLUMN_MASK).astype(np.uint32)),
    )


def merge_lists(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Merge two rankings of the same users that share no items, and keep their length.

    Parameters
    ----------
    one, other : tuple of ndarray, shape (n_users, k)
        Items and scores as `top_n_of_sparse` returns them; so is what is returned.
    """
    items, values = (np.hstack(both) for both in zip(one, other, strict=True))
    keys = falling_bits(values).astype(np.uint64) << COLUMN_BITS
    keys |= items.view(np.uint32)
    np.copyto(keys, NOT_LISTED, where=items < 0)
    keys.sort(axis=1)
    return _read_keys(keys[:, : one[0].shape[1]])


class _Pairs:
    """Pairs of a user and an item that are not listed."""

    def __init__(self, pairs: sparse.csr_array) -> None:
        self._counts = np.diff(pairs.indptr)
        self._n_items = pairs.shape[1]
        user = np.repeat(np.arange(pairs.shape[0]), self._counts)
        self._keys = user * self._n_items + pairs.indices
        if not pairs.has_sorted_indices:
            self._keys.sort()

    def most_of(self, users: np.ndarray) -> int:
        """Most pairs of one of some users."""
        return int(self._counts[users].max())

    def has(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether each row's user is paired with each of the items in the row."""
        if not len(self._keys):
            return np.zeros(items.shape, dtype=bool)
        wanted = users[:, None] * self._n_items + items.astype(np.int64)
        at = np.searchsorted(self._keys, wanted)
        return np.asarray(self._keys[np.minimum(at, len(self._keys) - 1)] == wanted)


def _best_keys(
    scores: sparse.csr_array, k: int, pairs: _Pairs | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows, and sorting keys of their k best entries, in no order."""
    for rows, length in rows_by_length(np.diff(scores.indptr), KEY_CELLS):
        keys = _keys_of(scores, rows, length)
        if pairs is None:
            yield rows, _smallest(keys, k)
        else:
            keys = _smallest(keys, k + pairs.most_of(rows))
            keys[pairs.has(rows, keys & COLUMN_MASK)] = NOT_LISTED
            yield rows, _smallest(keys, k)


def _keys_of(scores: sparse.csr_array, rows: np.ndarray, length: int) -> np.ndarray:
    """Sorting keys of the entries of some rows, best score and then lowest column first."""
    columns, values, is_entry = read_padded(scores, rows, length)
    keys = falling_bits(values).astype(np.uint64)
    keys <<= COLUMN_BITS
    keys |= columns.astype(np.uint32)
    is_entry &= values > -np.inf
    np.copyto(keys, NOT_LISTED, where=~is_entry)
    return keys


def _smallest(keys: np.ndarray, width: int) -> np.ndarray:
    """The smallest keys of every row, in no order."""
    if width >= keys.shape[1]:
        return keys
    keys.partition(width - 1, axis=1)
    return keys[:, :width]


def _read_keys(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Items and scores of sorting keys; -1 and NaN where nothing is to be listed."""
    score = scores_of_bits((keys >> COLUMN_BITS).astype(np.uint32))
    is_listed = keys < NOT_LISTED
    items = np.where(is_listed, (keys & COLUMN_MASK).astype(np.int64), -1)
    return items.astype(np.int32), np.where(is_listed, score, np.float32(np.nan))


def _check_scores(values: np.ndarray) -> None:
    # min propagates NaN and, unlike isnan, needs no second array.
    largest = values.max(initial=-np.inf)
    if np.isnan(largest) or np.isposinf(largest):
        raise InvalidScoreError(
            "Scores must be finite or -inf. Found NaN or +inf. "
            "Check the recommender's learned attributes."
        )
