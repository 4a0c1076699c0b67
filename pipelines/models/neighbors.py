"""The nearest neighbours of every item, from blocks of dense similarities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from pipelines.models.signals import dense_product
from pipelines.models.top_n import top_n_of_scores


def keep_nearest(blocks: Iterator[tuple[int, np.ndarray]], n_neighbors: int) -> sparse.csr_array:
    """The largest positive similarities of every row.

    Parameters
    ----------
    blocks : iterator of (int, ndarray of float32, shape (n_rows, n_items))
        First row of a block and its similarities, rows rising; the arrays are written to.
    n_neighbors : int
        Entries kept per row.

    Returns
    -------
    csr_array of shape (n_items, n_items), float32
        Equal similarities are kept by lowest column; zero diagonal; indices sorted.

    Examples
    --------
    >>> similarity = np.array([[9, 2, 2], [2, 9, 0], [2, 0, 9]], dtype=np.float32)
    >>> keep_nearest(iter([(0, similarity)]), 1).toarray()
    array([[0., 2., 0.],
           [2., 0., 0.],
           [2., 0., 0.]], dtype=float32)
    """
    counts, columns, values = [np.zeros(1, dtype=np.int64)], [], []
    n_items = 0
    for start, similarity in blocks:
        n_items = similarity.shape[1]
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        similarity[similarity <= 0] = -np.inf
        items, scores = top_n_of_scores(
            similarity, min(n_neighbors, n_items), overwrite_scores=True
        )
        kept = items >= 0
        counts.append(kept.sum(axis=1))
        columns.append(items[kept])
        values.append(scores[kept])
    starts = np.cumsum(np.concatenate(counts))
    nearest = sparse.csr_array(
        (np.concatenate(values), np.concatenate(columns), starts), shape=(n_items, n_items)
    )
    nearest.sort_indices()
    return nearest


def keep_nearest_of_columns(matrix: sparse.csr_array, n_neighbors: int) -> sparse.csr_array:
    """The largest entries of every column of a matrix that `keep_nearest` made.

    Parameters
    ----------
    matrix : csr_array of shape (n_items, n_items), float32
        Positive entries, indices sorted. Not changed.
    n_neighbors : int
        Entries kept per column, equal ones by lowest row.

    Returns
    -------
    csr_array of shape (n_items, n_items), float32
    """
    cells = matrix.tocoo()
    order = np.lexsort((cells.row, -cells.data, cells.col))
    column = cells.col[order]
    place = np.arange(len(column)) - np.searchsorted(column, column)
    kept = np.sort(order[place < n_neighbors])
    return sparse.csr_array((cells.data[kept], (cells.row[kept], cells.col[kept])), matrix.shape)


def score_neighbors(interest: sparse.csr_array, nearest: sparse.csr_array) -> np.ndarray:
    """Sum of a history's similarities to every item; -inf where it is not positive.

    Parameters
    ----------
    interest : csr_array of shape (n_users, n_items), float32
    nearest : csr_array of shape (n_items, n_items), float32

    Returns
    -------
    ndarray of float32, shape (n_users, n_items)
    """
    scores = dense_product(interest, nearest)
    scores[scores <= 0] = -np.inf
    return scores
