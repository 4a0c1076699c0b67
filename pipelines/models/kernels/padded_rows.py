"""Rows of a sparse matrix as rectangles: rows of similar length, filled up to one length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

#: Rows are filled up to the next of these lengths, each at most an eighth above the one before.
#: The padded length depends on a row alone, so what is computed does not depend on its neighbours.
PADDED_LENGTHS = np.unique(np.ceil(1.125 ** np.arange(180) / 4).astype(np.int64) * 4)


def rows_by_length(counts: np.ndarray, max_cells: int) -> Iterator[tuple[np.ndarray, int]]:
    """Positions of rows of similar length, and the length that they are filled up to.

    Parameters
    ----------
    counts : ndarray of int, shape (n_rows,)
        Entries of every row; those without any are left out.
    max_cells : int
        Most cells of one rectangle; a longer row is a rectangle of its own.

    Yields
    ------
    rows : ndarray of int64, shape (n_some,)
        Ascending.
    length : int
    """
    filled = np.flatnonzero(counts)
    lengths = PADDED_LENGTHS[np.searchsorted(PADDED_LENGTHS, counts[filled])]
    for length in np.unique(lengths).tolist():
        rows = filled[lengths == length]
        step = max(1, max_cells // length)
        for first in range(0, len(rows), step):
            yield rows[first : first + step], length


def read_padded(
    matrix: sparse.csr_array, rows: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of some rows of a matrix that has any, filled up to one length.

    Returns
    -------
    columns, values : ndarray of shape (n_rows, length)
        Any where there is no entry.
    is_entry : ndarray of bool, shape (n_rows, length)
    """
    place = np.arange(length, dtype=matrix.indptr.dtype)
    first, stop = matrix.indptr[rows], matrix.indptr[rows + 1]
    at = first[:, None] + place
    return (
        matrix.indices.take(at, mode="clip"),
        matrix.data.take(at, mode="clip"),
        place < (stop - first)[:, None],
    )
