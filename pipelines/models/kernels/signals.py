"""Users' interest in items, read from a history, and fast products of sparse matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from scipy import sparse
from scipy.sparse import _sparsetools

from pipelines.features.interactions import Interactions
from pipelines.models.kernels.threads import in_threads

Result = TypeVar("Result")

#: Bytes of one dense block of rows of a product.
PRODUCT_BLOCK_BYTES = 4 * 1024**2
#: Entries of one sparse block of rows of a product, at most.
SPARSE_BLOCK_ENTRIES = 2**21
#: Blocks that a smaller matrix is cut into, so that every thread has its share.
BLOCKS_AT_LEAST = 16


def read_interest(
    history: Interactions,
    event_weights: Mapping[str, float],
    *,
    half_life_days: float | None = None,
    clip: float | None = 1.0,
) -> sparse.csr_array:
    """Interest of each user in each item, from the user's events.

    Parameters
    ----------
    event_weights : mapping of str to float
        Weight of one event of a type.
    half_life_days : float, optional
        An event this old counts half. Without it, interest is binary: 1 where the weights of a
        user's events with an item sum to more than 0.
    clip : float or None, default 1.0
        Upper bound of a decayed value, min(value, clip): many events say little more than one.

    Returns
    -------
    csr_array of shape (n_users, n_items), float32
        Stored entries are positive.
    """
    interest = history.matrix(event_weights, half_life_days=half_life_days)
    if half_life_days is None:
        interest.data = np.ones_like(interest.data)
    elif clip is not None:
        interest.data = np.minimum(interest.data, np.float32(clip))
    return interest


def cap_users(
    weighted: sparse.csr_array,
    event_weights: Mapping[str, float],
    user_cap: float | None = 1.0,
) -> sparse.csr_array:
    """Limit what one user adds to an item, where users are summed: min(value, cap).

    Parameters
    ----------
    weighted : csr_array of shape (n_users, n_items)
        Sums of event weights, as `Interactions.matrix` gives them.
    event_weights : mapping of str to float
        Weight of one event of a type.
    user_cap : float or None, default 1.0
        In events of the greatest weight: with 1.0 an item's sum counts users, not events, and
        nobody makes an item popular alone. None adds up all events.

    Returns
    -------
    csr_array of shape (n_users, n_items)
        A copy.
    """
    capped = weighted.copy()
    if user_cap is not None:
        greatest = max(event_weights.values())
        capped.data = np.minimum(capped.data, capped.dtype.type(user_cap * greatest))
    return capped


def in_product_blocks(
    left: sparse.csr_array,
    right: sparse.csr_array,
    use: Callable[[slice, np.ndarray], Result],
) -> Iterator[Result]:
    """Use a matrix product block of rows by block of rows, in several threads.

    Parameters
    ----------
    left : csr_array of shape (n_rows, n_inner), float32
    right : csr_array of shape (n_inner, n_columns), float32
    use : callable
        Makes a result of a slice of rows and their values, a float32 array of its own of shape
        (n_block, n_columns); called by the threads.

    Yields
    ------
    Result
        What `use` returned, in the order of the rows.
    """
    n_rows, n_columns = left.shape[0], right.shape[1]
    most = PRODUCT_BLOCK_BYTES // (4 * n_columns)
    step = max(1, min(most, n_rows // BLOCKS_AT_LEAST))

    def multiply(start: int) -> Result:
        rows = slice(start, min(start + step, n_rows))
        return use(rows, dense_product(left[rows], right))

    return in_threads(multiply, range(0, n_rows, step))


def large_product(left: sparse.csr_array, right: sparse.csr_array) -> np.ndarray:
    """Dense matrix product, made by several threads: float32, shape (n_rows, n_columns).

    ``large_product(x.T.tocsr(), x)`` is the Gram matrix of x.
    """
    product = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)

    def put(rows: slice, block: np.ndarray) -> None:
        product[rows] = block

    for _ in in_product_blocks(left, right, put):
        pass
    return product


def dense_product(left: sparse.csr_array, right: sparse.csr_array) -> np.ndarray:
    """Dense product of two sparse matrices, made fast where it has few zeros.

    Parameters
    ----------
    left : csr_array of shape (n_rows, n_inner), float32
    right : csr_array of shape (n_inner, n_columns), float32

    Returns
    -------
    ndarray of float32, shape (n_rows, n_columns)
        C-contiguous; three times its memory is held meanwhile.
    """
    product = sparse_product(left, right)
    dense = np.zeros(product.shape, dtype=product.dtype)
    arrays = (product.indptr, product.indices, product.data)
    _sparsetools.csr_todense(*product.shape, *arrays, dense)
    return dense


def sparse_product(left: sparse.csr_array, right: sparse.csr_array) -> sparse.csr_array:
    """Product of two sparse matrices, in memory of its largest possible number of entries.

    Parameters
    ----------
    left : csr_array of shape (n_rows, n_inner), float32 or float64
    right : csr_array of shape (n_inner, n_columns), of the same type

    Returns
    -------
    csr_array of shape (n_rows, n_columns), of the same type
        No entry is 0; the indices of a row are not sorted.

    Notes
    -----
    ``left @ right`` to the last bit: each entry is summed in the order of its row of `left`.
    scipy first counts the entries of a product, which takes nearly half of the time; room for all
    of them needs no count. Its compiled function is not public: a test compares this with the
    public product, and the lock file pins the version.
    """
    shape = left.shape[0], right.shape[1]
    room = int(bound_products(left, right).sum())
    # the larger factor is not converted, if it need not be
    is_large = max(room, left.nnz) > np.iinfo(np.int32).max
    index = np.dtype(np.int64) if is_large else right.indices.dtype
    starts, columns = np.empty(shape[0] + 1, dtype=index), np.empty(room, dtype=index)
    values = np.empty(room, dtype=left.dtype)
    factors = (_arrays(left, index), _arrays(right, index))
    _sparsetools.csr_matmat(*shape, *factors[0], *factors[1], starts, columns, values)
    stop = starts[-1]
    return sparse.csr_array((values[:stop], columns[:stop], starts), shape=shape)


def bound_products(left: sparse.csr_array, right: sparse.csr_array) -> np.ndarray:
    """Most entries that each row of a product can have: int64, shape (n_rows,)."""
    lengths = np.diff(right.indptr)[left.indices]
    stops = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[left.indptr]
    bounds: np.ndarray = np.minimum(np.diff(stops), right.shape[1])
    return bounds


def cut_rows(bounds: np.ndarray, max_entries: int) -> Iterator[slice]:
    """Cut rows into blocks of at most so many entries, and at least a row.

    Parameters
    ----------
    bounds : ndarray of int, shape (n_rows,)
        Entries of each row, at most.

    Yields
    ------
    slice
        Of the rows, in order.

    Examples
    --------
    >>> list(cut_rows(np.array([2, 2, 9, 1]), 4))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    total = np.cumsum(bounds)
    start = 0
    while start < len(bounds):
        before = total[start - 1] if start else 0
        stop = int(np.searchsorted(total, before + max_entries, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


def cut_products(bounds: np.ndarray) -> Iterator[slice]:
    """Cut the rows of products, of at most `bounds` entries, into blocks for several threads."""
    return cut_rows(bounds, min(SPARSE_BLOCK_ENTRIES, int(bounds.sum()) // BLOCKS_AT_LEAST))


def in_sparse_blocks(
    left: sparse.csr_array,
    right: sparse.csr_array,
    use: Callable[[slice, sparse.csr_array], Result],
) -> Iterator[Result]:
    """Use a product of sparse matrices block of rows by block of rows, in several threads.

    Parameters
    ----------
    left, right : csr_array
        As in `sparse_product`.
    use : callable
        Makes a result of a slice of rows and their product; called by the threads.

    Yields
    ------
    Result
        What `use` returned, in the order of the rows.
    """

    def multiply(rows: slice) -> Result:
        return use(rows, sparse_product(left[rows], right))

    return in_threads(multiply, cut_products(bound_products(left, right)))


def _arrays(matrix: sparse.csr_array, index: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        matrix.indptr.astype(index, copy=False),
        matrix.indices.astype(index, copy=False),
        matrix.data,
    )
