"""Complete short lists with another recommender's items, keeping scores in falling order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.models.base import TopN


@dataclass(frozen=True)
class FilledLists(TopN):
    """Lists after back-filling; their scores are float64.

    Parameters
    ----------
    own_count : ndarray of int, shape (n_users,)
        How many items at the head of each list are the recommender's own.
    """

    own_count: np.ndarray


def back_fill(own: TopN, spare: TopN | None, users: np.ndarray | None = None) -> FilledLists:
    """Complete each list with another recommender's items that are not in it yet.

    Parameters
    ----------
    own : TopN
        Lists to complete, of shape (n_users, k).
    spare : TopN or None
        The other recommender's lists, of the same width k; None leaves lists as they are.
    users : ndarray of int, shape (n_spare,), optional
        Rows of `own` that the rows of `spare` are for; default all.

    Returns
    -------
    FilledLists

    Notes
    -----
    The two recommenders' scores have different scales. Filled scores keep their distances to the
    first of them and are shifted to start at the list's last own score: with own scores
    ``s_1 >= … >= s_m`` and filled scores ``f_1 >= f_2 >= …``, rank ``m + j`` gets
    ``s_m - (f_1 - f_j)``. So scores never increase along a list and stay finite, and a list
    without own items has the fallback's scores unchanged.
    """
    scores = own.scores.astype(np.float64)
    own_count = (own.items >= 0).sum(axis=1)
    if spare is None:
        return FilledLists(own.user_ids, own.item_ids, own.items, scores, own_count)
    if users is None:
        users = np.arange(len(own.items))
    item_ids = own.item_ids
    if not np.array_equal(item_ids, spare.item_ids):
        item_ids = np.union1d(item_ids, spare.item_ids)
    items, spare_items = own.over(item_ids).items.copy(), spare.over(item_ids).items
    rows, columns, targets = _placed(items[users], spare_items, len(item_ids))
    items[users[rows], targets] = spare_items[rows, columns]
    scores[users[rows], targets] = spare.scores[rows, columns]
    _shift_filled(scores, own_count)
    return FilledLists(own.user_ids, item_ids, items, scores, own_count)


def _placed(
    own_items: np.ndarray, spare_items: np.ndarray, n_items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every item to fill in: its row, its column in `spare` and its new column in the list."""
    offset = np.arange(len(own_items), dtype=np.int64)[:, None] * n_items
    taken = np.where(own_items >= 0, own_items + offset, -1)
    is_new = (spare_items >= 0) & ~np.isin(spare_items + offset, taken)
    target = (own_items >= 0).sum(axis=1)[:, None] + np.cumsum(is_new, axis=1) - 1
    rows, columns = np.nonzero(is_new & (target < own_items.shape[1]))
    return rows, columns, target[rows, columns]


def _shift_filled(scores: np.ndarray, own_count: np.ndarray) -> None:
    """Shift filled scores, in place, so that they start at the last own score."""
    width = scores.shape[1]
    mixed = np.flatnonzero((own_count > 0) & (own_count < width))
    start = own_count[mixed]
    first_filled = scores[mixed, start]
    last_own = scores[mixed, start - 1]
    is_filled = np.arange(width) >= start[:, None]
    shifted = last_own[:, None] - (first_filled[:, None] - scores[mixed])
    scores[mixed] = np.where(is_filled, shifted, scores[mixed])
