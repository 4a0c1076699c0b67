"""List metrics: properties of the lists as such, whatever users did afterwards.

`items` is always an ndarray of int32, shape (n_users, k): positions into the vocabulary of the
histories, -1 where a list has no more items. Users without a list have no part in these metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.models.kernels.sampling import evenly_spaced

#: List metrics by their name in every table; `score.list_means` computes them all.
LIST_METRICS = (
    "coverage",
    "gini",
    "personalisation",
    "served_share",
    "mean_popularity",
    "popularity_lift",
    "novelty",
    "intra_list_diversity",
)
#: Most lists whose diversity is computed; of more, this many are taken, evenly spaced.
MAX_DIVERSITY_LISTS = 2000
#: Most users whose histories say which items are alike; of more, as many, evenly spaced.
MAX_DIVERSITY_USERS = 10_000
#: Fewest items or lists that make a pair.
PAIR = 2


def exposure_counts(items: np.ndarray, n_items: int) -> np.ndarray:
    """Number of lists each item is in: ndarray of int64, shape (n_items,)."""
    return np.bincount(items[items >= 0], minlength=n_items)


def coverage(items: np.ndarray, n_items: int) -> float:
    """Share of the items known before the cutoff that are in at least one list.

    `n_items` is the size of the vocabulary at the cutoff, items without events included.

    Examples
    --------
    >>> coverage(np.array([[0, 1], [0, -1]], dtype=np.int32), n_items=4)
    0.5
    """
    return float((exposure_counts(items, n_items) > 0).mean())


def gini(items: np.ndarray, n_items: int) -> float:
    """Gini coefficient of exposure over all items: 0 is equal, near 1 is a few items everywhere.

    Items that are never shown count with 0. Without any list the value is 0.

    Notes
    -----
    G = Σ (2i - n - 1) c_i / (n Σ c_i) over i = 1 … n, with the counts c sorted upwards.
    """
    counts = np.sort(exposure_counts(items, n_items))
    total = counts.sum()
    if total == 0:
        return 0.0
    weights = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float((weights * counts).sum() / (n_items * total))


def personalisation(items: np.ndarray) -> float | None:
    """One minus the mean overlap of two users' lists: 0 if all are equal, 1 if no item is shared.

    Returns
    -------
    float or None
        None with fewer than two lists: there is no pair to compare.

    Notes
    -----
    The overlap of two lists is shared items / k. An item in c lists is shared by c(c-1)/2 pairs,
    so the sum over all pairs of users needs the counts only.

    Examples
    --------
    >>> personalisation(np.array([[0, 1], [0, 2]], dtype=np.int32))
    0.5
    """
    lists = items[(items >= 0).any(axis=1)]
    if len(lists) < PAIR:
        return None
    counts = np.unique(lists[lists >= 0], return_counts=True)[1].astype(np.float64)
    pairs = len(lists) * (len(lists) - 1) / 2
    shared = (counts * (counts - 1) / 2).sum()
    return float(1 - shared / (pairs * items.shape[1]))


def mean_popularity(items: np.ndarray, user_counts: np.ndarray, n_users: int) -> np.ndarray:
    """Mean popularity of each list's items: the share of all users who met them before the cutoff.

    Parameters
    ----------
    items : ndarray of int32, shape (n_lists, k)
    user_counts : ndarray of int, shape (n_items,)
        Users with the item in their history.
    n_users : int
        Users with a history.

    Returns
    -------
    ndarray of float64, shape (n_lists_with_items,)
    """
    return _mean_of_items(items, user_counts / n_users)


def profile_popularity(own: sparse.csr_array, user_counts: np.ndarray, n_users: int) -> np.ndarray:
    """Mean popularity of the items of each user's own history: the share of all users who met them.

    Compared with `mean_popularity` of the user's list it shows popularity bias.

    Parameters
    ----------
    own : csr_array of shape (n_rows, n_items), bool
        Histories of the users, before the cutoff.
    user_counts, n_users
        As for `mean_popularity`.

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        0 for a user without history.

    Examples
    --------
    >>> own = sparse.csr_array(np.array([[1, 1], [0, 1]], dtype=bool))
    >>> profile_popularity(own, np.array([1, 2]), n_users=2)
    array([0.75, 1.  ])
    """
    length = np.diff(own.indptr)
    total = own.astype(np.float64) @ (user_counts / n_users)
    result: np.ndarray = total / np.maximum(length, 1)
    return result


def novelty(items: np.ndarray, user_counts: np.ndarray) -> np.ndarray:
    """Mean self-information of the items of each list, in bits.

    Notes
    -----
    -log2 p, with p the item's share of all user-item pairs of the histories. An item
    nobody met counts as if one user had: its information is finite and the largest.

    References
    ----------
    Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems" (2010).
    """
    share = np.maximum(user_counts, 1) / max(user_counts.sum(), 1)
    return _mean_of_items(items, -np.log2(share))


@dataclass(frozen=True)
class ItemVectors:
    """Item vectors over users: two items are alike when the same users met them.

    Parameters
    ----------
    rows : csr_array of shape (n_items, n_looked_at), float64
        Vectors of length 1 over all users, cut to the columns of the users looked at.
    with_itself : ndarray of float64, shape (n_items,)
        Squared length of each row.
    scale : float
        Number of all users divided by the number of users looked at.
    """

    rows: sparse.csr_array
    with_itself: np.ndarray
    scale: float


def item_vectors(history: sparse.csr_array) -> ItemVectors:
    """Item vectors from histories: each item as the users who met it.

    Parameters
    ----------
    history : csr_array of shape (n_users, n_items), bool
        An item that nobody met is unlike every other. Of more than `MAX_DIVERSITY_USERS` users,
        that many are looked at, evenly spaced, and the count of users who met both items of a
        pair is scaled up to all users: the expected cosine is that of all users.
    """
    user_counts = np.bincount(history.indices, minlength=history.shape[1])
    looked_at = history[evenly_spaced(history.shape[0], MAX_DIVERSITY_USERS)]
    columns = looked_at.astype(np.float64).tocsc()
    found_counts = np.diff(columns.indptr)
    columns.data = 1 / np.sqrt(np.repeat(user_counts, found_counts))
    return ItemVectors(
        columns.T.tocsr(),
        found_counts / np.maximum(user_counts, 1),
        history.shape[0] / max(looked_at.shape[0], 1),
    )


def intra_list_diversity(items: np.ndarray, vectors: ItemVectors) -> np.ndarray:
    """One minus the mean cosine over the pairs of items of each list.

    Lists with fewer than two items have no pair and are left out; of more than
    `MAX_DIVERSITY_LISTS`, that many, evenly spaced, are measured.

    Returns
    -------
    ndarray of float64, shape (n_measured,)

    Notes
    -----
    With columns x scaled to length 1, the squared length of the sum of a list's columns is the sum
    of all its cosines, each pair twice and each item with itself once; no pair is visited.
    """
    lists = items[(items >= 0).sum(axis=1) >= PAIR]
    lists = lists[evenly_spaced(len(lists), MAX_DIVERSITY_LISTS)]
    is_item = lists >= 0
    row, rank = np.nonzero(is_item)
    member = sparse.csr_array(
        (np.ones(len(row)), (row, lists[row, rank])), shape=(len(lists), vectors.rows.shape[0])
    )
    sums = member @ vectors.rows
    all_cosines = np.asarray(sums.power(2).sum(axis=1)).ravel()
    with_itself = member @ vectors.with_itself
    length = is_item.sum(axis=1)
    result: np.ndarray = 1 - vectors.scale * (all_cosines - with_itself) / (length * (length - 1))
    return result


def _mean_of_items(items: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Mean value of the items of each list that has any."""
    lists = items[(items >= 0).any(axis=1)]
    is_item = lists >= 0
    result: np.ndarray = np.where(is_item, value[lists], 0.0).sum(axis=1) / is_item.sum(axis=1)
    return result
