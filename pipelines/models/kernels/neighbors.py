"""The nearest neighbours of every item, from products of sparse matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from pipelines.models.kernels.signals import dense_product, in_product_blocks
from pipelines.models.kernels.top_n import top_n_of_scores


def nearest_of_product(
    left: sparse.csr_array,
    right: sparse.csr_array,
    n_neighbors: int,
    weigh: Callable[[slice, np.ndarray], None],
) -> sparse.csr_array:
    """Largest positive entries of every row of a weighted matrix product.

    Parameters
    ----------
    left : csr_array of shape (n_items, n_inner), float32
    right : csr_array of shape (n_inner, n_items), float32
    n_neighbors : int
        Entries kept per row.
    weigh : callable
        Turns some rows of the product into similarities, in place; called by several threads.

    Returns
    -------
    csr_array of shape (n_items, n_items), float32
        Equal similarities are kept by lowest column; zero diagonal; indices sorted.
    """

    def keep(rows: slice, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weigh(rows, similarity)
        similarity[np.arange(len(similarity)), np.arange(rows.start, rows.stop)] = -np.inf
        np.copyto(similarity, -np.inf, where=similarity <= 0)
        width = min(n_neighbors, similarity.shape[1])
        items, scores = top_n_of_scores(similarity, width, overwrite_scores=True)
        is_kept = items >= 0
        return is_kept.sum(axis=1), items[is_kept], scores[is_kept]

    counts, columns, values = zip(*in_product_blocks(left, right, keep), strict=True)
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    nearest = sparse.csr_array(
        (np.concatenate(values), np.concatenate(columns), starts),
        shape=(left.shape[0], right.shape[1]),
    )
    nearest.sort_indices()
    return nearest


def keep_nearest_of_columns(matrix: sparse.csr_array, n_neighbors: int) -> sparse.csr_array:
    """Keep the largest entries of every column of a matrix that `nearest_of_product` made.

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
    """Score items by the sum of their similarities to a history; -inf where it is not positive.

    Parameters
    ----------
    interest : csr_array of shape (n_users, n_items), float32
    nearest : csr_array of shape (n_items, n_items), float32

    Returns
    -------
    ndarray of float32, shape (n_users, n_items)
    """
    scores = dense_product(interest, nearest)
    np.copyto(scores, -np.inf, where=scores <= 0)
    return scores
