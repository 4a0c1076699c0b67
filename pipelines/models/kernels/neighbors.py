"""The nearest neighbours of every item, from products of sparse matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy import sparse

from pipelines.models.kernels.signals import in_sparse_blocks
from pipelines.models.kernels.sparse_top_n import nearest_of_rows

#: Arrays of neighbours grow by one part in so many.
GROWTH = 8
#: Turns entries of a product into similarities, in place; called by several threads with the
#: row, the column and the value of each entry.
Weigh = Callable[[np.ndarray, np.ndarray, np.ndarray], None]


def nearest_of_product(
    left: sparse.csr_array,
    right: sparse.csr_array,
    n_neighbors: int,
    weigh: Weigh,
    *,
    keep_itself: bool = False,
) -> sparse.csr_array:
    """Largest positive entries of every row of a weighted matrix product.

    Parameters
    ----------
    left : csr_array of shape (n_rows, n_inner), float32
    right : csr_array of shape (n_inner, n_columns), float32
    n_neighbors : int
        Entries kept per row.
    weigh : callable
        As in `Weigh`.
    keep_itself : bool, default False
        Whether the diagonal may be kept.

    Returns
    -------
    csr_array of shape (n_rows, n_columns), float32
        Equal similarities are kept by lowest column; indices sorted.

    Notes
    -----
    Rows are multiplied some at a time and cut at once, so what is held beside the result does not
    grow with the number of rows, nor with the columns but for a few numbers of each.
    """

    def keep(rows: slice, product: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = np.repeat(np.arange(rows.start, rows.stop, dtype=np.int32), np.diff(product.indptr))
        weigh(row, product.indices, product.data)
        is_kept = product.data > 0
        if not keep_itself:
            is_kept &= row != product.indices
        np.copyto(product.data, -np.inf, where=~is_kept)
        return nearest_of_rows(product, n_neighbors)

    shape = (left.shape[0], right.shape[1])
    return stack_rows(in_sparse_blocks(left, right, keep), shape)


def stack_rows(
    blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, int]
) -> sparse.csr_array:
    """Matrix of blocks of rows, each as `nearest_of_rows` returns it, in their order.

    Its arrays grow in place, so that they are never held twice.
    """
    columns, values = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32)
    counts, stop = [np.zeros(1, dtype=np.int64)], 0
    for some_counts, some_columns, some_values in blocks:
        start, stop = stop, stop + len(some_columns)
        if stop > len(columns):
            room = max(stop, len(columns) + len(columns) // GROWTH)
            columns.resize(room, refcheck=False)
            values.resize(room, refcheck=False)
        columns[start:stop], values[start:stop] = some_columns, some_values
        counts.append(some_counts)
    columns.resize(stop, refcheck=False)
    values.resize(stop, refcheck=False)
    # scipy keeps one type for both: positions of four bytes as long as they suffice
    starts = np.cumsum(np.concatenate(counts))
    if stop <= np.iinfo(np.int32).max:
        starts = starts.astype(np.int32)
    return sparse.csr_array((values, columns, starts), shape=shape)


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
